"""Signatures judged from the database: by what was reported over HTTP, and by what probes saw."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from collector.detect.cases import Reach
from collector.detect.severity import TABLE
from collector.store import causes as store_causes
from collector.watch.judge import Judging
from collector.watch.roots import public_roots
from tests.conftest import Clock
from tests.make import NOON, chain, ios_pem, issue, trustkit_android, trustkit_ios
from tests.watch.conftest import serve, tick
from tests.watch.test_count import HOST, report
from tests.web.conftest import Site

JUDGED = "SELECT kind, cause, cause_at FROM signature ORDER BY kind, id"


async def causes(site: Site) -> list[dict[str, Any]]:
    return [json.loads(row["cause"]) for row in await site.pool.fetch(JUDGED)]


def facts(cause: dict[str, Any]) -> dict[str, str]:
    return {one["fact"]: one["value"] for one in cause["evidence"]}


async def test_a_rotation_told_by_the_prober(site: Site, clock: Clock) -> None:
    before = issue(HOST, chain()[1], sans=(HOST,))
    await serve(site.pool, HOST, (before, chain()[1]), last=NOON - timedelta(minutes=5))
    await serve(site.pool, HOST, chain()[:2], first=NOON - timedelta(minutes=2))
    for number in range(24):
        pins = [f'pin-sha256="{before.pin}"']
        await site.post(report(number, known_pins=pins), address=f"198.51.{number}.7")
    await tick(site, "fold", "causes")
    (cause,) = await causes(site)
    assert (cause["label"], cause["confidence"]) == ("own_rotation", "high")
    assert facts(cause)["installs"] == "24"
    assert facts(cause)["pins_match"] == "what was served before"


async def test_a_leaf_that_becomes_ours_is_judged_again(site: Site, clock: Clock) -> None:
    for number in range(5):
        await site.post(report(number), address=f"198.51.{number}.7")
    await tick(site, "count", "fold", "causes")
    assert [cause["label"] for cause in await causes(site)] == ["interception"]
    await serve(site.pool, HOST, chain()[:2], first=NOON, last=NOON)
    await tick(site, "count", "causes")
    assert [cause["label"] for cause in await causes(site)] != ["interception"]


async def test_what_did_not_change_is_not_judged_again(site: Site, clock: Clock) -> None:
    await site.post(report(1), address="198.51.1.7")
    await tick(site, "fold", "causes")
    first = (await site.pool.fetchrow(JUDGED))["cause_at"]
    clock.now = NOON + timedelta(minutes=5)
    await tick(site, "causes")
    assert (await site.pool.fetchrow(JUDGED))["cause_at"] == first
    clock.now = NOON + timedelta(minutes=11)
    await tick(site, "causes")
    assert (await site.pool.fetchrow(JUDGED))["cause_at"] == clock.now


async def test_tests_and_web_pages_are_judged_though_they_are_never_sighted(site: Site) -> None:
    await site.post(trustkit_ios(app_vendor_id="unit-tests"), address="198.51.1.7")
    page = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}
    await site.post(trustkit_android(validation_result=2), address="198.51.2.7", **page)
    await tick(site, "count", "fold", "causes")
    assert [cause["label"] for cause in await causes(site)] == ["browser_sent", "test_traffic"]
    assert await site.pool.fetchval("SELECT count(*) FROM counted_install") == 0


async def test_our_own_certificate_expired(site: Site) -> None:
    out = issue(HOST, chain()[1], sans=(HOST,), start=NOON - timedelta(days=91), days=90)
    await serve(site.pool, HOST, (out, chain()[1]))
    pems = [ios_pem(one.der) for one in (out, chain()[1])]
    for number in range(3):
        body = report(number, validated_certificate_chain=pems, validation_result=2)
        await site.post(body, address=f"198.{number}.1.7")
    await tick(site, "count", "fold", "causes")
    (cause,) = await causes(site)
    assert (cause["label"], cause["rule"]) == ("expired_or_clock", "own_certificate_expired")
    assert facts(cause)["expired"] == "leaf"
    assert await site.pool.fetchval("SELECT count(*) FROM counted_install") == 0
    async with site.pool.acquire() as connection:
        found = await connection.fetchrow("SELECT project, id FROM signature")
        project, signature = found["project"], found["id"]
        since = NOON - timedelta(hours=1)
        reach = await store_causes.reaches(connection, project, HOST, since, [signature])
        assert await store_causes.reaches(connection, project, HOST, since, [b"another"]) == {}
    assert reach == {signature: Reach(3, 3, 3)}
    (row,) = [row for row in TABLE if row.rule == "own_certificate_expired"]
    assert row.gate.is_open(reach[signature])
    assert not row.gate.is_open(Reach(3, 2, 2))


async def test_a_round_judges_so_many_and_the_next_one_the_rest(site: Site, clock: Clock) -> None:
    await site.pool.execute(
        "INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations)"
        " SELECT decode(md5(n::text), 'hex'), p.id, 'h', 'pin_mismatch', '[]', $1, $1, n"
        " FROM generate_series(1, 100) n, project p",
        NOON,
    )
    judging = Judging(site.pool, clock, public_roots())
    waits = "SELECT count(*) FROM signature WHERE cause_at IS NULL"
    left = [100]
    while left[-1]:
        await judging.tick()
        left.append(await site.pool.fetchval(waits))
        assert 0 < left[-2] - left[-1] <= 40


async def test_relabelling_wins_and_the_rules_stay_visible(site: Site, clock: Clock) -> None:
    await site.post(report(1), address="198.51.1.7")
    await tick(site, "count", "fold", "causes")
    id_ = (await site.pool.fetchval("SELECT id FROM signature")).hex()
    path = f"/api/v1/signatures/{id_}"
    told = (await site.call("GET", path)).json
    assert (told["label"], told["relabelled"], told["relabels"]) == ("interception", False, [])
    assert told["cause"]["evidence"]
    said = {"label": "wrong_environment", "note": "the staging proxy"}
    assert (await site.call("POST", f"{path}/relabel", said)).status == 200
    await tick(site, "causes")
    told = (await site.call("GET", path)).json
    assert (told["label"], told["cause"]["label"]) == ("wrong_environment", "interception")
    (line,) = told["relabels"]
    assert (line["label"], line["was"], line["note"]) == (
        "wrong_environment", "interception", "the staging proxy",
    )  # fmt: skip
    back = (await site.call("POST", f"{path}/relabel", {"label": None})).json
    assert (back["label"], back["relabelled"]) == ("interception", False)
    assert [line["was"] for line in back["relabels"]] == ["wrong_environment", "interception"]
    audit = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert [one["action"] for one in audit[:2]] == ["signature.relabelled"] * 2
    for wrong in (
        {"label": "nonsense"},
        {"label": "unknown", "note": "a\nb"},
        {"label": 5},
        {"lable": "x"},
    ):
        assert (await site.call("POST", f"{path}/relabel", wrong)).status == 400
    for nothing in ("00" * 16, "xyz"):
        nowhere = f"/api/v1/signatures/{nothing}"
        assert (await site.call("GET", nowhere)).status == 404
        assert (await site.call("POST", f"{nowhere}/relabel", {"label": None})).status == 404
