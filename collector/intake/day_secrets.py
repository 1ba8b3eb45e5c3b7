"""The secret of the day, which hashes addresses: the same for all processes, forgotten after 8 days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import asyncpg

from collector.background import within
from collector.store import secrets

AHEAD = 3  # days of secrets that are made ahead, so that Postgres may be away over midnight
_PATIENCE = 5.0


class DaySecrets:
    """Secrets of today and of the next days, in memory."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._known: dict[date, bytes] = {}

    @property
    def known(self) -> Mapping[date, bytes]:
        return self._known

    def learn(self, secrets_by_day: Mapping[date, bytes]) -> None:
        self._known.update(secrets_by_day)

    def now(self, at: datetime) -> bytes | None:
        """The secret of that day, if it is known already."""
        return self._known.get(at.date())

    async def of(self, at: datetime) -> bytes:
        """Raises what asyncpg raises, or TimeoutError, where it is not known and Postgres is away."""
        found = self._known.get(at.date())
        if found is None:
            await within(_PATIENCE, self._read(at.date()))
            found = self._known[at.date()]
        return found

    async def refresh(self, now: datetime) -> None:
        """Those of the next days, too; and those of the past go."""
        today = now.date()
        days = [today + timedelta(days=ahead) for ahead in range(AHEAD)]
        for day in days:
            if day not in self._known:
                await self._read(day)
        for day in [day for day in self._known if day < today - timedelta(days=1)]:
            del self._known[day]

    async def _read(self, day: date) -> None:
        async with self._pool.acquire() as connection:
            self._known[day] = await secrets.of_the_day(connection, day)
