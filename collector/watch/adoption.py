"""Count who used which version, a day after the other: each day once, when it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import asyncpg

from collector.model import ProjectId
from collector.store import adoption, projects

BACK = 6  # days: what they are counted from is kept for 8
GRACE = timedelta(hours=1)  # for what was received before midnight, and is stored after it
KEEP = timedelta(days=400)


@dataclass(slots=True)
class Adoption:
    """``done``: days that this process counted."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    done: set[date] = field(default_factory=set)

    async def tick(self) -> None:
        """Days that are over and were not counted; the present one only while the one before has nothing.
        Every replica may do it: again is the same."""
        today = (self.clock() - GRACE).date()
        self.done = {day for day in self.done if day > today - timedelta(days=BACK + 1)}
        over = [today - timedelta(days=ago) for ago in range(1, BACK + 1)]
        waiting = [day for day in over if day not in self.done]
        async with self.pool.acquire() as connection:
            if not await adoption.is_learned(connection, over[0]):
                waiting.append(today)
            for day in waiting:
                await self._count(connection, day)
                if day != today:
                    self.done.add(day)
            while await adoption.forget_before(connection, today - KEEP):
                pass

    async def _count(self, connection: asyncpg.pool.PoolConnectionProxy, day: date) -> None:
        for row in await projects.named(connection):
            await adoption.learn(connection, ProjectId(row["id"]), day)
