"""What keeps the store in shape: partitions ahead, deltas folded, the old forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from collector.intake.budget import Budget
from collector.intake.known import Known
from collector.store import (
    access,
    alerts,
    connections,
    content,
    deferred,
    deliveries,
    deltas,
    forget,
    hosts,
    ledger,
    outbox,
    quarantine,
    rollups,
    secrets,
    sightings,
    signatures,
    silences,
    usual,
    violations,
)
from collector.store.connect import STORE_DOWN, Connection
from collector.store.connections import Rate

log = structlog.get_logger()

AHEAD = 3  # days of partitions
DELIVERIES = timedelta(days=10)  # identity is exact for 8
ADDRESSES = timedelta(days=8)  # sightings, and the secrets that hash networks
CONNECTIONS = timedelta(days=400)  # sums of connections
HOURS = timedelta(days=62)  # that the ledger is by hour, then by day
IDLE = timedelta(days=30)  # then a host that nobody registered is released
PROPOSALS = timedelta(days=3)  # that a host is proposed for, after its last report

_FOLDING = 30.0  # seconds of one round
_DELETING = 1800.0  # seconds of one round, of an hour
_TRIES = 5  # to drop a partition that is being read, until the next round
_PAUSE = 1.0
_CLOCKS = timedelta(minutes=1)  # that those of two machines may differ by


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that things are kept: violations; sums by hour and signatures; the audit."""

    violations: int
    rollups: int
    audit: int


async def make_partitions(pool: asyncpg.Pool, now: datetime) -> None:
    async with pool.acquire() as connection:
        for ahead in range(AHEAD):
            await violations.make_partition(connection, now.date() + timedelta(days=ahead))


async def maintain(
    pool: asyncpg.Pool, now: datetime, keep: Keep, seconds: float = _DELETING
) -> None:
    """Each step on its own: one that fails leaves the others done, and comes round again.

    Rows are deleted in small transactions, for about so many seconds in all; what is left then is left
    for the next round. Raises the last step's error, after all were tried.
    """
    kept = now.date() - timedelta(days=keep.violations)
    # Sums and signatures outlive whatever refers to them.
    sums = timedelta(days=max(keep.rollups, keep.violations + 2))

    async def release(connection: Connection) -> None:
        released = await hosts.release_before(connection, (now - IDLE).date())
        if released:
            log.info("hosts.released", hosts=len(released))

    # Those that return True have more to delete.
    steps: tuple[Callable[[Connection], Awaitable[bool | None]], ...] = (
        lambda c: secrets.forget_before(c, (now - ADDRESSES).date()),
        release,
        lambda c: access.forget_before(c, now, now - timedelta(days=keep.audit)),
        lambda c: _drop_partitions(c, kept),
        sightings.forget_before(now - ADDRESSES),
        lambda c: deferred.forget_before(c, now - ADDRESSES),
        lambda c: usual.forget_before(c, now - usual.KEPT),
        connections.forget_windows(now - ADDRESSES),
        lambda c: connections.forget_sums(c, now - CONNECTIONS),
        lambda c: hosts.forget_proposals(c, (now - PROPOSALS).date()),
        lambda c: quarantine.forget_before(c, now - IDLE),
        deliveries.forget_before(now - DELIVERIES),
        lambda c: deliveries.forget_batches(c, now - DELIVERIES),
        lambda c: content.forget_before(c, kept - timedelta(days=2)),
        lambda c: rollups.forget_before(
            c, now - timedelta(days=rollups.MINUTES_DAYS), now - timedelta(days=keep.rollups)
        ),
        lambda c: signatures.forget_before(c, now - sums),
        lambda c: ledger.compact(c, now - HOURS),
        lambda c: outbox.prune(c, now),
        lambda c: alerts.forget_before(c, now - timedelta(days=keep.audit)),
        lambda c: silences.forget(c, now),
    )
    await make_partitions(pool, now)
    until = asyncio.get_running_loop().time() + seconds
    failed: BaseException | None = None
    for step in steps:
        try:
            await _bit_by_bit(pool, step, until)
        except STORE_DOWN as error:
            failed = error
    if failed is not None:
        raise failed


async def _bit_by_bit(
    pool: asyncpg.Pool, step: Callable[[Connection], Awaitable[bool | None]], until: float
) -> None:
    """A step until it is done, or it is late; half of the time nothing is done, for ingest's sake."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        async with pool.acquire() as connection:
            if not await step(connection):
                return
        if loop.time() > until:
            log.warning("maintain.unfinished")
            return
        await asyncio.sleep(min(_PAUSE, loop.time() - began))


async def _drop_partitions(connection: Connection, day: date) -> None:
    dropped, left = [], []
    for name in await violations.partitions_before(connection, day):
        for _ in range(_TRIES):
            if await violations.drop_partition(connection, name):
                dropped.append(name)
                break
            await asyncio.sleep(_PAUSE)
        else:
            left.append(name)
    if dropped:
        log.info("partitions.dropped", names=dropped)
    if left:
        log.warning("partitions.left", names=left)


async def fold(pool: asyncpg.Pool, seconds: float = _FOLDING) -> None:
    """Fold all that was appended, some of each kind in turn, with rests; for about so many seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    waiting: dict[Callable[[Connection, int], Awaitable[int | None]], int] = {
        ledger.fold: 0, connections.fold: 0, rollups.fold: 0,
    }  # fmt: skip
    async with pool.acquire() as connection:
        while waiting and loop.time() < until:
            for step, after in list(waiting.items()):
                began = loop.time()
                last = await step(connection, after)
                await asyncio.sleep(deltas.rest(loop.time() - began))
                if last is None:
                    del waiting[step]
                else:
                    waiting[step] = last


async def learn_budget(pool: asyncpg.Pool, budget: Budget, now: datetime) -> None:
    """What all processes stored whole, of the signatures that are near their budget."""
    hours = budget.hours()
    stored = {}
    if hours:
        async with pool.acquire() as connection:
            stored = await rollups.stored_whole(connection, hours, max(1, budget.most // 10))
    budget.learn(stored, now)


async def learn_usual(pool: asyncpg.Pool, known: Known, now: datetime) -> None:
    """What was told since the last time of the classes that sightings usually are of."""
    since = known.usual_since or now - usual.KEPT
    async with pool.acquire() as connection:
        told, last = await usual.lately(connection, since)
    known.learn_usual(told)
    known.usual_since = max(since, last - _CLOCKS)


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
            await forget.wait_for_flushes(connection, project)
            while await forget.some_of_project(connection, project):
                if loop.time() > until:
                    return
            await forget.rest_of_project(connection, project)
            log.info("project.gone", project=project)
