"""Which pin sets are learned: 20 installs in 10 networks, over two days. Never with less."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg

from collector.model import Hash, ProjectId
from collector.store import hosts, learning, pin_sets, projects
from collector.watch.learn import Learner
from tests.conftest import Clock
from tests.make import NOON
from tests.pins.samples import PINS, pin

DAY = timedelta(days=1)
HOST = "api.example.com"
SET = b"s" * 16


def _hash(what: object, size: int = 16) -> bytes:
    return sha256(str(what).encode()).digest()[:size]


async def _project(connection: asyncpg.Connection) -> ProjectId:
    project = await projects.add(connection, "wallet", [], NOON)
    await hosts.register(connection, project, [HOST], NOON)
    await _pin_set(connection, SET, PINS)
    return project


async def _pin_set(connection: asyncpg.Connection, id_: bytes, pins: tuple[Hash, ...]) -> None:
    await connection.execute(
        "INSERT INTO pin_set (id, pins, first_seen, seen_on) VALUES ($1, $2, $3, $4)",
        id_, json.dumps([str(one) for one in pins]), NOON, NOON.date(),
    )  # fmt: skip


async def _see(
    connection: asyncpg.Connection,
    project: ProjectId,
    installs: range,
    at: datetime,
    *,
    networks: int = 10,
    **changes: Any,
) -> None:
    """A sighting of each install, spread over so many networks; their hashes are of the day."""
    told = {
        "host": HOST, "app": "com.example.wallet", "app_version": "8.24.1", "platform": "IOS", "pin_set": SET,
        "environment": "production", **changes,
    }  # fmt: skip
    await connection.executemany(
        """
        INSERT INTO sighting (project, host, kind, install, estimated, signature, network, operator_network,
            received_at, environment, app, app_version, platform, pin_set)
        VALUES ($1, $2, 'pin_mismatch', $3, false, $4, $5, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (
                project, told["host"], _hash(f"install {n}"), _hash("signature"),
                _hash(f"network {n % networks} {at.date()}", 8), at, told["environment"], told["app"],
                told["app_version"], told["platform"], told["pin_set"],
            )
            for n in installs
        ],
    )  # fmt: skip


async def test_what_enough_installs_agree_on_is_learned(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _see(connection, project, range(10), NOON - 3 * DAY)
    await _see(connection, project, range(5, 20), NOON - DAY)
    assert await learning.learn(connection, project, HOST, NOON) == 1
    (one,) = await pin_sets.learned(connection, project, HOST)
    assert (one.host, one.app, one.app_version, one.platform) == (
        HOST, "com.example.wallet", "8.24.1", "IOS",
    )  # fmt: skip
    assert (one.pins, one.installs, one.networks) == (PINS, 20, 10)
    assert (one.first_seen, one.last_seen) == (NOON - 3 * DAY, NOON - DAY)
    assert await pin_sets.of_host(connection, project, HOST) == []  # never the registry


async def test_with_less_nothing_is_learned(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    cases: dict[str, list[tuple[range, float, int]]] = {
        "installs.example.com": [(range(19), 3, 10), (range(19), 1, 10)],
        "networks.example.com": [(range(40), 3, 9), (range(40), 1, 9)],  # 18 hashes over two days
        "a-day.example.com": [(range(40), 1, 20)],
        "nearly.example.com": [(range(40), 2, 20), (range(40), 0.1, 20)],
        "long-ago.example.com": [(range(40), 11, 20), (range(40), 9, 20)],
    }
    for host, sights in cases.items():
        for installs, days, networks in sights:
            at = NOON - days * DAY
            await _see(connection, project, installs, at, networks=networks, host=host)
        assert await learning.learn(connection, project, host, NOON) == 0, host
    assert await pin_sets.learned(connection, project) == []


async def test_only_those_that_agree_in_all_count_together(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    await _pin_set(connection, b"t" * 16, (pin("three"),))
    await _pin_set(connection, b"e" * 16, ())
    changes: list[dict[str, Any]] = [
        {"app": "com.example.other"}, {"app_version": "8.24.2"}, {"platform": "ANDROID"}, {"pin_set": b"t" * 16},
        {"pin_set": b"e" * 16}, {"pin_set": None}, {"environment": "staging"}, {"app": ""},
    ]  # fmt: skip
    for days in (3, 1):
        await _see(connection, project, range(19), NOON - days * DAY)
        for change in changes[:4]:
            await _see(connection, project, range(20, 39), NOON - days * DAY, **change)
        for change in changes[4:]:  # enough of them, and of no use
            await _see(connection, project, range(40), NOON - days * DAY, **change)
    assert await learning.learn(connection, project, HOST, NOON) == 0
    await _see(connection, project, range(19, 20), NOON)
    assert await learning.learn(connection, project, HOST, NOON) == 0  # seen at noon, not before it
    assert await learning.learn(connection, project, HOST, NOON + DAY / 24) == 1


async def test_what_was_learned_grows_and_is_forgotten(connection: asyncpg.Connection) -> None:
    project = await _project(connection)
    for days in (3, 1):
        await _see(connection, project, range(20), NOON - days * DAY)
    await learning.learn(connection, project, HOST, NOON)
    for days in (-4, -6):
        await _see(connection, project, range(30), NOON - days * DAY, networks=15)
    await learning.learn(connection, project, HOST, NOON + 7 * DAY)
    (one,) = await pin_sets.learned(connection, project)
    assert (one.installs, one.networks) == (30, 15)
    assert (one.first_seen, one.last_seen) == (NOON - 3 * DAY, NOON + 6 * DAY)
    await learning.forget(connection, NOON + 6 * DAY + learning.KEPT)
    assert len(await pin_sets.learned(connection, project)) == 1
    await learning.forget(connection, NOON + 7 * DAY + learning.KEPT)
    assert await pin_sets.learned(connection, project) == []


async def test_a_round_is_bounded_and_the_next_goes_on(
    pool: asyncpg.Pool, connection: asyncpg.Connection, clock: Clock
) -> None:
    project = await _project(connection)
    names = [f"h{n}.example.com" for n in range(3)]
    await hosts.register(connection, project, names, NOON)
    for name in names:
        for days in (3, 1):
            await _see(connection, project, range(20), NOON - days * DAY, host=name)
    learner = Learner(pool, clock, seconds=0.0)
    learned = []
    for _ in range(5):
        await learner.tick()
        learned.append({one.host for one in await pin_sets.learned(connection, project)})
    assert learned == [set(), {names[0]}, {*names[:2]}, {*names}, {*names}]
    await connection.execute("DELETE FROM learned_pin_set")
    await Learner(pool, clock).tick()
    assert {one.host for one in await pin_sets.learned(connection, project)} == {*names}
