"""What every process that takes items is made of: pool, metrics, intake, keys, and their rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.background import every, running
from collector.errors import StoreError
from collector.intake.keyring import Keyring
from collector.intake.maintain import rates
from collector.intake.queue import Intake
from collector.metrics import SOURCES, Metrics
from collector.settings import Settings
from collector.store.connect import STORE_DOWN, no_password, open_pool
from collector.web.ingest import Ingest

Tick = Callable[[], Awaitable[None]]
Round = tuple[str, float, Tick]  # name, seconds, what is done

FLUSHERS = 2


@dataclass(frozen=True, slots=True)
class Core:
    """``name``: of this process among those of one `serve`: "collector", "worker-1", ... What
    belongs to one process and outlives it, is found again by it."""

    name: str
    settings: Settings
    clock: Callable[[], datetime]
    pool: asyncpg.Pool
    metrics: Metrics
    intake: Intake
    keyring: Keyring
    ingest: Ingest

    async def keys(self) -> None:
        await self.keyring.refresh()
        self.metrics.keep_projects(self.keyring.projects.values())

    async def hosts(self) -> None:
        await self.intake.learn_hosts()
        self.metrics.keep_hosts(labels := self._labels())
        for project, host in labels:
            self.metrics.know_host(project, host)

    async def rates(self) -> None:
        labels = self._labels()
        told = {}
        for found in await rates(self.pool, self.clock()):
            place = self.keyring.projects.get(found.project, ""), found.host
            if found.ratio is not None and place in labels:
                told[*place, SOURCES[0 if found.trusted else 1]] = found.ratio
        self.metrics.rate(told)

    def _labels(self) -> set[tuple[str, str]]:
        """Admitted hosts with the names of their projects."""
        names = self.keyring.projects
        return {(names[p], host) for p, host in self.intake.known.admitted if p in names}

    async def begin(self, stack: AsyncExitStack, first: Sequence[Tick]) -> None:
        """Look once, then flush until the stack closes, which flushes what waits.

        Raises StoreError.
        """
        try:
            for look in first:
                await look()
        except STORE_DOWN as error:
            words = no_password(error, self.settings.database_url or "")
            raise StoreError(f"Postgres does not answer: {words}") from None
        stack.push_async_callback(self.intake.drain)
        for number in range(FLUSHERS):
            await stack.enter_async_context(running(f"flush-{number}", self.intake.run()))

    async def go_round(self, stack: AsyncExitStack, rounds: Sequence[Round]) -> None:
        for name, seconds, tick in rounds:
            first = timedelta(seconds=min(seconds, 30.0))
            task = every(timedelta(seconds=seconds), name, tick, self.metrics, first)
            await stack.enter_async_context(running(name, task))


async def open_core(
    stack: AsyncExitStack, name: str, settings: Settings, clock: Callable[[], datetime]
) -> Core:
    """For the life of the stack. Raises StoreError."""
    pool = await opened_pool(stack, settings)
    metrics = Metrics()
    intake = Intake(pool, metrics, clock)
    keyring = Keyring(pool, settings.hash_key)
    ingest = Ingest(keyring, intake, metrics, clock, settings.trusted_proxies)
    return Core(name, settings, clock, pool, metrics, intake, keyring, ingest)


async def opened_pool(
    stack: AsyncExitStack, settings: Settings, *, size: int = 8, seconds: float = 30
) -> asyncpg.Pool:
    assert settings.database_url is not None
    pool = await open_pool(settings.database_url, size=size, seconds=seconds)
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except (TimeoutError, OSError):
        pool.terminate()
