"""Sums by minute and hour are exact at any moment: folded, not folded yet, late, or both at once."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake.durable import Outcome
from collector.intake.maintain import Keep, fold, forget_marked, maintain
from collector.store import deltas, failures, forget, hosts, rollups
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, neutral, row, trustkit_ios

ALWAYS = NOON - timedelta(days=400), NOON + timedelta(days=400)


async def by_minute(pool: asyncpg.Pool) -> dict[datetime, int]:
    async with pool.acquire() as connection:
        rows = await rollups.sums(connection, "minute", *ALWAYS)
    return {row["at"]: row["violations"] for row in rows}


async def test_any_interleaving_of_flushers_and_folds_adds_up(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """While four flush, some of it twice, and two fold, no reader sees more than was sent or less than
    was answered; and in the end it is what was accepted."""
    key = await project(pool)
    chance = random.Random(11)
    accepted: Counter[datetime] = Counter()
    stop = asyncio.Event()
    turns = 12

    async def folding() -> None:
        while not stop.is_set():
            await fold(pool)

    async def reading() -> None:
        while not stop.is_set():
            answered = accepted.total()
            seen = sum((await by_minute(pool)).values())
            assert answered <= seen <= 4 * turns * 12

    async def one(number: int) -> None:
        async with flushing(pool, clock, flushers=2) as intake:
            intake.known.budget.most = 20
            for turn in range(turns):
                ats = [NOON - timedelta(seconds=chance.randrange(7200)) for _ in range(12)]
                rows = [
                    row(
                        neutral(event_id=f"{number}-{turn}-{i}", platform=p),
                        received_at=at,
                        key=key,
                    )
                    for i, at in enumerate(ats)
                    for p in [chance.choice(["IOS", "ANDROID", "OSX", None])]
                ]
                outcomes = await intake.submit([*rows, *rows[:3]])
                assert outcomes == [Outcome.ACCEPTED] * 12 + [Outcome.DUPLICATE] * 3
                accepted.update(at.replace(second=0) for at in ats)

    others = [asyncio.create_task(task) for task in (folding(), folding(), reading())]
    await asyncio.gather(*(one(number) for number in range(4)))
    stop.set()
    await asyncio.gather(*others)
    assert await by_minute(pool) == accepted
    await fold(pool)
    assert await by_minute(pool) == accepted
    assert await pool.fetchval("SELECT count(*) FROM rollup_delta") == 0
    assert await pool.fetchval("SELECT sum(violations) FROM rollup_hour") == accepted.total()
    assert await pool.fetchval("SELECT sum(whole) FROM rollup_hour") == await pool.fetchval(
        "SELECT count(*) FROM violation"
    )


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.just("fold"),
            st.tuples(st.integers(0, 200), st.sampled_from(["IOS", "TVOS"]), st.booleans()),
        ),
        max_size=12,
    )
)
async def test_any_order_of_appending_and_folding(
    pool: asyncpg.Pool, steps: list[str | tuple[int, str, bool]]
) -> None:
    told: Counter[tuple[datetime, str, bool]] = Counter()
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("TRUNCATE rollup_delta, rollup_minute, rollup_hour")
        for step in steps:
            if isinstance(step, str):
                await rollups.fold(connection)
                continue
            minutes, platform, enforced = step
            at = NOON - timedelta(minutes=minutes)
            report = neutral(os={"name": platform}, enforced=enforced, weight=2)
            three = [row(report, received_at=at)] * 3
            await failures.add(connection, three, [False] * 3, {})
            told[at, platform, enforced] += 3
        read = await rollups.sums(connection, "minute", *ALWAYS, by=("platform", "enforced"))
        hours = await rollups.sums(connection, "hour", *ALWAYS)
    assert {(r["at"], r["platform"], r["enforced"]): r["violations"] for r in read} == told
    assert sum(r["weight"] for r in read) == told.total() * 2
    by_hour: Counter[datetime] = Counter()
    for (at, _, _), n in told.items():
        by_hour[at.replace(minute=0)] += n
    assert {r["at"]: r["violations"] for r in hours} == by_hour


async def test_tests_environments_and_what_was_not_said_are_apart(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        reports = [neutral(event_id="1"), neutral(event_id="2", enforced=...), trustkit_ios()]
        rows = [row(report, key=key) for report in reports]
        rows.append(row(neutral(event_id="3", app={"id": "unit-tests"}, test=True), key=key))
        await intake.submit(rows)
    tests = sum(r.violation.test for r in rows)
    for _ in range(2):
        async with pool.acquire() as connection:

            async def total(**where: object) -> int:
                found = await rollups.sums(connection, "minute", *ALWAYS, where=where)  # type: ignore[arg-type]
                return sum(r["violations"] for r in found)

            assert await total() == 4
            assert await total(test=True) == tests
            assert await total(enforced=None) == sum(r.violation.enforced is None for r in rows)
            assert await total(project=key.project, host="api.example.com") == 4
            assert await total(environment="staging") == 0
        await fold(pool)


async def test_from_and_until(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    minute = timedelta(minutes=1)
    async with flushing(pool, clock) as intake:
        ats = [NOON - minute, NOON, NOON + timedelta(seconds=59), NOON + minute]
        await intake.submit([row(neutral(event_id=str(at)), key=key, received_at=at) for at in ats])
    for _ in range(2):
        async with pool.acquire() as connection:
            since = NOON + timedelta(seconds=30)
            told = await rollups.sums(connection, "minute", since, NOON + minute)
            assert [(r["at"], r["violations"]) for r in told] == [(NOON, 2)]
            told = await rollups.sums(connection, "hour", since, NOON + minute)
            assert [(r["at"], r["violations"]) for r in told] == [(NOON, 3)]
        await fold(pool)


def test_a_slow_fold_is_no_reason_to_fall_behind() -> None:
    assert deltas.rest(0.015) == 0.03
    assert deltas.rest(30.0) == 0.1


async def test_a_long_line_of_deltas_is_folded_in_one_round(pool: asyncpg.Pool) -> None:
    many = 2 * deltas.SOME + 5
    for table, columns, values in (
        ("ledger_delta", "hour, project, dialect, result, reason, items", "$1, 1, 'x', 'y', '', 1"),
        (
            "connection_delta",
            "project, host, environment, trusted, hour, successes, pin_failures",
            "1, 'h', 'production', true, $1, 1, 1",
        ),
        (
            "rollup_delta",
            (
                "project, host, minute, signature, environment, platform, test, kind, violations,"
                " occurrences, weight, whole, last_seen"
            ),
            "1, 'h', $1::timestamptz + n % 100 * interval '1 min', '', 'debug', 'IOS', true, 'x', 1, 1, 1, 0, $1",
        ),
    ):
        await pool.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series(1, {many}) n",
            NOON,
        )
    await fold(pool)
    for table in ("ledger_delta", "connection_delta", "rollup_delta"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert await pool.fetchval("SELECT sum(items) FROM ledger") == many
    assert await pool.fetchval("SELECT sum(successes) FROM connection_hour") == many
    assert await pool.fetchval("SELECT sum(violations) FROM rollup_hour") == many
    assert await pool.fetchval("SELECT count(*) FROM rollup_minute") == 100


async def test_a_fold_that_is_out_of_time_goes_on_the_next_time(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "INSERT INTO ledger_delta (hour, dialect, result, reason, items)"
        f" SELECT $1, 'x', 'y', '', 1 FROM generate_series(1, {deltas.SOME + 1})",
        NOON,
    )
    await fold(pool, seconds=0)
    assert await pool.fetchval("SELECT count(*) FROM ledger_delta") > 0
    await fold(pool)
    assert await pool.fetchval("SELECT sum(items) FROM ledger") == deltas.SOME + 1


async def test_minutes_go_before_hours(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        for days in (0, 9, 100, 300):
            at = NOON - timedelta(days=days)
            await intake.submit([row(neutral(event_id=str(days)), key=key, received_at=at)])
    await fold(pool)
    await maintain(pool, NOON, Keep(30, 200, 400))
    assert await pool.fetchval("SELECT array_agg(minute) FROM rollup_minute") == [NOON]
    assert await pool.fetchval("SELECT array_agg(hour ORDER BY hour) FROM rollup_hour") == [
        NOON - timedelta(days=days) for days in (100, 9, 0)
    ]


async def test_a_project_that_is_deleted_leaves_no_sums(pool: asyncpg.Pool, clock: Clock) -> None:
    gone, stays = await project(pool, "gone"), await project(pool, "stays")
    async with flushing(pool, clock) as intake:
        intake.known.budget.most = 1
        for _ in range(2):
            for key in (gone, stays):
                await intake.submit([row(neutral(event_id=f"{_}{i}"), key=key) for i in range(3)])
            if not _:
                await fold(pool)
    async with pool.acquire() as connection:
        await forget.mark(connection, gone.project, NOON)
    await forget_marked(pool, 30)
    for table in (
        "rollup_delta",
        "rollup_minute",
        "rollup_hour",
        "violation",
        "sighting",
        "signature",
    ):
        projects = await pool.fetchval(f"SELECT array_agg(DISTINCT project) FROM {table}")
        assert projects == [stays.project], table
    assert sum((await by_minute(pool)).values()) == 6
    async with pool.acquire() as connection:
        assert (await hosts.others(connection, NOON - timedelta(days=1))).violations == 6
