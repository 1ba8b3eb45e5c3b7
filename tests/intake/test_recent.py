"""What is known to be stored, and what happens where a key was there that was not known."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import uuid4

import asyncpg

from collector.intake import recent
from collector.intake.flush import flush
from collector.intake.known import Known
from collector.intake.recent import Recent
from collector.store import ledger
from collector.store.connect import Connection
from tests.intake.running import project
from tests.make import NOON, neutral, row, trustkit_ios


def test_a_key_is_known_for_the_window_of_a_weak_one() -> None:
    some = Recent()
    assert not some.has(b"a", NOON)
    some.learn({b"a": NOON}, surprises=0)
    assert some.has(b"a", NOON - timedelta(days=3))  # from a spool: received before, stored later
    assert some.has(b"a", NOON + timedelta(minutes=10))
    assert not some.has(b"a", NOON + timedelta(minutes=10, seconds=1))  # Postgres decides
    some.forget()
    assert not some.has(b"a", NOON)


def test_two_generations_are_remembered() -> None:
    some = Recent()
    keys = [n.to_bytes(16, "big") for n in range(2 * recent._MOST + 10)]
    for start in range(0, len(keys), 1000):
        some.learn(dict.fromkeys(keys[start : start + 1000], NOON), surprises=0)
    known = [some.has(key, NOON) for key in keys]
    assert known == sorted(known)
    assert recent._MOST <= sum(known) <= 2 * recent._MOST + 2000


def test_a_surprise_makes_careful_for_a_while() -> None:
    some = Recent()
    assert not some.is_careful
    some.beware({b"a": NOON})
    for _ in range(recent._CAREFUL):
        assert some.is_careful
        some.learn({}, surprises=0)
    assert not some.is_careful
    some.learn({}, surprises=1)
    assert some.is_careful


def test_what_another_batch_of_this_process_brought_is_no_surprise() -> None:
    """Two with the same report, of which the one that began later came to Postgres first."""
    some, keys = Recent(), {b"a": NOON, b"b": NOON}
    with some.storing([b"b", b"c"]):
        some.beware(keys)  # it is committed, and its answer not heard yet
        assert not some.is_careful
    some.learn({b"b": NOON, b"c": NOON}, surprises=0)
    some.beware(keys)
    assert not some.is_careful
    # A weak one that comes again when its window is over: nobody brought it meanwhile.
    some.beware({b"b": NOON + timedelta(minutes=11)})
    assert some.is_careful


def test_keys_on_their_way_are_shared_by_who_comes_later() -> None:
    some, keys = Recent(), [b"a", b"b"]
    with some.storing(keys) as first, some.storing([b"b", b"c"]) as second:
        assert (first, second) == (False, True)
    with some.storing(keys) as again:
        assert again is False


async def _ledger(connection: Connection) -> dict[str, int]:
    return dict((await ledger.totals(connection))["default"])


async def test_a_key_that_another_process_stored(pool: asyncpg.Pool) -> None:
    """The batch is stored as if its own process had known, with something new in it or without."""
    key = await project(pool)
    one, other = Known(), Known()
    known = [row(neutral(event_id=f"k{n}"), key=key) for n in range(3)]
    async with pool.acquire() as connection:
        await flush(connection, known, Counter(), uuid4(), one, NOON)
        for number, new in enumerate(
            [row(trustkit_ios(), key=key), row(neutral(event_id="n"), key=key)]
        ):
            other.recent = Recent()
            rows = [known[number], new, known[2]]
            told = await flush(connection, rows, Counter(), uuid4(), other, NOON)
            assert told.accepted == {1}
            assert told.gone == frozenset()
            assert other.recent.is_careful
            assert all(other.recent.has(one.delivery.key, NOON) for one in rows)
        assert {r: n for r, n in (await _ledger(connection)).items() if n} == {
            "received": 9, "accepted": 5, "duplicate": 4,
        }  # fmt: skip
        for table in ("violation", "sighting", "delivery"):
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 5
        slot = (known[0].signature, NOON)
        assert one.budget.has_room(*slot)
        taken = sum(other.budget._used.values())
        assert taken == 2  # what the failed insert took was given back


async def test_a_project_that_is_gone(pool: asyncpg.Pool) -> None:
    """Its reports are turned away, those of others in the same batch are stored, and the ledger has both."""
    here, gone = [await project(pool, name) for name in ("default", "gone")]
    await pool.execute("UPDATE project SET forgotten_at = now() WHERE name = 'gone'")
    rows = [row(neutral(event_id="1"), key=key) for key in (here, gone)]
    known, batch = Known(), uuid4()
    async with pool.acquire() as connection:
        for _ in range(2):  # the second time, its answer was lost
            known.recent = Recent()
            told = await flush(connection, rows, Counter(), batch, known, NOON)
            assert told.accepted == {0}
            assert told.gone == {1}
        totals = await _ledger(connection)
        assert (totals["received"], totals["accepted"]) == (1, 1)
        rejected = (
            "SELECT sum(items) FROM ledger_delta WHERE result = 'rejected' AND project IS NULL"
        )
        assert await connection.fetchval(rejected) == 1


async def test_what_this_process_stored_is_not_asked_for(pool: asyncpg.Pool) -> None:
    """And entered as a duplicate all the same."""
    key = await project(pool)
    rows = [row(neutral(event_id=f"{n}"), key=key) for n in range(4)]
    known = Known()
    async with pool.acquire() as connection:
        told = await flush(connection, rows, Counter(), uuid4(), known, NOON)
        assert told.accepted == {0, 1, 2, 3}
        await connection.execute("DELETE FROM delivery")  # nobody looks there
        told = await flush(connection, [*rows, rows[0]], Counter(), uuid4(), known, NOON)
        assert (told.accepted, told.gone) == (frozenset(), frozenset())
        totals = await _ledger(connection)
        assert (totals["received"], totals["accepted"], totals["duplicate"]) == (9, 4, 5)
        assert not known.recent.is_careful


async def test_an_answer_that_was_lost_while_another_batch_brought_the_same(
    pool: asyncpg.Pool,
) -> None:
    """The batch that stored it says so, although this process learnt meanwhile that it is there."""
    key = await project(pool)
    sent, batch, known = row(neutral(event_id="1"), key=key), uuid4(), Known()
    async with pool.acquire() as connection:
        await flush(connection, [sent], Counter(), batch, Known(), NOON)  # nobody heard
        told = await flush(connection, [sent], Counter(), uuid4(), known, NOON)
        assert told.accepted == frozenset()
        assert known.recent.has(sent.delivery.key, NOON)
        told = await flush(connection, [sent], Counter(), batch, known, NOON)
        assert told.accepted == {0}


async def test_batches_of_one_process_that_share_keys(pool: asyncpg.Pool) -> None:
    """At once, in whatever order they come to Postgres: each report counts once, and nobody is surprised."""
    key = await project(pool)
    rows = [row(neutral(event_id=f"{n}"), key=key) for n in range(40)]
    known = Known()

    async def send(start: int) -> int:
        async with pool.acquire() as connection:
            some = rows[start : start + 20]
            return len((await flush(connection, some, Counter(), uuid4(), known, NOON)).accepted)

    assert sum(await asyncio.gather(*(send(start) for start in (0, 10, 20, 5)))) == 40
    assert not known.recent.is_careful
    assert await pool.fetchval("SELECT count(*) FROM violation") == 40
