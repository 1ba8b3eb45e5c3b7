"""The outbox as a watcher and a sender use it, and a server that plays a receiver."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from collector.alert import Alert, Event
from collector.notify.opening import opened
from collector.notify.posting import Poster
from collector.store import alerts, lease, outbox, projects
from collector.store.outbox import Owed
from tests.conftest import Clock
from tests.make import NOON
from tests.notify.receiver import Receiver, receiving

MINUTE = timedelta(minutes=1)


class Box:
    def __init__(self, pool: asyncpg.Pool, epoch: int) -> None:
        self.pool = pool
        self.epoch = epoch

    async def put(
        self, told: Alert, event: Event, *owed: Owed, now: datetime = NOON, epoch: int | None = None
    ) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            epoch = self.epoch if epoch is None else epoch
            stored = await alerts.write(connection, told, epoch)
            await outbox.put(connection, stored, event, owed, epoch=epoch, now=now)

    async def claim(
        self, channel: str, now: datetime = NOON, most: int = 10, epoch: int | None = None
    ) -> list[outbox.Claimed]:
        async with self.pool.acquire() as connection:
            return await outbox.claim(
                connection, channel, most, until=now + MINUTE, epoch=epoch or self.epoch, now=now
            )

    async def sent(self, one: outbox.Claimed, now: datetime = NOON, **more: Any) -> bool:
        async with self.pool.acquire() as connection:
            return await outbox.sent(connection, one.id, **{"epoch": self.epoch, **more}, now=now)

    async def all_sent(self, channel: str, now: datetime = NOON) -> list[tuple[str, Event]]:
        """Everything that is due, as the receiver hears it: its key and what happened."""
        heard = []
        while claimed := await self.claim(channel, now):
            for one in claimed:
                heard.append((one.message.thread, one.message.event))
                assert await self.sent(one, now)
        return heard

    async def states(self) -> list[tuple[str, str]]:
        rows = await self.pool.fetch("SELECT event, state FROM delivery_out ORDER BY id")
        return [(row["event"], row["state"]) for row in rows]

    async def taken_over(self) -> int:
        await self.pool.execute("UPDATE watcher_lease SET renewed_at = '-infinity'")
        async with self.pool.acquire() as connection:
            epoch = await lease.take(connection, "another")
        assert epoch == self.epoch + 1
        return epoch


@pytest.fixture
async def box(pool: asyncpg.Pool) -> AsyncIterator[Box]:
    async with pool.acquire() as connection:
        for name in ("default", "other"):
            await projects.add(connection, name, [], NOON)
        epoch = await lease.take(connection, "this")
    assert epoch is not None
    yield Box(pool, epoch)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as opened_receiver:
        yield opened_receiver


@pytest.fixture
async def poster(clock: Clock) -> AsyncIterator[Poster]:
    async with opened(clock) as opened_poster:
        yield opened_poster
