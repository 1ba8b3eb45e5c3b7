"""A filled database holds together: what is counted in several places agrees."""

from datetime import UTC, datetime

import asyncpg

from bench.fill import fill
from bench.mix import HOSTS
from collector.store import ledger, projects, violations


async def test_it_grows_to_what_was_asked(database_url: str, pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await projects.add(connection, "bench", HOSTS, datetime.now(UTC))
    for start, stop in ((0, 1500), (1500, 4000)):
        await fill(database_url, "bench", start, stop, lambda _: None)
        async with pool.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM violation") == stop
            keys = "SELECT count(DISTINCT delivery) FROM violation"
            assert await connection.fetchval(keys) == stop
            assert await connection.fetchval("SELECT sum(violations) FROM signature") == stop
            told = (await ledger.totals(connection))["bench"]
            assert told == {"received": stop, "accepted": stop}
            if await connection.fetchval("SELECT to_regclass('rollup_hour') IS NOT NULL"):
                sums = "SELECT sum(violations) FROM rollup_hour"
                assert await connection.fetchval(sums) == stop
            strays = """
                SELECT count(*) FROM violation v WHERE received_at > now() OR NOT EXISTS (
                    SELECT FROM signature s WHERE s.id = v.signature AND s.host = v.host AND s.kind = v.kind)
            """
            assert await connection.fetchval(strays) == 0
            newest = await violations.newest(connection, 5)
            assert all(row["pins"] and row["validated"] for row in newest)
