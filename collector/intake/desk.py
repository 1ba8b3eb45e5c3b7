"""Reports that are one item are read together, those of one turn of the event loop at a time.

Reading and hashing one report after the other takes half of what it takes between the steps of HTTP:
neither throws the other out of the processor's caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from collector.intake.durable import Outcome, Waiter
from collector.intake.keyring import Key
from collector.intake.prepare import Sender
from collector.intake.taking import Taking
from collector.model import Violation
from collector.reports.alike import Alike, Like
from collector.reports.body import LIMITS, Item, Limits, read_body
from collector.reports.fields import Hints

_A_TURN = (
    200  # reports; more wait for the next turn, and what came in meanwhile is read from the sockets
)


class _Job(msgspec.Struct, frozen=True, gc=False):
    body: bytes
    key: Key
    sender: Sender
    received_at: datetime
    done: Waiter


def is_one(body: bytes) -> bool:
    """Whether a body is one item for sure: an object in one line, or a text that begins with a letter."""
    first = body[:1]
    return b"\n" not in body if first == b"{" else first.isalpha()


@dataclass(slots=True)
class Desk:
    taking: Taking
    limits: Limits = LIMITS
    _jobs: list[_Job] = field(default_factory=list)
    _alike: Alike = field(default_factory=Alike)

    def put(
        self, body: bytes, key: Key, sender: Sender, received_at: datetime
    ) -> asyncio.Future[Sequence[Outcome]]:
        """The outcome of a body that is one item; none where it is not so simple: then nothing was done."""
        done: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self.give(body, key, sender, received_at, done)
        return done

    def give(
        self, body: bytes, key: Key, sender: Sender, received_at: datetime, done: Waiter
    ) -> None:
        """``put``, with ``done`` told; never before this returns."""
        if not self._jobs:
            asyncio.get_running_loop().call_soon(self._read)
        self._jobs.append(_Job(body, key, sender, received_at, done))

    def _read(self) -> None:
        jobs, self._jobs = self._jobs[:_A_TURN], self._jobs[_A_TURN:]
        if self._jobs:
            asyncio.get_running_loop().call_soon(self._read)
        for job in jobs:
            is_taken = False
            try:
                item, like = self._item(job)
                is_taken = self.taking.take_known(
                    item, job.key, job.sender, job.received_at, job.done, like
                )
            except Exception:  # noqa: BLE001, S110 (the long way meets it again, and says what is wrong)
                pass
            if not is_taken and not job.done.done():
                job.done.set_result(())

    def _item(self, job: _Job) -> tuple[Item, Like | None]:
        agent = job.sender.user_agent
        known = self._alike.read(job.body, job.received_at, agent)
        if known is not None:
            return known
        (item,) = read_body(job.body, Hints(job.received_at, agent), self.limits)
        if isinstance(item, Violation):
            self._alike.learn(job.body, item, job.received_at, agent)
        return item, None
