"""What keeps the store in shape: partitions ahead, deltas folded, the old forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.store import content, deliveries, ledger, secrets, sightings, signatures, violations

log = structlog.get_logger()

AHEAD = 3  # days of partitions
DELIVERIES = timedelta(days=10)  # identity is exact for 8
ADDRESSES = timedelta(days=8)  # sightings, and the secrets that hash networks
SIGNATURES = timedelta(days=400)


async def maintain(pool: asyncpg.Pool, now: datetime, retention_days: int) -> None:
    """Each step on its own: one that fails leaves the others done, and comes round again."""
    today = now.date()
    async with pool.acquire() as connection:
        for ahead in range(AHEAD):
            await violations.make_partition(connection, today + timedelta(days=ahead))
        dropped = await violations.forget_before(connection, today - timedelta(days=retention_days))
        if dropped:
            log.info("partitions.dropped", names=dropped)
        await deliveries.forget_before(connection, now - DELIVERIES)
        await sightings.forget_before(connection, now - ADDRESSES)
        await secrets.forget_before(connection, (now - ADDRESSES).date())
        await content.forget_before(connection, today - timedelta(days=retention_days + 2))
        await signatures.forget_before(connection, now - SIGNATURES)


async def fold(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await signatures.fold(connection)
        await ledger.fold(connection)
