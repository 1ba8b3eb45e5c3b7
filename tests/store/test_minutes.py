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
_HOURS = NOON - timedelta(hours=1), NOON + timedelta(hours=1)


async def test_of_thousands_of_operator_networks_the_largest_are_told_apart(
    pool: asyncpg.Pool,
) -> None:
    made = (await project(pool)).project
    await pool.execute(_CROWD, made, NOON)
    async with pool.acquire() as connection:
        rows = await minutes.by_minute(connection, *_HOURS, await minutes.newest(connection))
    assert len(rows) == 31
    told = {row["operator"]: row["installs"] for row in rows}
    small = told.pop(b"")
    assert sorted(told.values()) == list(range(16, 46))
    assert small + sum(told.values()) == 45 * 46 // 2
    [one] = _minutes("self", grouped(rows)[made, "api.example.com"])
    assert one.own == 45 * 46 // 2
    assert max(one.by_operator.values()) == 45, "those of many small ones are no operator network"
    assert b"" not in one.by_operator


async def test_what_was_read_and_what_came_since_is_all_of_it(pool: asyncpg.Pool) -> None:
    made = (await project(pool)).project
    async with pool.acquire() as connection:
        marks = [await minutes.newest(connection)]
        for _ in range(3):
            await connection.execute(_CROWD, made, NOON)
            marks.append(await minutes.newest(connection))
        first, second, last = marks[1:]
        whole = grouped(await minutes.by_minute(connection, *_HOURS, last))
        before = grouped(await minutes.by_minute(connection, *_HOURS, first))
        for after, upto in ((first, second), (second, last)):
            grouped(await minutes.added(connection, *_HOURS, after, upto), before)
        assert await minutes.added(connection, *_HOURS, last, last) == []
    [one], [other] = (_minutes("self", told[made, "api.example.com"]) for told in (whole, before))
    assert one.own == other.own == 3 * 45 * 46 // 2
    assert marks[0] == minutes.Mark(0, 0)
    assert first.newest < second.newest < last.newest
