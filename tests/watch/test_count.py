"""Sightings to newly affected installs, over HTTP and in Postgres: once, at their own minutes."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from collector.detect.classes import Class
from collector.detect.counting import Before, Counted, Sighting, capping, count
from collector.metrics import Metrics
from collector.reports.certificates import certificate_from_der
from collector.store import counting
from collector.watch.count import Counting
from collector.watch.roots import public_roots
from tests.conftest import Clock
from tests.make import (
    NOON,
    Issued,
    chain,
    ios_pem,
    issue,
    neutral,
    rn_ssl_manager,
    trustkit_android,
    trustkit_ios,
)  # fmt: skip
from tests.watch.conftest import serve, tick
from tests.web.conftest import Site

HOST = "api.example.com"
OURS = 'pinfall_new_installs_total{class="self",host="api.example.com",project="default"}'
_WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
UNKNOWN = 'pinfall_new_installs_total{class="unknown",host="api.example.com",project="default"}'


def report(install: int, **changes: Any) -> dict[str, Any]:
    return trustkit_ios(app_vendor_id=f"7C1B6F0E-6B5D-4A51-9E0C-{install:012X}", **changes)


async def admitted(site: Site) -> None:
    await site.call("POST", "/api/v1/hosts", {"project": "default", "host": HOST})
    await tick(site, "hosts")


async def rows(site: Site) -> list[tuple[str, Any, bool]]:
    found = await site.pool.fetch(
        "SELECT class, at, within_cap FROM counted_install ORDER BY at, id"
    )
    return [(row["class"], row["at"], row["within_cap"]) for row in found]


async def test_an_undeclared_rotation_is_ours_from_its_first_minute(
    site: Site, clock: Clock
) -> None:
    await admitted(site)
    minutes = []
    for number in range(6):
        clock.now = NOON + timedelta(minutes=number)
        minutes.append(clock.now)
        answer = await site.post(report(number), address=f"198.51.{number}.7")
        assert answer.json["accepted"] == 1
    await tick(site, "count")
    # The root of the tests is not one that devices trust: before we know of it, it is a private one.
    before = await rows(site)
    assert [(at, within) for _, at, within in before] == [(minute, True) for minute in minutes]
    assert {class_ for class_, _, _ in before} == {"interception"}
    clock.now = NOON + timedelta(minutes=10)
    await serve(site.pool, HOST, chain()[:2], first=clock.now, last=clock.now)
    await tick(site, "count")
    told = [("self", minute, True) for minute in minutes]
    assert await rows(site) == told
    assert {row["class"] for row in await site.pool.fetch("SELECT class FROM sighting")} == {"self"}
    assert (await site.metrics())[OURS] == 6
    await tick(site, "count", "count")  # nothing is done twice
    assert await rows(site) == told
    assert (await site.metrics())[OURS] == 6


async def test_what_became_ours_is_found_by_a_process_that_has_just_started(
    site: Site, clock: Clock
) -> None:
    await site.post(report(1), address="198.51.1.7")
    await tick(site, "count")
    await serve(site.pool, HOST, chain()[:2])
    for _ in range(2):
        other = Counting(
            site.pool, Metrics(), clock, lambda _, host: ("default", host), public_roots()
        )
        await other.tick()
        assert await rows(site) == [("self", NOON, True)]


async def test_six_clients_of_one_rotation_are_ours_six_times(site: Site) -> None:
    await admitted(site)
    await serve(site.pool, HOST, chain()[:2])
    texts = [
        okhttp(kind, subject)
        for kind, subject in (("sha1", rfc), ("sha256", rfc), ("sha256", java))
    ]
    bodies: list[object] = [trustkit_ios(), trustkit_android(), *texts, rn_ssl_manager()]
    for number, body in enumerate(bodies):
        agent = f"okhttp/{number}"
        answer = await site.post(body, address=f"198.51.{number}.7", User_Agent=agent)
        assert answer.json["accepted"] == 1, answer.json
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["self"] * 6
    assert (await site.metrics())[OURS] == 6


async def test_a_declared_leaf_is_ours_before_anybody_has_seen_it(site: Site, clock: Clock) -> None:
    await admitted(site)
    declared = {"host": HOST, "chain": "".join(one.pem for one in chain()[:2])}
    answer = await site.call("POST", "/api/v1/rotations", declared)
    assert answer.status == 201
    texts = [okhttp("sha1", rfc), okhttp("sha256", rfc)]
    bodies: list[object] = [trustkit_ios(), trustkit_android(), *texts, rn_ssl_manager()]
    for number, body in enumerate(bodies):
        agent = f"okhttp/{number}"
        await site.post(body, address=f"198.51.{number}.7", User_Agent=agent)
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["self"] * 5


async def test_a_declared_leaf_that_was_called_off_is_not_ours(site: Site) -> None:
    await admitted(site)
    declared = {"host": HOST, "chain": "".join(one.pem for one in chain()[:2])}
    answer = await site.call("POST", "/api/v1/rotations", declared)
    await site.call("POST", f"/api/v1/rotations/{answer.json['id']}/end", {})
    await site.post(trustkit_ios(), address="198.51.100.7")
    await site.post(okhttp("sha1", rfc), address="198.51.101.7")
    await tick(site, "count")
    assert "self" not in {class_ for class_, _, _ in await rows(site)}


def okhttp(kind: str, subject: Callable[[Issued], str]) -> str:
    """As OkHttp 3.1 (SHA-1), 4 on Android, and 5 on a JVM write it."""
    told = [certificate_from_der(one.der) for one in chain()]
    digests = [c.spki_sha1 if kind == "sha1" else c.spki_sha256 for c in told]
    peers = [
        f"    {kind}/{base64.b64encode(digest).decode()}: {subject(one)}"
        for digest, one in zip(digests, chain(), strict=True)
    ]
    lines = ["Certificate pinning failure!", "  Peer certificate chain:", *peers]
    pin = base64.b64encode(digests[0][::-1]).decode()
    return "\n".join([*lines, f"  Pinned certificates for {HOST}:", f"    {kind}/{pin}"])


def rfc(one: Issued) -> str:
    return str(one.certificate.subject.rfc4514_string())


def java(one: Issued) -> str:
    return ", ".join(reversed(rfc(one).split(",")))


async def test_an_install_counts_once_in_24_hours(site: Site, clock: Clock) -> None:
    await serve(site.pool, HOST, chain()[:2], last=NOON + timedelta(days=2))
    for hours in (0, 1, 23.9, 24, 47.9):
        clock.now = NOON + timedelta(hours=hours)
        when = f"{clock.now:%Y-%m-%dT%H:%M:%SZ}"
        assert (await site.post(report(1, date_time=when))).json["accepted"] == 1
        await tick(site, "count")
    assert [at - NOON for _, at, _ in await rows(site)] == [timedelta(0), timedelta(hours=24)]


async def test_three_of_a_network_are_within_its_cap(site: Site) -> None:
    await admitted(site)
    await serve(site.pool, HOST, chain()[:2])
    for number in range(10):
        await site.post(report(number), address=f"198.51.100.{number + 1}")
    await tick(site, "count")
    assert [within for _, _, within in await rows(site)] == [True] * 3 + [False] * 7
    assert (await site.metrics())[OURS] == 3


async def test_only_pins_that_failed_in_production_count(site: Site) -> None:
    await serve(site.pool, HOST, chain()[:2])
    await site.post(report(1, validation_result=2), address="198.51.1.7")
    await site.post(trustkit_ios(app_vendor_id="unit-tests"), address="198.51.2.7")
    await site.pool.execute("UPDATE ingest_key SET environment = 'staging'")
    await tick(site, "keys")
    await site.post(report(3), address="198.51.3.7")
    await tick(site, "count")
    assert await rows(site) == []
    assert await site.pool.fetchval("SELECT count(*) FROM sighting WHERE class IS NULL") == 0
    assert await site.pool.fetchval("SELECT count(*) FROM sighting WHERE class = 'self'") == 2


async def test_a_leaf_last_seen_long_ago_is_not_ours(site: Site) -> None:
    await serve(site.pool, HOST, chain()[:2], last=NOON - timedelta(days=9, hours=1))
    await site.post(report(1), address="198.51.1.7")
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["unknown"]


async def test_two_processes_do_not_count_at_once(site: Site) -> None:
    await site.post(report(1), address="198.51.1.7")
    async with site.pool.acquire() as other, other.transaction():
        await other.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.count'))")
        await tick(site, "count")
        assert await rows(site) == []
    await tick(site, "count")
    assert len(await rows(site)) == 1


async def test_a_release_with_an_import_and_other_pins_is_unknown_until_many_agree(
    site: Site,
) -> None:
    await serve(site.pool, HOST, chain()[:2])
    await site.pool.execute(
        "INSERT INTO shipped_pin_set (project, host, include_subdomains, version_to, pins, format, source,"
        " imported_at, imported_by) SELECT id, $1, false, '9', $2, 'json', 'pins.json', $3, 'ci' FROM project",
        HOST, [f"sha256/{chain()[0].pin}"], NOON,
    )  # fmt: skip
    for number in range(19):
        await site.post(report(number), address=f"198.51.{number}.7")
    await tick(site, "count")
    assert {class_ for class_, _, _ in await rows(site)} == {"unknown"}
    await site.post(report(19), address="198.51.19.7")
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)] == ["unknown"] * 19 + ["self"]
    beyond = report(40, app_version="10.0")  # which no import covers
    await site.post(beyond, address="198.51.40.7")
    await tick(site, "count")
    assert [class_ for class_, _, _ in await rows(site)][-1] == "self"


async def test_a_step_that_fails_leaves_everything_as_it_was(site: Site) -> None:
    await admitted(site)
    await serve(site.pool, HOST, chain()[:2])
    for number in range(3):
        await site.post(report(number), address=f"198.51.{number}.7")
    await site.pool.execute(
        "ALTER TABLE counted_install ADD CONSTRAINT none CHECK (app = 'nobody')"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await tick(site, "count")
    assert await site.pool.fetchval("SELECT count(*) FROM sighting WHERE class IS NULL") == 3
    assert (await site.metrics())[OURS] == 0
    await site.pool.execute("ALTER TABLE counted_install DROP CONSTRAINT none")
    await tick(site, "count")
    assert len(await rows(site)) == 3
    assert (await site.metrics())[OURS] == 3


async def test_networks_go_after_8_days_and_counts_after_30(site: Site, clock: Clock) -> None:
    await site.post(report(1), address="198.51.1.7")
    await tick(site, "count")
    kept = "SELECT count(*) AS rows, count(*) FILTER (WHERE network <> '') AS networks FROM counted_install"
    for days, told in ((7, (1, 1)), (9, (1, 0)), (31, (0, 0))):
        clock.now = NOON + timedelta(days=days)
        await tick(site, "count")
        found = await site.pool.fetchrow(kept)
        assert (found["rows"], found["networks"]) == told


async def test_a_forgotten_install_is_not_counted_any_more(site: Site) -> None:
    for number in (1, 2):
        await site.post(report(number), address=f"198.51.{number}.7")
    await tick(site, "count")
    forgotten = {"install": "7C1B6F0E-6B5D-4A51-9E0C-000000000001"}
    assert (await site.call("POST", "/api/v1/forget", forgotten)).status == 200
    assert len(await rows(site)) == 1
    assert await site.pool.fetchval("SELECT count(*) FROM taken_back") == 1
    for number in (1, 2):
        await site.post(report(number, app_version="5.0"), address=f"198.51.{number}.7")
    await tick(site, "count")
    assert len(await rows(site)) == 2  # one of them is still remembered, and the other is not


async def test_one_that_is_forgotten_while_it_waits_is_never_counted(site: Site) -> None:
    for number in (1, 2):
        await site.post(report(number), address=f"198.51.{number}.7")
    forgotten = {"install": "7C1B6F0E-6B5D-4A51-9E0C-000000000001"}
    assert (await site.call("POST", "/api/v1/forget", forgotten)).status == 200
    await tick(site, "count")
    assert len(await rows(site)) == 1
    assert await site.pool.fetchval("SELECT count(*) FROM waiting") == 0


async def test_who_forgets_waits_for_who_counts_and_neither_both_ways_round(site: Site) -> None:
    """Somebody counts: has taken what waits, and has not written down what it was."""
    for number in (1, 2):
        await site.post(report(number), address=f"198.51.{number}.7")
    forgotten = {"install": "7C1B6F0E-6B5D-4A51-9E0C-000000000001"}
    async with site.pool.acquire() as connection, connection.transaction():
        assert await counting.hold(connection)
        taken = await counting.waiting(connection, 10)
        forgetting = asyncio.create_task(site.call("POST", "/api/v1/forget", forgotten))
        async with asyncio.timeout(30), site.pool.acquire() as other:
            while not await other.fetchval(_WAITS):
                await asyncio.sleep(0.01)
        await counting.classed(connection, {one.id: Class.SELF for one in taken})
        await counting.add(
            connection, count([(one, Class.SELF) for one in taken], Before()).counted
        )
    assert (await forgetting).status == 200
    assert len(await rows(site)) == 1


def sighting(id_: int, minutes: float, install: int = 1, network: int = 1) -> Sighting:
    return Sighting(
        id=id_, project=1, host=HOST, kind="pin_mismatch", install=b"%d" % install, estimated=False,
        leaf=None, signature=b"", network=b"%d" % network, operator_network=b"",
        received_at=NOON + timedelta(minutes=minutes), environment="production", app="", app_version="",
        platform="", pin_set=None, chain=None,
    )  # fmt: skip


def test_what_is_replayed_late_counts_at_its_own_minute() -> None:
    before = Before()
    place = (1, HOST, Class.SELF)
    before.add(place, b"1", b"1", NOON + timedelta(hours=2), 77, within_cap=True)
    told = count([(sighting(1, 60), Class.SELF)], before)
    assert told.moved == (77,)
    assert [one.sighting.received_at for one in told.counted] == [NOON + timedelta(hours=1)]
    assert count([(sighting(2, 90), Class.SELF)], before).counted == ()


@pytest.mark.parametrize("size", [1, 3, 50])
def test_batches_of_any_size_count_the_same(size: int) -> None:
    told = [(sighting(n, n * 37, install=n % 7, network=n % 3), Class.SELF) for n in range(200)]
    before = Before()
    counted: list[Counted] = []
    for start in range(0, len(told), size):
        counted += count(told[start : start + size], before).counted
    whole = count(told, Before()).counted
    assert [(one.sighting.id, one.within_cap) for one in counted] == [
        (one.sighting.id, one.within_cap) for one in whole
    ]
    assert 7 < len(whole) < 200


def test_a_declared_egress_is_exempt_from_the_cap() -> None:
    told = [(sighting(n, n, install=n), Class.SELF) for n in range(9)]
    counted = count(told, Before(), lambda one: one.network == b"1").counted
    assert all(one.within_cap for one in counted)


async def test_a_forged_path_and_a_product_by_name(site: Site) -> None:
    root = issue("Zscaler Root CA", ca=True)
    forged = issue(HOST, root, sans=(HOST,))
    genuine = [ios_pem(one.der) for one in chain()[1:]]
    pems = [ios_pem(forged.der), ios_pem(root.der), *genuine]
    await serve(site.pool, HOST, chain()[:2])
    await site.post(report(1, validated_certificate_chain=pems), address="198.51.1.7")
    alone = neutral(host="www.example.com", event_id="e", pins={})  # no chain at all
    await site.post(alone, address="198.51.2.7")
    await tick(site, "count", "fold", "causes")
    assert sorted(class_ for class_, _, _ in await rows(site)) == ["interception", "unknown"]
    causes = await site.pool.fetch("SELECT cause->>'label' AS label FROM signature ORDER BY 1")
    assert [row["label"] for row in causes] == ["interception", "unknown"]


@pytest.mark.parametrize("seed", range(30))
def test_no_other_caps_are_asked_for_than_those_that_were_read(seed: int) -> None:
    """What is counted is the same as if the caps of all networks were known."""
    chance = random.Random(seed)
    history = Before()
    old = [
        (sighting(n, chance.randrange(6000), chance.randrange(9), chance.randrange(4)), Class.SELF)
        for n in range(1, 40)
    ]
    for number, one in enumerate(count(old, history).counted, 1):
        known = history.installs[(1, HOST, Class.SELF), one.sighting.install]
        known[known.index((one.sighting.received_at, 0))] = one.sighting.received_at, number
    some = [
        (sighting(n, chance.randrange(6000), chance.randrange(9), chance.randrange(4)), Class.SELF)
        for n in range(100, 110)
    ]
    asked = capping(some, history)
    read = Before(
        deepcopy(history.installs),
        {at: [*told] for at, told in history.networks.items() if at[1] in asked},
    )
    assert count(some, read) == count(some, deepcopy(history))
