"""Group commit: requests put rows into a queue and wait; flushers take all that is there.

No linger: while one flush is at the disk the next batch collects itself. A request is answered
after the commit that holds its rows.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from collector.errors import Reason
from collector.intake.durable import Batch, Outcome
from collector.intake.flush import Known
from collector.metrics import Metrics
from collector.model import platform_label
from collector.store import deliveries, hosts
from collector.store.connect import STORE_DOWN
from collector.store.ledger import Account
from collector.store.rows import Row

log = structlog.get_logger()

BATCH = 1000  # rows of one transaction


@dataclass(slots=True)
class _Waiting:
    rows: Sequence[Row]
    done: asyncio.Future[list[Outcome]]


def _shed_account(row: Row) -> Account:
    return Account(row.project, row.violation.dialect.value, "shed", Reason.NOT_DURABLE)


@dataclass(slots=True)
class Intake:
    """The queue and its flushers.

    most: rows that may wait; past it, rows are refused.
    patience: seconds that a request waits for the commit; a client that posts once waits not much
        longer. Rows that are committed after it are in the ledger as what became of them.
    """

    pool: asyncpg.Pool
    metrics: Metrics
    clock: Callable[[], datetime]
    most: int = 20_000
    patience: float = 10.0
    known: Known = field(default_factory=Known)
    is_down: bool = False
    _queue: deque[_Waiting] = field(default_factory=deque)
    _queued: int = 0
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _counts: Counter[Account] = field(default_factory=Counter)
    _doubts: dict[UUID, tuple[Counter[Account], Counter[Account]]] = field(default_factory=dict)

    async def submit(self, rows: Sequence[Row]) -> list[Outcome]:
        """Make rows durable; their outcomes, in order. Answers after the commit."""
        if not rows:
            return []
        if self._queued + len(rows) > self.most:
            self._shed(rows)
            return [Outcome.NOT_DURABLE] * len(rows)
        waiting = _Waiting(rows, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued += len(rows)
        self.metrics.queue.set(self._queued)
        self._wake.set()
        await asyncio.wait((waiting.done,), timeout=self.patience)
        return waiting.done.result() if waiting.done.done() else [Outcome.NOT_DURABLE] * len(rows)

    def count(self, account: Account, items: int = 1) -> None:
        """An entry for the ledger; it goes out with the next flush, within a second."""
        self._counts[account] += items

    async def run(self) -> None:
        """Flush for ever. Several may run; each takes what is queued when it comes round."""
        while True:
            if not self._queue:
                self._wake.clear()
                try:
                    await asyncio.wait_for(self._wake.wait(), 1.0)
                except TimeoutError:
                    if not self._counts:
                        continue
            await self._flush_queued()

    async def drain(self) -> None:
        """Flush until nothing waits: the last thing before the pool is closed."""
        while (self._queue or self._counts) and await self._flush_queued():
            pass

    async def _flush_queued(self) -> bool:
        """Take what is queued and store it; False if Postgres did not take all of it."""
        taken: list[_Waiting] = []
        size = 0
        while self._queue and (not taken or size + len(self._queue[0].rows) <= BATCH):
            taken.append(self._queue.popleft())
            size += len(taken[-1].rows)
        batch = Batch([row for waiting in taken for row in waiting.rows], self._counts)
        self._counts = Counter()
        try:
            stored = await batch.store(self.pool, self.known, self.clock, self._tell_down)
        finally:
            # Also when this task is stopped, or failed in a way of its own: nobody waits for ever,
            # and the ledger loses nothing.
            self._settle(batch)
            self._queued -= size
            self.metrics.queue.set(self._queued)
            start = 0
            for waiting in taken:
                told = [
                    o or Outcome.NOT_DURABLE
                    for o in batch.outcomes[start : start + len(waiting.rows)]
                ]
                start += len(waiting.rows)
                if not waiting.done.done():  # whoever went away has no answer coming
                    waiting.done.set_result(told)
        await self._tell(down=not stored)
        return stored

    def _settle(self, batch: Batch) -> None:
        """Count what became of each row, and keep what is not in the ledger for the next flush."""
        doubtful = range(0)
        if batch.doubt is None:
            self._counts.update(batch.counts)
        else:
            id_, start, end = batch.doubt
            doubtful = range(start, end)
            shed = Counter(_shed_account(row) for row in batch.rows[start:end])
            self._doubts[id_] = shed, batch.counts
        for place, (row, outcome) in enumerate(zip(batch.rows, batch.outcomes, strict=True)):
            if outcome is None:
                self._shed([row], ledger=place not in doubtful)
            elif outcome is Outcome.UNSTORABLE:
                self.metrics.result(row.project_name, row.violation.dialect, "rejected")
                self.metrics.rejected.labels(reason=Reason.UNSTORABLE).inc()
            else:
                self._count(row, outcome)

    def _shed(self, rows: Sequence[Row], *, ledger: bool = True) -> None:
        for row in rows:
            dialect = row.violation.dialect
            self.metrics.result(row.project_name, dialect, "shed")
            self.metrics.rejected.labels(reason=Reason.NOT_DURABLE).inc()
            if ledger:
                self.count(_shed_account(row))

    def _count(self, row: Row, outcome: Outcome) -> None:
        v = row.violation
        self.metrics.result(row.project_name, v.dialect, outcome)
        if outcome is Outcome.ACCEPTED and not v.test:
            host = row.host if (row.project, row.host) in self.known.admitted else "other"
            platform = platform_label(v.platform)
            self.metrics.violation(row.project_name, host, v.kind, platform, v.enforced)

    async def _tell(self, *, down: bool) -> None:
        """Log a change, not each request; and settle what was in doubt once Postgres is back."""
        if down:
            self._tell_down()
        elif self.is_down:
            log.warning("store.up")
        self.is_down = down
        if down or not self._doubts:
            return
        try:
            async with self.pool.acquire() as connection:
                for id_, (shed, counts) in list(self._doubts.items()):
                    committed = await deliveries.was_committed(connection, id_)
                    if self._doubts.pop(id_, None) and not committed:
                        self._counts.update(shed)
                        self._counts.update(counts)
        except STORE_DOWN:
            log.debug("doubts.kept", batches=len(self._doubts))

    def _tell_down(self) -> None:
        if not self.is_down:
            log.error("store.down")
        self.is_down = True

    async def learn_hosts(self) -> None:
        """Hosts that other processes admitted."""
        async with self.pool.acquire() as connection:
            self.known.admitted |= await hosts.admitted(connection)
