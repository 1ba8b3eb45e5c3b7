"""A commit whose answer was lost is neither forgotten nor counted twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from collector.intake import durable
from collector.intake.durable import Outcome
from collector.intake.maintain import make_partitions
from collector.intake.queue import Intake
from collector.metrics import Metrics
from collector.store import ledger
from tests.conftest import Clock
from tests.intake.running import project
from tests.make import neutral, row


class Lossy:
    """A pool whose next flushes are cut at their commit: before it, after it, or long before it
    happens after all."""

    def __init__(self, pool: asyncpg.Pool, how: str, cuts: int) -> None:
        self.pool, self.how, self.cuts = pool, how, cuts
        self.late: list[asyncio.Task[Any]] = []

    @asynccontextmanager
    async def acquire(self, timeout: float | None = None) -> AsyncIterator[Any]:
        connection = await self.pool.acquire()
        cut = Cut(self, connection) if self.cuts else connection
        self.cuts = max(0, self.cuts - 1)
        try:
            yield cut
        finally:
            if not (isinstance(cut, Cut) and self.how == "late"):
                await self.pool.release(connection)


class Cut:
    """A connection that is lost at the end of its transaction."""

    def __init__(self, lossy: Lossy, connection: Any) -> None:
        self.lossy, self.connection = lossy, connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.connection, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            yield
        except BaseException:
            # Given up while it waited: the connection goes back as the pool would take it.
            await self.lossy.pool.release(self.connection)
            raise
        if self.lossy.how == "before":
            await transaction.rollback()
        elif self.lossy.how == "after":
            await transaction.commit()
        else:
            self.lossy.late.append(asyncio.create_task(self._commit_late(transaction)))
        raise ConnectionResetError

    async def _commit_late(self, transaction: Any) -> None:
        await asyncio.sleep(1.0)
        await transaction.commit()
        await self.lossy.pool.release(self.connection)


@pytest.mark.parametrize(
    ("how", "cuts", "outcome", "stored"),
    [
        pytest.param("before", 1, Outcome.ACCEPTED, 1, id="lost, then done"),
        pytest.param("after", 1, Outcome.ACCEPTED, 1, id="done, unheard of, then found"),
        pytest.param("before", 3, Outcome.NOT_DURABLE, 0, id="lost three times"),
        pytest.param("after", 3, Outcome.NOT_DURABLE, 1, id="done, never heard of"),
        pytest.param("late", 1, Outcome.ACCEPTED, 1, id="done while it is tried again"),
        pytest.param("late", 3, Outcome.NOT_DURABLE, 1, id="done long after it was given up"),
    ],
)
async def test_the_ledger_adds_up(
    pool: asyncpg.Pool, clock: Clock, monkeypatch: pytest.MonkeyPatch,
    how: str, cuts: int, outcome: Outcome, stored: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(durable, "_PAUSE", 0.01)
    if how == "late" and cuts == 3:
        monkeypatch.setattr(durable, "_PATIENCE", 0.2)
    key = await project(pool)
    await make_partitions(pool, clock())
    lossy = Lossy(pool, how, cuts)
    intake = Intake(lossy, Metrics(), clock)  # type: ignore[arg-type]
    waiting = intake.submit([row(neutral(event_id="1"), key=key)])
    await asyncio.sleep(0)
    intake.count(ledger.Account(key.project, "", "ignored"))
    intake.count(ledger.Account(key.project, "", "received"))
    await intake._flush_queued()
    assert await waiting == [outcome]
    lossy.cuts = 0
    await intake.drain()
    await intake._settle_doubts()
    await asyncio.gather(*lossy.late)
    assert intake._doubts == {}
    assert await pool.fetchval("SELECT count(*) FROM violation") == stored
    async with pool.acquire() as connection:
        totals = (await ledger.totals(connection))["default"]
    result = "accepted" if stored else "shed"
    assert totals == {"received": 2, "ignored": 1, result: 1}
