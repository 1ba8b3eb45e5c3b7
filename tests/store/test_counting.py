"""What waits to be counted is taken in the order it came, at a cost that does not grow with what else waits."""

import json
from datetime import UTC, datetime

import asyncpg
import pytest

from collector.store import counting
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
async def test_no_row_is_read_for_each_other_row(pool: asyncpg.Pool, believed: str) -> None:
    """Whatever the planner believes of a table that is emptied all the time."""
    if believed == "empty":
        await fill(pool, WAITING)
        await pool.execute("DELETE FROM waiting")
        await pool.execute("VACUUM (ANALYZE) waiting")
    await fill(pool, WAITING)
    if believed == "full":
        await pool.execute("ANALYZE waiting, sighting")
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE taking (bigint) AS {counting.WAITING}")
        told = await connection.fetchval(
            "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE taking (50)"
        )
    assert read(json.loads(told)[0]["Plan"]) < 20 * WAITING


def read(node: dict) -> float:  # type: ignore[type-arg]
    """Rows that went through a plan's nodes, and were thrown away in them."""
    each = node["Actual Rows"] + sum(v for k, v in node.items() if k.startswith("Rows Removed"))
    return float(each * node["Actual Loops"] + sum(map(read, node.get("Plans", []))))


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
