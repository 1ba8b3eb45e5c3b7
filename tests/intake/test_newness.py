"""Caps on new things: what is known is never held back, and what is held back is counted and comes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace

from collector.intake import settle as settling
from collector.intake.flush import flush
from collector.intake.known import Known
from collector.intake.maintain import Keep, maintain
from collector.intake.newness import Newness
from collector.intake.prepare import looked_into
from collector.intake.settle import settle
from collector.model import ProjectId
from collector.store import ledger
from collector.store.rows import Row
from tests.intake.running import project
from tests.make import NOON, body, ios_pem, issue, row, trustkit_ios


def new_chain(number: int, address: str = "198.51.100.7", **more: object) -> Row:
    """A report of a chain that nobody else has, as it is before anybody looked into it."""
    leaf = issue(f"host-{number}.example.com")
    report = trustkit_ios(
        app_vendor_id=f"install-{number}",
        validated_certificate_chain=[ios_pem(leaf.der)],
        **more,
    )
    made = row(body(report), address=address)
    return replace(made, deferred=True, issuer_path=(), signature=b"")


def nobody(_project: ProjectId, _spki: bytes) -> bool:
    return False


def test_one_network_leaves_room_for_the_others() -> None:
    newness = Newness(nobody)
    one = row(trustkit_ios())
    there = sum(newness.has_room(one, 0.0) for _ in range(1000))
    assert there == 40
    assert newness.has_room(row(trustkit_ios(), address="203.0.113.9"), 0.0)


def test_registered_hosts_have_room_of_their_own() -> None:
    newness = Newness(nobody, a_minute=5)
    rows = [row(trustkit_ios(), address=f"198.18.{n}.1") for n in range(200)]
    assert sum(newness.has_room(one, 0.0) for one in rows) == 10
    assert all(newness.has_room(replace(one, registered=True), 0.0) for one in rows)


def test_our_own_keys_are_never_held_back() -> None:
    leaf = row(trustkit_ios()).violation.leaf
    assert leaf is not None
    newness = Newness(lambda _project, spki: spki == leaf.digest, network_a_minute=0.1)
    assert all(newness.has_room(row(trustkit_ios()), 0.0) for _ in range(500))
    other = new_chain(1)
    assert not newness.has_room(other, 0.0)


def test_caps_held_exhausted_for_an_hour_leave_our_own_chains_alone() -> None:
    leaf = row(trustkit_ios()).violation.leaf
    assert leaf is not None
    newness = Newness(lambda _project, spki: spki == leaf.digest)
    forged = [new_chain(n, address=f"198.18.{n}.1") for n in range(40)]
    let_in = 0
    for second in range(3600):
        let_in += sum(newness.has_room(one, float(second)) for one in forged)
    assert let_in <= 1200 + 600 * 60  # and the rest waits
    assert sum(newness.has_room(one, 3600.0) for one in forged * 20) <= 40
    assert all(newness.has_room(row(trustkit_ios()), 3600.0) for _ in range(500))


def test_what_is_asked_for_now_and_then_is_never_forgotten() -> None:
    known = Known()
    usual = looked_into(new_chain(1))
    known.expect(usual)
    for number in range(30):
        known.see(number.to_bytes(8, "big") + n.to_bytes(8, "big") for n in range(10_000))
        assert not known.is_new(usual)
    assert len(known._young) + len(known._old) < 200_000


async def test_what_is_deferred_counts_at_once_and_comes_later(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    known = Known()
    rows = [replace(new_chain(n), project=key.project) for n in range(5)]
    async with pool.acquire() as connection:
        flushed = await flush(connection, rows, Counter(), uuid4(), known, NOON)
        assert flushed.accepted == frozenset(range(5))
        again = await flush(connection, rows, Counter(), uuid4(), known, NOON)
        assert again.accepted == frozenset()
        assert await ledger.totals(connection) == {
            "default": {"received": 10, "accepted": 5, "duplicate": 5}
        }
        assert await connection.fetchval("SELECT count(*) FROM violation") == 0
    assert await settle(pool, known, NOON + timedelta(hours=1), most=3) == 2
    assert await settle(pool, known, NOON + timedelta(hours=1), most=3) == 0
    stored = await pool.fetch("SELECT received_at, signature, install FROM violation")
    assert len(stored) == 5
    assert {one["received_at"] for one in stored} == {NOON}
    assert {one["signature"] for one in stored} == {looked_into(one).signature for one in rows}
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 5
    assert await pool.fetchval("SELECT count(*) FROM certificate") == 5
    assert await pool.fetchval("SELECT sum(violations) FROM rollup_delta") == 5


async def test_each_network_has_its_turn(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    many = [replace(new_chain(n), project=key.project) for n in range(8)]
    one = replace(new_chain(99, address="203.0.113.9"), project=key.project)
    async with pool.acquire() as connection:
        await flush(connection, [*many, one], Counter(), uuid4(), Known(), NOON)
    await settle(pool, Known(), NOON, most=2)
    networks = await pool.fetch("SELECT DISTINCT network FROM sighting")
    assert len(networks) == 2


async def test_more_than_there_is_room_for_is_counted_and_nothing_else(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    known = Known(deferred_room=2)
    rows = [replace(new_chain(n), project=key.project) for n in range(5)]
    async with pool.acquire() as connection:
        flushed = await flush(connection, rows, Counter(), uuid4(), known, NOON)
        assert len(flushed.accepted) == 5
        assert await connection.fetchval("SELECT count(*) FROM deferred") == 2
        assert (await ledger.totals(connection))["default"]["accepted"] == 5


async def test_what_nobody_parsed_is_forgotten_with_the_hashes_of_networks(
    pool: asyncpg.Pool,
) -> None:
    key = await project(pool)
    rows = [replace(new_chain(n), project=key.project) for n in range(3)]
    async with pool.acquire() as connection:
        await flush(connection, rows, Counter(), uuid4(), Known(), NOON)
    await maintain(pool, NOON + timedelta(days=7), Keep(30, 400, 400))
    assert await pool.fetchval("SELECT count(*) FROM deferred") == 3
    await maintain(pool, NOON + timedelta(days=9), Keep(30, 400, 400))
    assert await pool.fetchval("SELECT count(*) FROM deferred") == 0


async def test_bytes_of_another_version_do_not_stop_the_rest(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    rows = [replace(new_chain(n), project=key.project) for n in range(3)]
    async with pool.acquire() as connection:
        await flush(connection, rows, Counter(), uuid4(), Known(), NOON)
        await connection.execute(
            "UPDATE deferred SET frame = 'x' WHERE id = (SELECT min(id) FROM deferred)"
        )
    assert await settle(pool, Known(), NOON) == 0
    assert await pool.fetchval("SELECT count(*) FROM violation") == 2


async def test_a_row_that_postgres_refuses_is_quarantined_alone(pool: asyncpg.Pool) -> None:
    key = await project(pool)
    rows = [replace(new_chain(n), project=key.project) for n in range(4)]
    rows[2] = replace(rows[2], violation=replace(rows[2].violation, port=2**40))
    async with pool.acquire() as connection:
        await flush(connection, rows, Counter(), uuid4(), Known(), NOON)
    assert await settle(pool, Known(), NOON) == 0
    assert await pool.fetchval("SELECT count(*) FROM violation") == 3
    assert await pool.fetchval("SELECT count(*) FROM quarantine") == 1


@pytest.mark.parametrize("most", [0, settling.AT_ONCE])
async def test_nothing_to_do(pool: asyncpg.Pool, most: int) -> None:
    assert await settle(pool, Known(), NOON, most=most) == 0
