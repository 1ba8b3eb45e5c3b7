"""Items that were read, made durable: each gets a verdict, and each is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from collector.errors import Reason, ReportError
from collector.intake.asn import AsnTable
from collector.intake.day_secrets import DaySecrets
from collector.intake.durable import Outcome, Waiter
from collector.intake.filing import file
from collector.intake.keyring import Key
from collector.intake.newness import Newness
from collector.intake.prepare import Sender, looked_into, prepare, prepare_all
from collector.intake.queue import Intake
from collector.intake.silenced import Silenced
from collector.metrics import UNKNOWN, Metrics
from collector.model import Dialect, Kind, Skip, Violation, Window
from collector.reports.alike import Like
from collector.reports.body import Item
from collector.store.connect import STORE_DOWN
from collector.store.ledger import Account
from collector.store.rows import Entry, Row

# What became of an item, and why where it was not accepted.
Verdict = tuple[str, Reason | Skip | None]

ACCEPTED: Verdict = ("accepted", None)
VERDICTS: dict[Outcome, Verdict] = {
    Outcome.ACCEPTED: ACCEPTED,
    Outcome.DUPLICATE: ("duplicate", None),
    Outcome.UNSTORABLE: ("rejected", Reason.UNSTORABLE),
    Outcome.UNKNOWN_KEY: ("rejected", Reason.UNKNOWN_KEY),
    Outcome.NOT_DURABLE: ("shed", Reason.NOT_DURABLE),
    Outcome.SPOOLED: ("spooled", None),
}
_LOST: Verdict = ("shed", Reason.NOT_DURABLE)
_OVER: Verdict = ("shed", Reason.OVER_LIMIT)


@dataclass(slots=True)
class Taking:
    """pressure: 0, or 1: unknown keys are dropped, 2: rows are stored as counts only. asns: tells operator
    networks apart by autonomous system; without it they are told apart by prefix. silenced: networks."""

    intake: Intake
    metrics: Metrics
    secrets: DaySecrets
    newness: Newness
    pressure: Callable[[], int] = lambda: 0
    asns: AsnTable | None = None
    silenced: Silenced = field(default_factory=Silenced)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "paths"))

    def take_known(
        self,
        item: Item,
        key: Key,
        sender: Sender,
        received_at: datetime,
        done: Waiter,
        like: Like | None = None,
    ) -> bool:
        """The way of nearly all: one violation with nothing new in it; ``done`` gets its outcome. False
        where ``take`` has to look at it. The same, in a third of the steps. like: what it has in common
        with others."""
        if not isinstance(item, Violation) or item.kind is Kind.OK or self.pressure():
            return False
        secret = self.secrets.now(received_at)
        if secret is None:
            return False
        asn = self._asn(sender)
        if like is None:
            row = prepare(item, key, sender, received_at, secret, 0, asn)
        else:
            row = file(like, item, key, sender, received_at, secret, asn)
        if self.intake.known.is_new(row):
            return False
        if self.silenced.told:
            row = self.silenced.mark(row, sender.address)
        self.metrics.receive(1)
        self.intake.put((row,), done)
        return True

    def _asn(self, sender: Sender) -> int | None:
        return None if self.asns is None else self.asns.number(sender.address)

    async def take(
        self,
        items: Sequence[Item],
        key: Key,
        sender: Sender,
        received_at: datetime,
        most: int | None = None,
    ) -> list[Verdict]:
        """Verdicts in order. Answers after what is accepted is durable.

        most: how many items the sender may bring; the rest is shed.
        """
        self.metrics.receive(len(items))
        verdicts: list[Verdict] = [ACCEPTED] * len(items)
        storable: list[tuple[int, Violation | Window]] = []
        for index, item in enumerate(items):
            if most is not None and index >= most:
                verdicts[index] = _OVER
                self.not_stored(key, "shed", _dialect(item), Reason.OVER_LIMIT)
            elif isinstance(item, Violation):
                if item.kind is Kind.OK and item.dialect is not Dialect.NEL:
                    # Its sender's failures are no connections, so neither is its success.
                    verdicts[index] = ("ignored", Skip.SUCCESS)
                    self.not_stored(key, "ignored", item.dialect, Skip.SUCCESS)
                else:
                    storable.append((index, item))
            elif isinstance(item, Window):
                storable.append((index, item))
            elif isinstance(item, ReportError):
                verdicts[index] = ("rejected", item.reason)
                self.not_stored(key, "rejected", UNKNOWN, item.reason)
            else:
                verdicts[index] = ("ignored", item.why)
                self.not_stored(key, "ignored", item.dialect, item.why)
        if storable:
            await self._store(storable, verdicts, key, sender, received_at)
        return verdicts

    async def _store(
        self,
        storable: Sequence[tuple[int, Violation | Window]],
        verdicts: list[Verdict],
        key: Key,
        sender: Sender,
        received_at: datetime,
    ) -> None:
        secret = self.secrets.now(received_at)
        if secret is None:
            try:
                secret = await self.secrets.of(received_at)
            except STORE_DOWN:
                for index, item in storable:
                    verdicts[index] = _LOST
                    self.not_stored(key, "shed", _dialect(item), Reason.NOT_DURABLE)
                return
        pressure = self.pressure()
        told = [item for _, item in storable]
        if pressure:
            told = [_without_detail(item) for item in told]
        entries = prepare_all(told, key, sender, received_at, secret, self._asn(sender))
        if self.silenced.told:
            entries = [
                self.silenced.mark(e, sender.address) if isinstance(e, Row) else e for e in entries
            ]
        known = self.intake.known
        if any(isinstance(entry, Row) and known.is_new(entry) for entry in entries):
            entries = await self._look_into(entries)
        if pressure > 1:
            entries = [replace(e, thin=True) if isinstance(e, Row) else e for e in entries]
        outcomes = await self.intake.submit(entries)
        for (index, _), outcome in zip(storable, outcomes, strict=True):
            verdicts[index] = VERDICTS[outcome]

    async def _look_into(self, entries: Sequence[Entry]) -> list[Entry]:
        """Those with something new: looked into within the caps, else deferred."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        found: list[Entry] = []
        wanted: list[int] = []
        for entry in entries:
            if isinstance(entry, Row) and self.intake.known.is_new(entry):
                # A chain that is known only lacks its path, in a process that has just started.
                only_path = entry.deferred and self.intake.known.has_content(entry)
                if not (only_path or self.newness.has_room(entry, now)):
                    found.append(entry if entry.deferred else replace(entry, deferred=True))
                    continue
                if entry.deferred:
                    wanted.append(len(found))
                else:
                    self.intake.known.expect(entry)
            found.append(entry)
        if wanted:
            rows = [row for place in wanted if isinstance(row := found[place], Row)]
            done = await loop.run_in_executor(self._thread, _all_looked_into, rows)
            for place, row in zip(wanted, done, strict=True):
                self.intake.known.expect(row)
                found[place] = row
        return found

    def not_stored(
        self, key: Key | None, result: str, dialect: str, reason: Reason | Skip, items: int = 1
    ) -> None:
        """Count what does not go through the queue."""
        self.metrics.result(key.project_name if key else UNKNOWN, dialect, result, items)
        if isinstance(reason, Reason):
            self.metrics.rejected.labels(reason=reason).inc(items)
        else:
            self.metrics.ignored.labels(reason=reason).inc(items)
        told = "" if dialect == UNKNOWN else dialect
        project = key.project if key else None
        self.intake.count(Account(project, told, result, reason), items)
        self.intake.count(Account(project, "", "received"), items)


def _dialect(item: Item) -> str:
    if isinstance(item, ReportError):
        return UNKNOWN
    return Dialect.CONNECTIONS if isinstance(item, Window) else item.dialect


def _without_detail(item: Violation | Window) -> Violation | Window:
    if isinstance(item, Window) or not item.extra or item.kind is Kind.OK:
        return item  # of a success, the unknown keys are part of its identity
    return replace(item, extra={}, flags=(*item.flags, "cut:overload"))


def _all_looked_into(rows: Sequence[Row]) -> list[Row]:
    return [looked_into(row) for row in rows]
