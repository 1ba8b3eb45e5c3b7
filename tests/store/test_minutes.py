"""Newly affected installs by the minute, as the detector reads them."""

from datetime import timedelta

import asyncpg

from collector.store import minutes
from collector.watch.watched import _minutes, grouped
from tests.intake.running import project
from tests.make import NOON

# Operator n, of 1 to 45, has n installs.
_CROWD = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, app, app_version, platform)
SELECT $1, 'api.example.com', 'self', decode(md5(o || ' ' || n), 'hex'), false, $2, true, '\\x01',
    decode(md5(o::text), 'hex'), '\\x02', '', '', ''
FROM generate_series(1, 45) AS o, LATERAL generate_series(1, o) AS n
"""


async def test_of_thousands_of_operator_networks_the_largest_are_told_apart(
    pool: asyncpg.Pool,
) -> None:
    made = (await project(pool)).project
    await pool.execute(_CROWD, made, NOON)
    async with pool.acquire() as connection:
        rows = await minutes.by_minute(
            connection, NOON - timedelta(hours=1), NOON + timedelta(hours=1)
        )
    assert len(rows) == 31
    told = {row["operator"]: row["installs"] for row in rows}
    small = told.pop(b"")
    assert sorted(told.values()) == list(range(16, 46))
    assert small + sum(told.values()) == 45 * 46 // 2
    [one] = _minutes("self", grouped(rows)[made, "api.example.com"])
    assert one.own == 45 * 46 // 2
    assert max(one.by_operator.values()) == 45, "those of many small ones are no operator network"
    assert b"" not in one.by_operator
