"""What keeps the store in shape: partitions ahead, deltas folded, the old forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.store import (
    access,
    connections,
    content,
    deliveries,
    forget,
    hosts,
    ledger,
    quarantine,
    secrets,
    sightings,
    signatures,
    violations,
)
from collector.store.connect import STORE_DOWN, Connection
from collector.store.connections import Rate

log = structlog.get_logger()

AHEAD = 3  # days of partitions
DELIVERIES = timedelta(days=10)  # identity is exact for 8
ADDRESSES = timedelta(days=8)  # sightings, and the secrets that hash networks
SIGNATURES = timedelta(days=400)  # and sums of connections
IDLE = timedelta(days=30)  # then a host that nobody registered is released
PROPOSALS = timedelta(days=3)  # that a host is proposed for, after its last report


async def make_partitions(pool: asyncpg.Pool, now: datetime) -> None:
    async with pool.acquire() as connection:
        for ahead in range(AHEAD):
            await violations.make_partition(connection, now.date() + timedelta(days=ahead))


async def maintain(pool: asyncpg.Pool, now: datetime, retention_days: int, audit_days: int) -> None:
    """Each step on its own: one that fails leaves the others done, and comes round again.

    Raises the last step's error, after all were tried.
    """
    today = now.date()
    kept = today - timedelta(days=retention_days)

    async def partitions(connection: Connection) -> None:
        dropped = await violations.forget_before(connection, kept)
        if dropped:
            log.info("partitions.dropped", names=dropped)

    async def release(connection: Connection) -> None:
        released = await hosts.release_before(connection, (now - IDLE).date())
        if released:
            log.info("hosts.released", hosts=len(released))

    steps: tuple[Callable[[Connection], Awaitable[None]], ...] = (
        lambda c: secrets.forget_before(c, (now - ADDRESSES).date()),
        lambda c: sightings.forget_before(c, now - ADDRESSES),
        lambda c: connections.forget_before(c, now - ADDRESSES, now - SIGNATURES),
        lambda c: hosts.forget_proposals(c, (now - PROPOSALS).date()),
        lambda c: quarantine.forget_before(c, now - IDLE),
        release,
        partitions,
        lambda c: deliveries.forget_before(c, now - DELIVERIES),
        lambda c: content.forget_before(c, kept - timedelta(days=2)),
        lambda c: signatures.forget_before(c, now - SIGNATURES),
        lambda c: access.forget_before(c, now, now - timedelta(days=audit_days)),
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
        await connections.fold(connection)


async def rates(pool: asyncpg.Pool, now: datetime) -> list[Rate]:
    async with pool.acquire() as connection:
        return await connections.rates(connection, now)


async def forget_marked(pool: asyncpg.Pool, seconds: float) -> None:
    """Delete what is left of forgotten projects, in small transactions, for about so long; another
    round goes on from there."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with pool.acquire() as connection:
        for project in await forget.marked(connection):
            while await forget.some_of_project(connection, project):
                if loop.time() > until:
                    return
            await forget.rest_of_project(connection, project)
            log.info("project.gone", project=project)
