"""Group commit: requests put rows into a queue and wait; flushers take all that is there.

No linger: while one flush is at the disk the next batch collects itself. A request is answered
after the commit that holds its rows.

Windows of connections, and reports that are parsed later, have a queue and a transaction of their own. Theirs is
of several statements, one after the other, and that of other reports is of one: with one of them in a hundred
every second batch had some, and all that waited for it waited twice as long.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from uuid import UUID, uuid4, uuid5

import asyncpg
import msgspec
import structlog

from collector.errors import Reason
from collector.intake.counting import count
from collector.intake.durable import Batch, Outcome, Waiter
from collector.intake.frames import Frame
from collector.intake.known import Known
from collector.intake.spool import Spool
from collector.metrics import Metrics
from collector.store import deliveries, hosts, ledger
from collector.store.connect import STORE_DOWN, lent
from collector.store.ledger import Account
from collector.store.rows import Entry, Sample

log = structlog.get_logger()

BATCH = 1000  # rows of one transaction
# A transaction costs as much as some twenty rows, so a second one beside the first is begun only where enough
# requests wait for it to be worth that, or where the first takes long: seconds. Without it nothing is read
# while Postgres works for all that wait: durable is 0.42 of a bare server then, and 0.46 with it.
_MANY, _LONG = 160, 0.05
_LOOK = 0.002  # seconds between looks whether it is so, or nothing more comes
# Seconds, where there is a spool: for one commit; that a row may wait before its turn; for a replay.
_PROMPT, _STALL, _REPLAYED = 2.0, 2.0, 10.0


class _Waiting(msgspec.Struct, eq=False, gc=False):
    rows: Sequence[Entry]
    done: Waiter
    since: float  # monotonic


def _is_slow(rows: Sequence[Entry]) -> bool:
    for row in rows:  # noqa: SIM110 (on every report's way: any() takes four times as long)
        if isinstance(row, Sample) or row.deferred:
            return True
    return False


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
    spool: Spool | None = None
    is_down: bool = False
    _queue: deque[_Waiting] = field(default_factory=deque)
    _slow: deque[_Waiting] = field(default_factory=deque)
    _has_slow: bool = False  # a flush of it is going on: one at a time
    _flushing: dict[UUID, list[_Waiting]] = field(default_factory=dict)  # by batch
    _queued: int = 0
    _began: float = 0.0  # the last flush of reports that was
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _counts: Counter[Account] = field(default_factory=Counter)
    _doubts: dict[UUID, Counter[Account]] = field(default_factory=dict)

    @property
    def queued(self) -> int:
        """Rows that wait for a flush."""
        return self._queued

    def fill(self) -> float:
        """How full the queue is, 0 to 1."""
        return self._queued / self.most

    def submit(self, rows: Sequence[Entry]) -> asyncio.Future[Sequence[Outcome]]:
        """Make rows durable; their outcomes, in order, after the commit. At least one row."""
        done: asyncio.Future[Sequence[Outcome]] = asyncio.get_running_loop().create_future()
        self.put(rows, done)
        return done

    def put(self, rows: Sequence[Entry], done: Waiter) -> None:
        """``submit``, with ``done`` told the outcomes."""
        if self._queued + len(rows) > self.most:
            for row in rows:
                self._shed(row, self._counts)
            done.set_result([Outcome.NOT_DURABLE] * len(rows))
            return
        queue = self._slow if _is_slow(rows) else self._queue
        queue.append(_Waiting(rows, done, monotonic()))
        self._queued += len(rows)
        if not self._wake.is_set():
            self._wake.set()

    async def hurry(self) -> None:
        """For ever: nobody waits longer than ``patience``, and half a second."""
        while True:
            await asyncio.sleep(0.25)
            latest = monotonic() - self.patience
            for waiting_ in (self._queue, self._slow, *self._flushing.values()):
                for waiting in waiting_:  # in the order they came
                    if waiting.since >= latest:
                        break
                    if not waiting.done.done():
                        waiting.done.set_result([Outcome.NOT_DURABLE] * len(waiting.rows))

    def count(self, account: Account, items: int = 1) -> None:
        """An entry for the ledger; it goes out with the next flush, within a second."""
        self._counts[account] += items

    async def run(self) -> None:
        """Flush for ever. Several may run; each takes what is queued when it comes round."""
        seen = 0
        while True:
            if not self._queue and not self._may_flush_slow():
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), 1.0)
            if self._may_flush_slow():
                await self._flush_slow()
                continue
            if not self._queue and not self._counts:
                continue  # the other flusher took it
            comes = len(self._queue) != seen
            seen = len(self._queue)
            is_flushing = len(self._flushing) > self._has_slow
            if is_flushing and comes and not self._wants_another():
                await asyncio.sleep(_LOOK)
                continue
            await self._flush_queued()

    def _may_flush_slow(self) -> bool:
        return bool(self._slow) and not self._has_slow

    async def _flush_slow(self) -> bool:
        self._has_slow = True
        try:
            return await self._flush(self._slow)
        finally:
            self._has_slow = False

    def _wants_another(self) -> bool:
        """Whether what waits should not wait for the flush that is going on."""
        began = monotonic() - self._began
        return len(self._queue) >= _MANY or began >= _LONG

    async def drain(self) -> None:
        """Flush until nothing waits: the last thing before the pool is closed."""
        while self._slow and await self._flush_slow():
            pass
        while (self._queue or self._counts) and await self._flush_queued():
            pass
        while self.spool is not None and (self._queue or self._slow or self._counts):
            before = len(self._queue) + len(self._slow)
            go_on = self._flush_slow if self._slow else self._flush_queued
            await go_on()  # into the spool
            if before == len(self._queue) + len(self._slow):
                break
        await self._settle_doubts()
        if self._doubts:
            log.error("doubts.lost", batches=len(self._doubts))

    async def _flush_queued(self) -> bool:
        self._began = monotonic()
        return await self._flush(self._queue)

    async def _flush(self, queue: deque[_Waiting]) -> bool:
        """Take what is queued and store it; False if Postgres did not take all of it."""
        taken: list[_Waiting] = []
        size = 0
        while queue and (not taken or size + len(queue[0].rows) <= BATCH):
            taken.append(queue.popleft())
            size += len(taken[-1].rows)
        batch = Batch([row for waiting in taken for row in waiting.rows], self._counts)
        self._counts = Counter()
        self._flushing[batch.id] = taken
        began = monotonic()
        late = bool(taken) and began - taken[0].since > _STALL
        stored = False
        try:
            # Once it is known to be away, replaying asks whether it is back: nobody waits for that here.
            if self.spool is None:
                stored = await batch.store(self.pool, self.known, self.clock, self._tell_down)
            elif not (self.is_down or late):
                stored = await batch.store(
                    self.pool, self.known, self.clock, self._tell_down, tries=1, patience=_PROMPT
                )
            if self.spool is not None and not stored:
                await self._spool(batch, self.spool)
        finally:
            # Also when this task is stopped, or failed in a way of its own: nobody waits for ever,
            # and the ledger loses nothing.
            self._settle(batch)
            self._queued -= size
            self.metrics.queue.set(self._queued)
            del self._flushing[batch.id]
            told = [outcome or Outcome.NOT_DURABLE for outcome in batch.outcomes]
            start = 0
            for waiting in taken:
                end = start + len(waiting.rows)
                if not waiting.done.done():  # whoever went away has no answer coming
                    waiting.done.set_result(told[start:end])
                start = end
        if not (late and not stored):
            await self._tell(down=not stored)
        return stored

    async def _spool(self, batch: Batch, spool: Spool) -> None:
        """What has no outcome goes to the disk, each part that may have been committed under its id.

        Entries for the ledger go along, so that they outlast this process, too.
        """
        parts = sorted(batch.doubts.items(), key=lambda part: part[1][1] - part[1][0])
        frames: dict[UUID, list[int]] = {}
        rest = batch.id if batch.id in batch.doubts or not batch.doubts else uuid4()
        for place, outcome in enumerate(batch.outcomes):
            if outcome is None:
                part = next((id_ for id_, (start, end) in parts if start <= place < end), rest)
                frames.setdefault(part, []).append(place)
        if batch.counts:
            frames.setdefault(batch.id if batch.id in batch.doubts else rest, [])
        for id_, places in frames.items():
            counts = batch.counts if id_ in (batch.id, rest) else Counter[Account]()
            told = Frame(id_, [batch.rows[place] for place in places], Counter(counts))
            try:
                await spool.append(told)
            except OSError:
                continue  # the spool has said so; these are shed
            except Exception:
                log.exception("spool.crashed")
                continue
            batch.doubts.pop(id_, None)
            counts.clear()
            for place in places:
                batch.outcomes[place] = Outcome.SPOOLED

    async def replay(self, batch: Batch) -> bool:
        """A batch from the spool: stored and counted, or False."""
        stored = await batch.store(
            self.pool, self.known, self.clock, self._tell_down, tries=1, patience=_REPLAYED
        )
        if stored and batch.counts:
            # It was stored in parts, and no part is the whole that they go out with.
            rest = Batch([], batch.counts, uuid5(batch.id, "counts"))
            stored = await rest.store(
                self.pool, self.known, self.clock, self._tell_down, tries=1, patience=_REPLAYED
            )
        if stored:
            count(self.metrics, self.known, batch, batch.outcomes, replayed=True)
        return stored

    async def refuse(self, batch: Batch) -> None:
        """Enter what is left of a batch that cannot be stored, although Postgres answers, as rejected."""
        for row, outcome in zip(batch.rows, batch.outcomes, strict=True):
            if outcome is None:
                self.count(Account(row.project, row.dialect.value, "rejected", Reason.UNSTORABLE))
                self.count(Account(row.project, "", "received"))
        self._counts.update(batch.counts)
        told = [outcome or Outcome.UNSTORABLE for outcome in batch.outcomes]
        count(self.metrics, self.known, batch, told, replayed=True)

    async def look_again(self) -> bool:
        """Whether Postgres takes a batch now."""
        try:
            async with lent(self.pool, _PROMPT) as connection:
                await deliveries.try_batch(connection, self.clock())
        except STORE_DOWN:
            self._tell_down()
            return False
        await self._tell(down=False)
        return True

    def _settle(self, batch: Batch) -> None:
        """Count what became of each row, and keep what is not in the ledger for the next flush."""
        # A row that may have been committed in several parts is settled with the smallest.
        parts = sorted(batch.doubts.items(), key=lambda part: part[1][1] - part[1][0])
        held: dict[UUID, Counter[Account]] = {id_: Counter() for id_, _ in parts}
        if batch.id in held:
            held[batch.id].update(batch.counts)
        else:
            self._counts.update(batch.counts)
        if None in batch.outcomes:
            for place, (row, outcome) in enumerate(zip(batch.rows, batch.outcomes, strict=True)):
                if outcome is None:
                    part = next((id_ for id_, (start, end) in parts if start <= place < end), None)
                    self._shed(row, self._counts if part is None else held[part])
        count(self.metrics, self.known, batch, batch.outcomes)
        self._doubts.update(held)

    def _shed(self, row: Entry, ledger: Counter[Account]) -> None:
        dialect = row.dialect
        self.metrics.result(row.project_name, dialect, "shed")
        self.metrics.rejected.labels(reason=Reason.NOT_DURABLE).inc()
        ledger[Account(row.project, dialect.value, "shed", Reason.NOT_DURABLE)] += 1
        ledger[Account(row.project, "", "received")] += 1

    async def _tell(self, *, down: bool) -> None:
        """Log a change, not each request; and settle what was in doubt once Postgres is back."""
        if down:
            self._tell_down()
        elif self.is_down:
            log.warning("store.up")
        self.is_down = down
        if not down:
            await self._settle_doubts()

    async def _settle_doubts(self) -> None:
        """Enter each batch that was in doubt, with its rows as shed; one that is there already was
        committed after all. Entering it waits for a transaction of it that is still open."""
        try:
            while self._doubts:
                id_ = next(iter(self._doubts))
                async with self.pool.acquire() as connection, connection.transaction():
                    if await deliveries.begin_batch(connection, id_, self.clock()):
                        await ledger.append(connection, self._doubts[id_], self.clock())
                self._doubts.pop(id_, None)
        except STORE_DOWN:
            log.debug("doubts.kept", batches=len(self._doubts))

    def _tell_down(self, error: BaseException | None = None) -> None:
        if not self.is_down:
            log.error("store.down", error=type(error).__name__ if error else None)
        self.is_down = True

    async def learn_hosts(self) -> None:
        """Hosts that other processes admitted, or released."""
        async with self.pool.acquire() as connection:
            self.known.admitted = await hosts.admitted(connection)
