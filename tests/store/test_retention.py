"""What is old goes, a few rows at a time; nobody who stores waits for it."""

import asyncio
import time
from datetime import timedelta
from itertools import pairwise

import asyncpg
import pytest

from collector.intake.maintain import Keep, fold, maintain
from collector.store import chunks, deliveries, ledger, violations
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, neutral, row, trustkit_ios

KEEP = Keep(30, 400, 400)


async def test_some_are_deleted_and_the_rest_stays(connection: asyncpg.Connection) -> None:
    await connection.execute(
        "INSERT INTO batch SELECT gen_random_uuid(), $1::timestamptz - n * interval '1 day'"
        " FROM generate_series(1, 100) n",
        NOON,
    )
    old = NOON - timedelta(days=40)
    left = []
    more = True
    while more:
        more = await chunks.delete_some(connection, "batch", "at < $1", old, some=25)
        left.append(await connection.fetchval("SELECT count(*) FROM batch"))
    assert left == [75, 50, 40]
    assert await connection.fetchval("SELECT min(at) FROM batch") == old


@pytest.mark.parametrize("turn", [0, 3, -1])
async def test_a_sweep_goes_through_all_pages_once(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """Wherever it begins: in the first range of pages, amid them, or in the last."""
    await pool.execute(
        "INSERT INTO delivery SELECT decode(md5(n::text), 'hex'), $1::timestamptz - n % 3 * interval '1 day',"
        " gen_random_uuid(), true FROM generate_series(0, 2999) n",
        NOON,
    )
    pages = await pool.fetchval("SELECT max((ctid::text::point)[0]) + 1 FROM delivery")
    monkeypatch.setattr(chunks, "randrange", lambda most: turn % most)
    sweep = chunks.Sweep("delivery", "received_at < $1", NOON, pages=4)
    left = [3000]
    more = True
    async with pool.acquire() as one:
        while more:
            more = await sweep(one)
            left.append(await pool.fetchval("SELECT count(*) FROM delivery"))
        assert not await sweep(one)
    assert len(left) == 1 + -(-pages // 4) > 5
    assert all(before > after for before, after in pairwise(left))
    assert left[-1] == 1000


async def test_a_sweep_of_an_empty_table(connection: asyncpg.Connection) -> None:
    assert not await chunks.Sweep("delivery", "received_at < $1", NOON)(connection)


async def test_what_a_flush_holds_is_left(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO delivery SELECT decode(md5(n::text), 'hex'), $1, gen_random_uuid(), true"
        " FROM generate_series(1, 10) n",
        NOON,
    )
    async with pool.acquire() as flush, flush.transaction():
        await flush.execute("SELECT FROM delivery ORDER BY key LIMIT 4 FOR UPDATE")
        async with pool.acquire() as other:
            assert not await deliveries.forget_before(NOON + timedelta(days=1))(other)
    assert await pool.fetchval("SELECT count(*) FROM delivery") == 4


async def test_maintenance_out_of_time_leaves_the_rest_for_the_next_round(
    pool: asyncpg.Pool,
) -> None:
    await pool.execute(
        f"INSERT INTO batch SELECT gen_random_uuid(), $1 FROM generate_series(1, {chunks.SOME + 1})",
        NOON - timedelta(days=11),
    )
    await maintain(pool, NOON, KEEP, seconds=0)
    assert await pool.fetchval("SELECT count(*) FROM batch") == 1
    await maintain(pool, NOON, KEEP)
    assert await pool.fetchval("SELECT count(*) FROM batch") == 0


async def test_an_old_day_that_is_being_read_is_dropped_later_and_nobody_waits(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    old = NOON - timedelta(days=40)
    async with flushing(pool, clock) as intake:
        intake.known.budget.most = 1_000_000  # each is a row, however many there are
        await intake.submit([row(neutral(event_id="old"), received_at=old, key=key)])
        name = f"violation_{old:%Y%m%d}"
        async with pool.acquire() as reader, pool.acquire() as dropper:
            async with reader.transaction():
                await reader.execute("SELECT count(*) FROM violation")
                dropping = asyncio.create_task(violations.drop_partition(dropper, name))
                began = time.monotonic()
                number = 0
                while not dropping.done():
                    number += 1
                    await intake.submit([row(neutral(event_id=f"{number}"), key=key)])
                assert await dropping is False
                assert time.monotonic() - began < 20  # it gave up by itself
            assert number > 0
            assert await violations.partitions_before(dropper, NOON.date()) == [name]
            assert await violations.drop_partition(dropper, name) is True
            assert await violations.partitions_before(dropper, NOON.date()) == []
    assert await pool.fetchval("SELECT count(*) FROM violation") == number


async def test_certificates_and_signatures_stay_while_something_refers_to_them(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """With violations kept for longer than sums, and a chain that came again."""
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        for days, version in ((450, "1"), (100, "2")):
            clock.now = NOON - timedelta(days=days)
            await intake.submit(
                [row(trustkit_ios(app_version=version), received_at=clock.now, key=key)]
            )
            await intake.submit(
                [row(neutral(event_id=version, host=f"h{days}.example.com"), received_at=clock.now,
                     key=key)]
            )  # fmt: skip

    async def left() -> list[int]:
        tables = ("violation", "signature", "certificate", "chain", "pin_set")
        return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]

    async def dangling() -> int:
        return int(
            await pool.fetchval("""
            SELECT count(*) FROM violation v WHERE NOT EXISTS (SELECT FROM signature s WHERE s.id = v.signature)
            OR NOT EXISTS (SELECT FROM pin_set p WHERE p.id = v.pin_set)
            OR v.validated_chain IS NOT NULL AND NOT EXISTS (SELECT FROM chain c WHERE c.id = v.validated_chain)
        """)
        )

    await fold(pool)
    before = await left()
    assert before[:2] == [4, 3]
    await maintain(pool, NOON, Keep(500, 400, 400))
    assert await left() == before
    await maintain(pool, NOON, Keep(200, 400, 400))
    assert (await left())[:3] == [2, 2, 3]
    assert await dangling() == 0
    await maintain(pool, NOON, Keep(30, 400, 400))
    assert await left() == [0, 2, 0, 0, 0]
    await maintain(pool, NOON + timedelta(days=400), Keep(30, 400, 400))
    assert await left() == [0, 0, 0, 0, 0]


async def test_the_ledger_is_by_day_after_two_months_and_loses_nothing(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO ledger SELECT $1::timestamptz - n * interval '1 hour', NULL, 'x', 'received', '', n"
        " FROM generate_series(1, 2400) n",
        NOON,
    )
    async with pool.acquire() as connection:
        before = await ledger.totals(connection)
        for _ in range(2):
            await maintain(pool, NOON, KEEP)
            assert await ledger.totals(connection) == before
            by_day = await connection.fetchval("SELECT count(*) FROM ledger WHERE hour < $1",
                                               NOON - timedelta(days=62))  # fmt: skip
            assert by_day == 39  # 38 days and a half, and a half of the day that the limit lies in
    assert await pool.fetchval("SELECT count(*) FROM ledger") == 39 + 62 * 24
