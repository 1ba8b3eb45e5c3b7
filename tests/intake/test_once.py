"""Each report counts once: over midnight, after days, from two processes at once, in any batch."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from collector.intake.durable import Outcome
from collector.intake.queue import Intake
from collector.store import failures
from collector.store.content import NOTHING
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, neutral, okhttp_text, row, trustkit_ios

MIDNIGHT = NOON.replace(hour=0) + timedelta(days=1)
A, D = Outcome.ACCEPTED, Outcome.DUPLICATE


async def _post(
    intake: Intake, clock: Clock, report: object, at: datetime, **sender: object
) -> Outcome:
    clock.now = at
    key = sender.pop("key")
    (outcome,) = await intake.submit([row(report, received_at=at, key=key, **sender)])  # type: ignore[arg-type]
    return outcome


@pytest.mark.parametrize(
    ("report", "first", "then", "outcome"),
    [
        pytest.param(
            "strong",
            MIDNIGHT - timedelta(seconds=1),
            timedelta(seconds=2),
            D,
            id="strong, over midnight",
        ),
        pytest.param("strong", NOON, timedelta(days=7, hours=23), D, id="strong, after 7 d 23 h"),
        pytest.param(
            "weak",
            MIDNIGHT - timedelta(seconds=1),
            timedelta(seconds=2),
            D,
            id="weak, over midnight",
        ),
        pytest.param("weak", NOON, timedelta(minutes=9, seconds=59), D, id="weak, within 10 min"),
        pytest.param("weak", NOON, timedelta(minutes=10, seconds=1), A, id="weak, after 10 min"),
    ],
)
@pytest.mark.parametrize("knows", [True, False], ids=["known here", "Postgres decides"])
async def test_again(
    pool: asyncpg.Pool,
    clock: Clock,
    report: str,
    first: datetime,
    then: timedelta,
    outcome: Outcome,
    knows: bool,
) -> None:
    sent = trustkit_ios() if report == "strong" else okhttp_text()
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        assert await _post(intake, clock, sent, first, key=key) is A
        if not knows:
            intake.known.recent.forget()
        assert await _post(intake, clock, sent, first + then, key=key) is outcome


@pytest.mark.parametrize("knows", [True, False], ids=["known here", "Postgres decides"])
async def test_the_window_of_a_weak_report_starts_at_the_first(
    pool: asyncpg.Pool, clock: Clock, knows: bool
) -> None:
    key = await project(pool)
    outcomes = []
    async with flushing(pool, clock) as intake:
        for minutes in (0, 6, 9, 11, 20, 22):
            at = NOON + timedelta(minutes=minutes)
            outcomes.append(await _post(intake, clock, okhttp_text(), at, key=key))
            if not knows:
                intake.known.recent.forget()
    assert outcomes == [A, D, D, A, D, A]


async def test_two_processes_at_once(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock) as one, flushing(pool, clock) as other:
        for number in range(20):
            sent = row(trustkit_ios(app_version=str(number)), key=key)
            answers = await asyncio.gather(one.submit([sent]), other.submit([sent]))
            assert sorted(answer[0] for answer in answers) == [A, D]
    assert await pool.fetchval("SELECT count(*) FROM violation") == 20
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 20


async def test_a_repeat_within_one_batch(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    sent = row(okhttp_text(), key=key)
    async with flushing(pool, clock) as intake:
        assert await intake.submit([sent, sent, sent]) == [A, D, D]
    assert await pool.fetchval("SELECT count(*) FROM violation") == 1


async def test_one_text_from_200_addresses_is_200(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    rows = [row(okhttp_text(), address=f"198.51.{i // 100}.{i % 100}", key=key) for i in range(200)]
    async with flushing(pool, clock) as intake:
        answers = await asyncio.gather(*(intake.submit([r]) for r in rows))
    assert [answer[0] for answer in answers] == [A] * 200


async def test_projects_do_not_share_identity(pool: asyncpg.Pool, clock: Clock) -> None:
    keys = [await project(pool, name) for name in ("a", "b")]
    async with flushing(pool, clock) as intake:
        for key in keys:
            assert await _post(intake, clock, neutral(event_id="1"), NOON, key=key) is A


async def test_of_a_project_that_was_deleted_a_moment_ago_nothing_is_stored(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    gone, there = [await project(pool, name) for name in ("gone", "there")]
    await pool.execute("UPDATE project SET forgotten_at = now() WHERE id = $1", gone.project)
    first, other = (row(trustkit_ios(app_version=str(n)), key=gone) for n in range(2))
    kept = row(trustkit_ios(), key=there)
    async with flushing(pool, clock) as intake:
        u = Outcome.UNKNOWN_KEY
        assert await intake.submit([first, kept, first, other, kept]) == [u, A, u, u, D]
    assert [r["project"] for r in await pool.fetch("SELECT project FROM sighting")] == [
        there.project
    ]
    assert await pool.fetchval("SELECT count(*) FROM signature") == 1
    told = await pool.fetch(
        "SELECT project, dialect, result, reason, items FROM ledger_delta ORDER BY items, result"
    )
    ios = "trustkit-ios"
    assert [tuple(one) for one in told] == [
        (there.project, ios, "accepted", "", 1), (there.project, ios, "duplicate", "", 1),
        (there.project, "", "received", "", 2), (None, "", "received", "", 3),
        (None, ios, "rejected", "unknown_key", 3),
    ]  # fmt: skip


async def test_a_flush_that_waits_keeps_nobody_else_waiting(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """Another process is about to deliver the same report, and takes its time."""
    key = await project(pool)
    same = row(neutral(event_id="same"), key=key)
    async with flushing(pool, clock, flushers=2) as intake, pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await failures.deliver(connection, uuid4(), NOON, [same], [True], [], {}, {}, NOTHING, {})
        stuck = intake.submit([same])
        while not intake._flushing:
            await asyncio.sleep(0.01)
        async with asyncio.timeout(20):
            assert await intake.submit([row(neutral(event_id="other"), key=key)]) == [A]
        assert not stuck.done()
        await transaction.rollback()
        assert await stuck == [A]
