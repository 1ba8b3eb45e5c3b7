"""A plain request, from its bytes to the bytes of its answer, without a task or a future of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from aiohttp.helpers import rfc822_formatted_time

from collector.fingerprint import IPAddress
from collector.intake.desk import is_one
from collector.intake.durable import Outcome
from collector.intake.keyring import Key
from collector.intake.limits import source_of
from collector.intake.prepare import Sender
from collector.web.answers import Answer
from collector.web.ingest import AGENT, Ingest, accepted, answer_of
from collector.web.short import Plain
from collector.web.source import one_hop

log = structlog.get_logger()

Write = Callable[[bytes, bool], None]  # an answer; whether the connection ends with it
_accepted: tuple[str, bytes] = ("", b"")  # what nearly all are told, as of a second


class Reply:
    """Waits for what becomes of a report, and answers."""

    __slots__ = ("_began", "_ingest", "_is_done", "_job", "_task", "_write")

    def __init__(
        self, ingest: Ingest, job: tuple[bytes, Key, Sender, datetime], began: float, write: Write
    ) -> None:
        self._ingest = ingest
        self._job = job
        self._began = began
        self._write = write
        self._is_done = False
        self._task: asyncio.Task[None] | None = None

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: Sequence[Outcome], /) -> None:
        """Raises nothing: whoever tells has others to tell."""
        self._is_done = True
        try:
            if not result:  # not so simple after all
                self._task = asyncio.get_running_loop().create_task(self._look_again())
            elif result[0] is Outcome.ACCEPTED:
                self._end(_accepted_now(), closes=False)
            else:
                self._answer(answer_of(result[0]))
        except Exception:
            log.exception("answer.crashed")

    async def _look_again(self) -> None:
        self._answer(await self._ingest.look_again(*self._job))

    def _answer(self, answer: Answer) -> None:
        answer.keep_alive = not answer.closes
        self._end(answer.written(rfc822_formatted_time()), closes=answer.closes)

    def _end(self, told: bytes, *, closes: bool) -> None:
        self._ingest.ends(self._began)
        self._write(told, closes)


def take(ingest: Ingest, plain: Plain, peer: IPAddress, now: float, write: Write) -> bool:
    """False: nothing was done, and the request is for the long way. Else ``write`` is called, later."""
    key = ingest.keyring.known(plain.key)
    body = plain.body
    if key is None or not is_one(body):
        return False
    address = one_hop(peer, plain.address, ingest.proxies)
    if address is None:
        return False
    source = None if key.trusted else source_of(address)
    if source is not None and (
        key.quota is not None or not ingest.rates.admit_easily(source, len(body), now)
    ):
        return False
    if not ingest.door.begins():
        return False  # cannot be: who asks has looked
    received_at = ingest.clock()
    agent = plain.agent
    sender = Sender(address, agent[:AGENT] if agent else None)
    ingest.one_address.saw(address)
    job = (body, key, sender, received_at)
    ingest.desk.give(*job, Reply(ingest, job, now, write))
    return True


def _accepted_now() -> bytes:
    global _accepted
    date = rfc822_formatted_time()
    if _accepted[0] != date:
        answer = accepted()
        answer.keep_alive = True
        _accepted = (date, answer.written(date))
    return _accepted[1]
