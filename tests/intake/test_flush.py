import asyncio
import os
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import asyncpg
from msgspec.structs import replace

from collector.intake.durable import Batch, Outcome
from collector.intake.flush import flush
from collector.intake.keyring import Key
from collector.intake.known import Known
from collector.intake.maintain import Keep, fold, maintain
from collector.store import ledger, signatures
from collector.store.ledger import Account
from collector.store.rows import Row
from tests.conftest import Clock
from tests.intake.running import flushing, project
from tests.make import NOON, chain, neutral, okhttp_text, row, trustkit_android, trustkit_ios

A, D = Outcome.ACCEPTED, Outcome.DUPLICATE


async def test_what_is_stored(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        await intake.submit(
            [row(r, key=key) for r in (trustkit_ios(), trustkit_android(), okhttp_text())]
        )
    assert await pool.fetchval("SELECT count(*) FROM violation") == 3
    assert await pool.fetchval("SELECT count(*) FROM certificate") == 3
    assert await pool.fetchval("SELECT count(*) FROM signature") == 1
    # iOS: the whole path; Android: without root, sent twice; OkHttp: hashes.
    assert await pool.fetchval("SELECT count(*) FROM chain") == 3
    assert await pool.fetchval("SELECT count(*) FROM pin_set") == 2
    stored = await pool.fetchrow("SELECT * FROM certificate WHERE der = $1", chain()[0].der)
    assert stored["not_after"] == NOON - timedelta(days=1) + timedelta(days=90)
    assert stored["subject"] == "O=Pinfall Test,CN=api.example.com"
    violation = await pool.fetchrow("SELECT * FROM violation WHERE dialect = 'trustkit-ios'")
    assert (violation["host"], violation["kind"], violation["enforced"]) == (
        "api.example.com",
        "pin_mismatch",
        True,
    )
    assert len(violation["install"]) == 16
    sighting = await pool.fetchrow("SELECT * FROM sighting WHERE estimated")
    assert sighting["leaf"] == f"sha256/{chain()[0].pin}"


async def test_content_goes_in_with_reports_that_count(pool: asyncpg.Pool, clock: Clock) -> None:
    """And with none that do not: they are known by their identity, whatever chain they come with."""
    key = await project(pool)
    known, batch = Known(), uuid4()
    with_chain = row(trustkit_ios(), key=key)
    same = row(okhttp_text(), key=key)
    async with pool.acquire() as connection:
        await flush(connection, [same], Counter(), batch, known, NOON)
        before = await connection.fetchval("SELECT count(*) FROM certificate")
        other = replace(with_chain, delivery=same.delivery)
        told = await flush(connection, [other], Counter(), uuid4(), known, NOON)
        assert not told.accepted
        await flush(connection, [with_chain], Counter(), batch, known, NOON)  # committed before
        assert await connection.fetchval("SELECT count(*) FROM certificate") == before
        told = await flush(connection, [with_chain], Counter(), uuid4(), known, NOON)
        assert told.accepted
    known_as = with_chain.validated_chain
    assert await pool.fetchval("SELECT count(*) FROM chain WHERE id = $1", known_as) == 1
    assert await pool.fetchval("SELECT count(*) FROM certificate") > before
    assert (
        await pool.fetchval("SELECT count(*) FROM pin_set WHERE id = $1", with_chain.pin_set) == 1
    )


async def test_a_row_that_postgres_refuses_does_not_touch_its_neighbours(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    rows = [row(neutral(event_id=str(i)), key=key) for i in range(41)]
    poison = _with_port(rows[17], 2**40)
    rows[17] = poison
    async with flushing(pool, clock) as intake:
        outcomes = await intake.submit(rows)
        assert outcomes[17] is Outcome.UNSTORABLE
        assert [o for o in outcomes if o is not A] == [Outcome.UNSTORABLE]
        assert intake.metrics.waiting == -41  # nobody told it that 41 had come in
    assert await pool.fetchval("SELECT count(*) FROM violation") == 40
    refused = await pool.fetchrow("SELECT * FROM quarantine")
    assert (refused["sqlstate"][:2], refused["delivery"]) == ("22", poison.delivery.key)
    async with pool.acquire() as connection:
        assert await ledger.totals(connection) == {
            "default": {"received": 41, "accepted": 40, "rejected": 1}
        }


def _with_port(good: Row, port: int) -> Row:
    return replace(good, violation=replace(good.violation, port=port))


async def test_a_batch_whose_answer_was_lost_is_not_done_twice(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    rows = [row(neutral(event_id="1"), key=key), row(okhttp_text(), key=key)]
    counts = Counter({Account(key.project, "", "ignored"): 2})
    batch = uuid4()
    async with pool.acquire() as connection:
        for _ in range(3):
            accepted = (await flush(connection, rows, counts, batch, Known(), NOON)).accepted
            assert accepted == {0, 1}
        again = await flush(connection, rows, Counter(), uuid4(), Known(), NOON)
        assert again.accepted == frozenset()
        totals = await ledger.totals(connection)
    assert totals == {"default": {"received": 4, "ignored": 2, "accepted": 2, "duplicate": 2}}
    assert await pool.fetchval("SELECT count(*) FROM violation") == 2


async def test_halves_are_not_done_twice_either(pool: asyncpg.Pool, clock: Clock) -> None:
    """Postgres goes away while a batch with a poison row is halved; the next try finishes it."""
    key = await project(pool)
    rows = [row(neutral(event_id=str(i)), key=key) for i in range(8)]
    rows[5] = _with_port(rows[5], 2**40)
    batch = Batch(list(rows), Counter({Account(key.project, "", "ignored"): 3}))

    class Flaky:
        """A pool whose connection is cut in the middle, once."""

        def __init__(self) -> None:
            self.cuts = 1

        def acquire(self, timeout: float) -> object:
            return self

        async def __aenter__(self) -> asyncpg.pool.PoolConnectionProxy:
            self.held = await pool.acquire()
            if self.cuts:
                self.cuts -= 1
                pid = await self.held.fetchval("SELECT pg_backend_pid()")
                self.cutting = asyncio.get_running_loop().create_task(self._cut(pid))
            return self.held

        async def __aexit__(self, *_: object) -> None:
            with suppress(asyncpg.ConnectionDoesNotExistError):  # it may be cut only now
                await pool.release(self.held)

        async def _cut(self, pid: int) -> None:
            while await pool.fetchval("SELECT count(*) FROM violation") == 0:
                await asyncio.sleep(0)
            await pool.execute("SELECT pg_terminate_backend($1)", pid)

    flaky = Flaky()
    assert await batch.store(flaky, Known(), clock) is True  # type: ignore[arg-type]
    await flaky.cutting
    assert batch.outcomes == [A] * 5 + [Outcome.UNSTORABLE] + [A] * 2
    async with pool.acquire() as connection:
        totals = await ledger.totals(connection)
    assert totals == {"default": {"received": 8, "accepted": 7, "rejected": 1}}
    assert batch.counts == Counter({Account(key.project, "", "ignored"): 3})  # for the next batch
    assert batch.doubts == {}
    assert await pool.fetchval("SELECT count(*) FROM violation") == 7


async def test_flushers_on_shared_rows_neither_deadlock_nor_lose(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    """Four processes, one signature, shared certificates and overlapping keys in any order, while
    deltas are folded: for 30 s where everything is tested, for 3 s elsewhere."""
    key = await project(pool)
    chance = random.Random(7)
    sent = 0
    ends = asyncio.get_running_loop().time() + (30 if os.environ.get("PINFALL_TEST_INSTALL") else 3)
    turns = [0] * 4
    stop = asyncio.Event()

    async def folding() -> None:
        while not stop.is_set():
            await fold(pool)

    async def one(number: int) -> None:
        nonlocal sent
        async with flushing(pool, clock, flushers=1) as intake:
            while asyncio.get_running_loop().time() < ends:
                turn = turns[number]
                turns[number] += 1
                reports = [
                    neutral(event_id=f"{turn}-{i}") for i in range(20)
                ]  # the same for all four
                reports += [trustkit_ios(app_version=f"{number}-{turn}-{i}") for i in range(5)]
                chance.shuffle(reports)
                outcomes = await intake.submit([row(r, key=key) for r in reports])
                assert Outcome.NOT_DURABLE not in outcomes
                sent += outcomes.count(A)

    folder = asyncio.create_task(folding())
    await asyncio.gather(*(one(number) for number in range(4)))
    stop.set()
    await folder
    await fold(pool)
    assert min(turns) > 0
    assert sent == max(turns) * 20 + sum(turns) * 5
    # Over the row budget of its signature a violation leaves its sighting and its part of the sums.
    assert 0 < await pool.fetchval("SELECT count(*) FROM violation") <= sent
    assert await pool.fetchval("SELECT count(*) FROM sighting") == sent
    assert await pool.fetchval("SELECT sum(violations) FROM signature") == sent
    assert await pool.fetchval("SELECT count(*) FROM rollup_delta") == 0
    assert await pool.fetchval("SELECT sum(items) FROM ledger WHERE result = 'accepted'") == sent


async def test_the_newest_signatures_hold_what_is_not_folded(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    async with flushing(pool, clock) as intake:
        await intake.submit([row(neutral(event_id=str(i)), key=key) for i in range(5)])
        await fold(pool)
        await intake.submit([row(neutral(event_id=str(i)), key=key) for i in range(5, 8)])
    async with pool.acquire() as connection:
        (found,) = await signatures.newest(connection, 10)
    assert found["violations"] == 8


async def test_hosts_are_admitted(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    named = await project(pool, "named", ["*.example.com"])
    wild = await project(pool, "wild", ["*.example.com", "api.example.com"])
    async with flushing(pool, clock) as intake:

        async def report(host: str, address: str, project_key: Key = key) -> bool:
            sent = row(
                neutral(host=host, event_id=f"{host} {address}"), address=address, key=project_key
            )
            await intake.submit([sent])
            return (sent.project, host) in intake.known.admitted

        assert [await report("a.example.org", f"198.51.{i}.1") for i in (1, 1, 2, 2, 3)] == [
            False
        ] * 4 + [True]
        assert await report("local.example.org", "127.0.0.1")
        assert await report("local6.example.org", "::1")
        # The project that names its hosts: those at once, no others ever.
        assert await report("api.example.com", "198.51.9.1", named)
        assert not any([await report("a.example.org", f"198.51.{i}.1", named) for i in range(5)])
        # A wildcard lets anybody with the key make names up: fifty an hour, and the named one always.
        assert [await report(f"{i}.example.com", "198.51.9.1", wild) for i in range(60)].count(
            True
        ) == 50
        assert await report("api.example.com", "198.51.9.1", wild)
        # Without patterns there is room for ten an hour.
        assert [await report(f"{i}.example.net", "127.0.0.1") for i in range(12)].count(True) == 7
        clock.now += timedelta(hours=2)
        assert await report("later.example.net", "127.0.0.1")


async def test_maintenance_makes_room_and_forgets(pool: asyncpg.Pool, clock: Clock) -> None:
    key = await project(pool)
    old = NOON - timedelta(days=40)
    async with flushing(pool, clock) as intake:
        clock.now = old
        await intake.submit([row(neutral(event_id="old"), received_at=old, key=key)])
        clock.now = NOON
        await intake.submit([row(trustkit_ios(), key=key)])
    await maintain(pool, NOON, Keep(30, 400, 400))
    assert await pool.fetchval("SELECT count(*) FROM violation") == 1
    assert await pool.fetchval("SELECT count(*) FROM delivery") == 1
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 1
    assert await pool.fetchval("SELECT count(*) FROM pin_set") == 1
    assert await pool.fetchval("SELECT count(*) FROM certificate") == 3
    partitions = await pool.fetchval(
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'violation'::regclass"
    )
    assert partitions == 3


async def test_chains_of_unreadable_certificates_are_stored(
    pool: asyncpg.Pool, clock: Clock
) -> None:
    key = await project(pool)
    odd = trustkit_ios(
        validated_certificate_chain=["garbage", *trustkit_ios()["validated-certificate-chain"]]
    )
    async with flushing(pool, clock) as intake:
        assert await intake.submit([row(odd, key=key)]) == [A]
    assert await pool.fetchval("SELECT slots -> 0 = '{}' FROM chain") is True


async def test_a_full_queue_refuses_and_counts(pool: asyncpg.Pool, clock: Clock) -> None:
    from collector.intake.queue import Intake
    from collector.metrics import Metrics

    key = await project(pool)
    intake = Intake(pool, Metrics(), clock, most=3)
    assert (
        await intake.submit([row(neutral(event_id=str(i)), key=key) for i in range(4)])
        == [Outcome.NOT_DURABLE] * 4
    )
    await intake.drain()
    async with pool.acquire() as connection:
        assert await ledger.totals(connection) == {"default": {"received": 4, "shed": 4}}
