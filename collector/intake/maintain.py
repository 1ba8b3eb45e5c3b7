"""What keeps the store in shape: partitions ahead, deltas folded, the old forgotten."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.store import content, deliveries, ledger, secrets, sightings, signatures, violations
from collector.store.connect import STORE_DOWN, Connection

log = structlog.get_logger()

AHEAD = 3  # days of partitions
DELIVERIES = timedelta(days=10)  # identity is exact for 8
ADDRESSES = timedelta(days=8)  # sightings, and the secrets that hash networks
SIGNATURES = timedelta(days=400)


async def make_partitions(pool: asyncpg.Pool, now: datetime) -> None:
    async with pool.acquire() as connection:
        for ahead in range(AHEAD):
            await violations.make_partition(connection, now.date() + timedelta(days=ahead))


async def maintain(pool: asyncpg.Pool, now: datetime, retention_days: int) -> None:
    """Each step on its own: one that fails leaves the others done, and comes round again.

    Raises the last step's error, after all were tried.
    """
    today = now.date()
    kept = today - timedelta(days=retention_days)

    async def partitions(connection: Connection) -> None:
        dropped = await violations.forget_before(connection, kept)
        if dropped:
            log.info("partitions.dropped", names=dropped)

    steps: tuple[Callable[[Connection], Awaitable[None]], ...] = (
        lambda c: secrets.forget_before(c, (now - ADDRESSES).date()),
        lambda c: sightings.forget_before(c, now - ADDRESSES),
        partitions,
        lambda c: deliveries.forget_before(c, now - DELIVERIES),
        lambda c: content.forget_before(c, kept - timedelta(days=2)),
        lambda c: signatures.forget_before(c, now - SIGNATURES),
    )
    await make_partitions(pool, now)
    failed: BaseException | None = None
    for step in steps:
        try:
            async with pool.acquire() as connection:
                await step(connection)
        except STORE_DOWN as error:
            failed = error
    if failed is not None:
        raise failed


async def fold(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await signatures.fold(connection)
        await ledger.fold(connection)
