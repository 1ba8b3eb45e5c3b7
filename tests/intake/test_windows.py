"""Windows of connections, and what is parsed later, have a queue of their own: no other report waits for theirs."""

from __future__ import annotations

import asyncio

import asyncpg
from msgspec.structs import replace

from collector.intake.durable import Outcome
from collector.intake.keyring import Key
from collector.intake.prepare import Sender, canonical, prepare_all
from collector.model import Window
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.store.rows import Entry
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, body, neutral, row, trustkit_ios, window

A = Outcome.ACCEPTED


def sample(key: Key) -> Entry:
    sender = Sender(canonical("198.51.100.7"), None)
    items = read_body(body(window()), Hints(NOON, None))
    [entry] = prepare_all(
        [one for one in items if isinstance(one, Window)], key, sender, NOON, b"d" * 32
    )
    return entry


def later(key: Key) -> Entry:
    return replace(row(trustkit_ios(), key=key), deferred=True)


async def test_a_report_waits_for_no_window(pool: asyncpg.Pool, clock: Clock) -> None:
    """Windows of a network are counted one transaction at a time: here another one takes long."""
    key = await project(pool)
    async with flushing(pool, clock) as intake, pool.acquire() as other:
        transaction = other.transaction()
        await transaction.start()
        await other.execute(
            "SELECT pg_advisory_xact_lock(hashtext('pinfall.caps'), bucket) FROM generate_series(0, 63) AS bucket"
        )
        slow = [intake.submit([sample(key)]), intake.submit([later(key)])]
        for number in range(5):
            report = row(neutral(event_id=str(number)), key=key)
            assert await asyncio.wait_for(intake.submit([report]), 5) == [A]
        assert not any(one.done() for one in slow)
        assert intake.queued == 2
        await transaction.rollback()
        assert await asyncio.wait_for(asyncio.gather(*slow), 5) == [[A], [A]]
    assert await pool.fetchval("SELECT count(*) FROM connection_window") == 1
    assert await pool.fetchval("SELECT count(*) FROM deferred") == 1
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 5


async def test_what_waits_at_the_end_is_stored_both(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock, flushers=0) as intake:
        waiting = [intake.submit([sample(key)]), intake.submit([row(neutral(), key=key)])]
        assert intake.queued == 2
    assert [await one for one in waiting] == [[A], [A]]
    assert intake.queued == 0


async def test_one_flusher_is_enough_for_both(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock, flushers=1) as intake:
        waiting = [intake.submit([sample(key), row(neutral(), key=key)])]
        waiting += [intake.submit([row(neutral(event_id=str(n)), key=key)]) for n in range(3)]
        for one in waiting:
            assert set(await asyncio.wait_for(one, 5)) == {A}
