"""The row budget: the first N of a signature and hour are stored whole, the rest is counted."""

from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.intake.budget import _REMEMBERED, Budget, hour_of, spending
from collector.intake.durable import Outcome
from collector.intake.flush import flush
from collector.intake.known import Known
from collector.intake.maintain import fold, learn_budget
from collector.store import ledger, rollups, signatures
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import INSTALL, NOON, authority, ios_pem, issue, neutral, row, trustkit_ios

A, D = Outcome.ACCEPTED, Outcome.DUPLICATE
S, T = b"s" * 16, b"t" * 16
SLOT = S, hour_of(NOON)


def test_so_many_of_a_signature_and_hour() -> None:
    budget = Budget(most=3)
    assert budget.take([SLOT] * 5) == [True] * 3 + [False] * 2
    assert not budget.has_room(S, NOON + timedelta(minutes=59))
    assert budget.has_room(S, NOON + timedelta(hours=1))
    earlier = (S, hour_of(NOON - timedelta(seconds=1)))
    assert budget.has_room(T, NOON)
    assert budget.take([earlier, SLOT, (T, SLOT[1])]) == [True, False, True]


async def test_what_was_not_stored_is_given_back() -> None:
    budget = Budget(most=3)
    with pytest.raises(ConnectionError):
        async with spending(budget) as take:
            assert take([S] * 4, [NOON] * 4) == [True] * 3 + [False]
            raise ConnectionError
    assert budget.has_room(S, NOON)
    async with spending(budget) as take:
        assert take([S], [NOON]) == [True]
    assert budget.take([SLOT] * 3) == [True, True, False]


@given(st.lists(st.tuples(st.sampled_from([S, T]), st.integers(0, 2), st.booleans())))
def test_no_more_than_the_budget_whatever_is_learnt(
    turns: list[tuple[bytes, int, bool]],
) -> None:
    """Two processes take in any order, and look at any time: since a look each takes at most what was
    left by it."""
    budgets = Budget(most=5), Budget(most=5)
    stored = {S: 0, T: 0}
    looked = {S: 0, T: 0}
    for signature, which, looks in turns:
        if looks:
            for budget in budgets:
                budget.learn({(s, NOON): n for s, n in stored.items()}, NOON)
            looked = dict(stored)
        elif budgets[which % 2].take([(signature, SLOT[1])]) == [True]:
            stored[signature] += 1
        assert all(n - looked[s] <= 2 * max(0, 5 - looked[s]) for s, n in stored.items())


def test_memory_is_bounded_and_keeps_what_is_used_most() -> None:
    budget = Budget(most=2)
    budget.take([SLOT] * 2)
    for n in range(2 * _REMEMBERED):
        budget.take([(n.to_bytes(16, "big"), SLOT[1])])
    assert len(budget._used) <= _REMEMBERED
    assert not budget.has_room(S, NOON)
    budget.learn({}, NOON + timedelta(days=2))
    assert budget._used == {}
    assert budget._spent == set()


def test_only_hours_that_something_was_taken_of_are_asked_for() -> None:
    budget = Budget()
    budget.take(
        [(S, hour_of(at)) for at in (NOON + timedelta(minutes=5), NOON - timedelta(hours=7))]
    )
    assert budget.hours() == [NOON - timedelta(hours=7), NOON]
    assert budget.hours() == []


async def test_the_rest_is_counted_and_counts_stay_exact(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock, flushers=1) as intake:
        intake.known.budget.most = 10
        rows = [row(neutral(event_id=str(i), install_id=INSTALL), key=key) for i in range(25)]
        for some in (rows[:7], rows[7:18], rows[18:]):
            assert await intake.submit(some) == [A] * len(some)
        assert await intake.submit(rows) == [D] * 25  # whole or thin, each counts once
        clock.now += timedelta(hours=1)
        later = [row(neutral(event_id=f"l{i}"), key=key, received_at=clock.now) for i in range(3)]
        assert await intake.submit(later) == [A] * 3
    assert await pool.fetchval("SELECT count(*) FROM violation") == 13
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 28
    assert await pool.fetchval("SELECT count(*) FROM delivery") == 28
    for _ in range(2):  # before it is folded, and after
        async with pool.acquire() as connection:
            (found,) = await signatures.newest(connection, 10)
            assert (found["violations"], found["whole"]) == (28, 13)
            told = await rollups.sums(connection, "hour", NOON, NOON + timedelta(hours=2))
            assert [(r["at"], r["violations"], r["whole"]) for r in told] == [
                (NOON, 25, 10), (NOON + timedelta(hours=1), 3, 3),
            ]  # fmt: skip
            assert (await ledger.totals(connection))["default"]["accepted"] == 28
        await fold(pool)


async def test_what_is_thin_whatever_the_budget_says(pool: asyncpg.Pool) -> None:
    """It leaves no content either, and its signature is there."""
    key = await project(pool)
    rows = [replace(row(trustkit_ios(app_version=str(i)), key=key), thin=True) for i in range(4)]
    batch = uuid4()
    known = Known()
    async with pool.acquire() as connection:
        for _ in range(2):  # the second time, its answer was lost
            flushed = await flush(connection, rows, {}, batch, known, NOON)
            assert flushed.accepted == {0, 1, 2, 3}
        assert known.budget.has_room(rows[0].signature, NOON)
    for table, count in (
        ("violation", 0), ("chain", 0), ("certificate", 0), ("pin_set", 0), ("signature", 1),
        ("sighting", 4), ("delivery", 4),
    ):  # fmt: skip
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == count
    async with pool.acquire() as connection:
        (found,) = await signatures.newest(connection, 10)
    assert (found["violations"], found["whole"]) == (4, 0)


async def test_a_batch_that_fails_uses_nothing_up(pool: asyncpg.Pool, clock: Clock) -> None:
    """A poison row makes the batch halve itself: what was rolled back has its room again."""
    key = await project(pool)
    rows = [row(neutral(event_id=str(i)), key=key) for i in range(8)]
    rows[5] = replace(rows[5], violation=replace(rows[5].violation, port=2**40))
    async with flushing(pool, clock, flushers=1) as intake:
        intake.known.budget.most = 7
        assert (await intake.submit(rows)).count(A) == 7
    assert await pool.fetchval("SELECT count(*) FROM violation") == 7


async def test_processes_learn_what_the_others_stored(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock, flushers=1) as one, flushing(pool, clock, 1) as other:
        for intake in (one, other):
            intake.known.budget.most = 10
        first = [row(neutral(event_id=f"a{i}"), key=key) for i in range(8)]
        assert await one.submit(first) == [A] * 8
        assert await other.submit([row(neutral(event_id="b"), key=key)]) == [A]
        for _ in range(2):
            await learn_budget(pool, other.known.budget, NOON)
            await fold(pool)
        more = [row(neutral(event_id=f"c{i}"), key=key) for i in range(5)]
        assert await other.submit(more) == [A] * 5
    assert await pool.fetchval("SELECT count(*) FROM violation") == 10


async def test_a_duplicate_uses_no_room(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    known = Known(budget=Budget(most=2))
    one, other = (row(neutral(event_id=str(i)), key=key) for i in range(2))
    async with pool.acquire() as connection:
        for some in ([one], [one], [other]):
            await flush(connection, some, {}, uuid4(), known, NOON)
    assert await pool.fetchval("SELECT count(*) FROM violation") == 2


async def test_the_last_that_has_room_brings_its_content(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    known = Known(budget=Budget(most=1))
    async with pool.acquire() as connection:
        await flush(connection, [row(trustkit_ios(), key=key)], {}, uuid4(), known, NOON)
    found = await pool.fetch(
        "SELECT c.id FROM violation v JOIN chain c ON c.id = v.validated_chain JOIN pin_set p ON p.id = v.pin_set"
    )
    assert len(found) == 1


async def test_a_storm_does_not_hide_a_chain_that_comes_after_it(pool: asyncpg.Pool) -> None:
    """Of the same signature: a host that rotates once more stays with its issuer."""
    key = await project(pool)
    known = Known(budget=Budget(most=2))
    first = [row(trustkit_ios(app_version=str(i)), key=key) for i in range(4)]
    pems = [
        ios_pem(one.der) for one in (issue("api.example.com", authority()[1]), *authority()[::-1])
    ]
    changed = {"validated_certificate_chain": pems}
    later = [row(trustkit_ios(app_version=str(i), **changed), key=key) for i in range(4, 8)]
    assert len({one.signature for one in (*first, *later)}) == 1
    stored = []
    async with pool.acquire() as connection:
        for some in (first, first, later[:3], later[3:]):
            await flush(connection, some, {}, uuid4(), known, NOON)
            stored.append(await connection.fetchval("SELECT count(*) FROM violation"))
    assert stored == [2, 2, 3, 3]
    found = "SELECT count(DISTINCT c.id) FROM violation v JOIN chain c ON c.id = v.validated_chain"
    assert await pool.fetchval(found) == 2
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 8


async def test_a_duplicate_that_brings_something_gives_back_no_room_that_it_did_not_take(
    pool: asyncpg.Pool,
) -> None:
    key = await project(pool)
    known = Known(budget=Budget(most=1))
    one = row(trustkit_ios(), key=key)
    async with pool.acquire() as connection:
        await flush(connection, [one], {}, uuid4(), known, NOON)
        known.touched.clear()  # as it happens when there is too much of it
        await flush(connection, [one], {}, uuid4(), known, NOON)
    assert not known.budget.has_room(one.signature, NOON)
