"""Tables that are filled and emptied all the time: what is next is found at a cost that does not grow with
each of all that waits, whatever the planner believes of the table."""

import json
from datetime import UTC, datetime

import asyncpg
import pytest

from collector.store import counting, deferred
from tests.make import NOON

WAITING = 400


async def test_oldest_first_and_whole_flushes(pool: asyncpg.Pool) -> None:
    await fill(pool, 40)
    async with pool.acquire() as connection:
        first = await counting.waiting(connection, 5)
        rest = await counting.waiting(connection, 10_000)
        assert await counting.waiting(connection, 5) == []
    assert [one.received_at for one in first] == [at(n) for n in range(6)]  # three flushes of two
    assert [one.received_at for one in rest] == [at(n) for n in range(6, 80)]


@pytest.mark.parametrize("believed", ["empty", "full"])
@pytest.mark.parametrize("table", ["waiting", "deferred"])
async def test_no_row_is_looked_at_for_each_other_row(
    pool: asyncpg.Pool, table: str, believed: str
) -> None:
    put, statement = {
        "waiting": (fill, counting.WAITING),
        "deferred": (defer, deferred.NEXT),
    }[table]
    if believed == "empty":
        await put(pool, WAITING)
        await emptied(pool, table)
    await put(pool, WAITING)
    if believed == "full":
        await pool.execute("ANALYZE")
    assert await rows_read(pool, statement, 50) < 20 * WAITING


async def emptied(pool: asyncpg.Pool, table: str) -> None:
    """As autovacuum finds it: its pages are there, and next to nothing on them."""
    await pool.execute(f"DELETE FROM {table} WHERE id < (SELECT max(id) FROM {table})")
    await pool.execute(f"VACUUM (ANALYZE) {table}")


async def rows_read(pool: asyncpg.Pool, statement: str, most: int) -> float:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE taking (bigint) AS {statement}")
        told = await connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE taking ({most})"
        )
        await connection.execute("DEALLOCATE taking")
    return through(json.loads(told)[0]["Plan"])


def through(node: dict) -> float:  # type: ignore[type-arg]
    """Rows that went through a plan's nodes, and were thrown away in them."""
    each = node["Actual Rows"] + sum(v for k, v in node.items() if k.startswith("Rows Removed"))
    return float(each * node["Actual Loops"] + sum(map(through, node.get("Plans", []))))


def at(number: int) -> datetime:
    return datetime.fromtimestamp(NOON.timestamp() + number, UTC)


async def fill(pool: asyncpg.Pool, flushes: int) -> None:
    """Two sightings each."""
    await pool.execute(
        """
        WITH stored AS (
            INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
                operator_network, received_at, environment, app, app_version, platform, pin_set)
            SELECT 1, 'api.example.com', 'pin_mismatch', convert_to('i' || n, 'UTF8'), false, 'sha256/x', '\\x01',
                '\\x02', '\\x03', $1::timestamptz + n * interval '1 second', 'production', 'a', '1', 'IOS', '\\x04'
            FROM generate_series(0, 2 * $2::int - 1) AS n ORDER BY n RETURNING id
        )
        INSERT INTO waiting (sightings)
        SELECT array_agg(id ORDER BY id) FROM (
            SELECT id, (row_number() OVER (ORDER BY id) - 1) / 2 AS flush FROM stored
        ) AS numbered GROUP BY flush ORDER BY flush
        """,
        NOON,
        flushes,
    )


async def defer(pool: asyncpg.Pool, rows: int) -> None:
    await pool.execute(
        """
        INSERT INTO deferred (received_at, project, delivery, network, frame)
        SELECT $1, 1, convert_to('d' || n, 'UTF8'), convert_to('n' || n % 50, 'UTF8'), ''
        FROM generate_series(1, $2::int) AS n
        """,
        NOON,
        rows,
    )
