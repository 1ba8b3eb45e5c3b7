"""What was deferred, looked into in the background: some of each network in turn, in the minute that it
was received in. It was delivered and counted when it came; what is added now is all the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from collector.intake.admission import admit
from collector.intake.budget import spending
from collector.intake.flush import store_violations
from collector.intake.frames import frames, read_frame
from collector.intake.known import Known
from collector.intake.prepare import looked_into
from collector.store import deferred, projects, quarantine
from collector.store.connect import Connection, refuses_the_row
from collector.store.rows import Row

log = structlog.get_logger()

AT_ONCE = 500  # rows of one transaction: whose turn it is takes longer to tell than to parse a few
MOST = 200_000  # rows kept; what comes on top is counted and nothing else


def unpacked(data: bytes) -> Row | None:
    """None where another version wrote it."""
    try:
        (found,) = frames(data)
        (row,) = read_frame(found.payload or b"").entries
    except Exception:  # noqa: BLE001 (whatever is wrong with it, it is not worth the others)
        return None
    return row if isinstance(row, Row) else None


async def settle(pool: asyncpg.Pool, known: Known, now: datetime, most: int = AT_ONCE) -> int:
    """Parse some; how many are left, counted up to MOST."""
    async with pool.acquire() as connection:
        async with connection.transaction():
            if not await deferred.lock(connection):
                return await deferred.waiting(connection, MOST)
            told = await deferred.next_ones(connection, most)
            if told:
                found = [unpacked(row["frame"]) for row in told]
                rows = [row for row in found if row is not None]
                if len(rows) < len(found):
                    log.error("deferred.unreadable", items=len(found) - len(rows))
                done = await asyncio.to_thread(_all, rows)
                await _store(connection, done, known, now)
                await deferred.remove(connection, [row["id"] for row in told])
        return await deferred.waiting(connection, MOST)


def _all(rows: Sequence[Row]) -> list[Row]:
    return [looked_into(row) for row in rows]


async def _store(connection: Connection, rows: Sequence[Row], known: Known, now: datetime) -> None:
    """Inside a transaction; a row that Postgres refuses, alone, is quarantined."""
    if not rows:
        return
    try:
        async with spending(known.budget) as take, connection.transaction():
            there = await projects.hold(connection, sorted({row.project for row in rows}))
            kept = [row for row in rows if row.project in there]
            learnt = await store_violations(connection, kept, take, known, now)
            admitted, hosts_learnt = await admit(connection, kept, known, now)
    except Exception as error:
        state = refuses_the_row(error)
        if state is None:
            raise
        if len(rows) == 1:
            await quarantine.add(connection, rows[0], state)
            return
        middle = len(rows) // 2
        await _store(connection, rows[:middle], known, now)
        await _store(connection, rows[middle:], known, now)
        return
    known.learn([*learnt, *hosts_learnt], now.date())
    known.admitted |= admitted
