"""Readiness and verdict over HTTP: from reports that came in, causes that were judged, probes that looked."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.conftest import Clock
from tests.make import INSTALL, NOON, chain, issue, neutral
from tests.web.conftest import Site

V1 = "/api/v1"
HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
_REGISTER = """
INSERT INTO shipped_pin_set (project, host, include_subdomains, app, platform, pins, enforced, format, source,
    imported_at, imported_by)
SELECT id, $1, false, 'com.example.wallet', $2, $3, false, 'test', 'test', $4, 'test' FROM project
"""
_SERVE = """
INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)
VALUES ($1, $2, 443, $3, $4, true, $5, $6)
"""


async def report(site: Site, number: int, *, enforced: bool = False) -> None:
    sent = neutral(
        event_id=f"e{number}{enforced}", install_id=f"{INSTALL[:-2]}{number:02d}", enforced=enforced,
        app={"id": "com.example.wallet", "version": "8.24.1", "platform": "ANDROID"},
    )  # fmt: skip
    assert (await site.post(sent, address=f"198.51.{number}.1")).json["accepted"] == 1


async def judged(site: Site, label: str) -> None:
    cause = json.dumps({"label": label, "confidence": "high", "evidence": []})
    await site.pool.execute("UPDATE signature SET cause = $1", cause)


async def test_readiness(site: Site, clock: Clock) -> None:
    path = f"{V1}/hosts/default/{HOST}/readiness"
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "cannot_tell"
    assert told["reasons"][0].startswith("nothing was heard")
    assert (told["by_cause"], len(told["days"]), told["connections"]) == ({}, 30, None)
    clock.now = NOON - timedelta(days=20)
    await report(site, 99, enforced=True)
    clock.now = NOON - timedelta(days=1)
    for number in range(6):
        await report(site, number)
    clock.now = NOON
    await site.collector.tick("fold")
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "cannot_tell"
    assert told["by_cause"] == {"unknown": 6}
    assert "6 reports in 7 days have no known cause" in told["reasons"]
    assert (
        "no pin set is registered, so it is not known who should have been heard" in told["reasons"]
    )
    await judged(site, "own_rotation")
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "not_ready"
    assert (
        told["reasons"][0]
        == "our own faults would have blocked 6 reports in 7 days: 6 own_rotation"
    )
    assert told["days"][1] == {"day": "2026-11-19", "by_cause": {"own_rotation": 6}}
    await judged(site, "interception")
    await site.pool.execute(_REGISTER, HOST, None, [f"sha256/{LEAF.pin}"], NOON)
    await site.pool.execute(_REGISTER, HOST, "IOS", [f"sha256/{LEAF.pin}"], NOON)
    await site.pool.execute(
        _SERVE, b"a" * 16, HOST, [LEAF.der, INTERMEDIATE.der], b"l" * 32, NOON, NOON
    )
    await site.collector.tick("adoption")
    told = (await site.call("GET", path)).json
    assert (told["verdict"], told["unseen"]) == ("cannot_tell", ["com.example.wallet IOS"])
    await site.pool.execute("DELETE FROM shipped_pin_set WHERE platform = 'IOS'")
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "ready", told["reasons"]
    stranger = issue(HOST, INTERMEDIATE, sans=(HOST,))
    # A second chain that is served beside it, by a set that is enforced: it would be refused.
    await site.pool.execute("UPDATE shipped_pin_set SET enforced = true")
    await site.pool.execute(_SERVE, b"b" * 16, HOST, [stranger.der], b"m" * 32, NOON, NOON)
    assert (await site.call("GET", path)).json["verdict"] == "not_ready"
    assert (await site.call("GET", f"{V1}/hosts/nobody/{HOST}/readiness")).status == 404
    assert (await site.call("GET", f"{V1}/hosts/default/a%20b/readiness")).status == 400


async def test_verdict(site: Site, clock: Clock) -> None:
    path = f"{V1}/hosts/default/{HOST}/verdict"
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "not_enough_known"
    assert told["reasons"][0] == "no pin set is registered that pins now"
    await site.pool.execute(_REGISTER, HOST, None, [f"sha256/{LEAF.pin}"], NOON)
    past = NOON - timedelta(days=300)
    await site.pool.execute(
        _SERVE, b"a" * 16, HOST, [LEAF.der, INTERMEDIATE.der], b"l" * 32, past, NOON
    )
    told = (await site.call("GET", path)).json
    assert told["verdict"] == "widen"
    assert told["reasons"][0] == "1 of 1 pin sets have one pin, and no backup"
    assert "0 changes of key in 300 days: about 0 a year" in told["reasons"]
    await site.pool.execute(
        "UPDATE shipped_pin_set SET pins = $1", [f"sha256/{ROOT.pin}", f"sha256/{INTERMEDIATE.pin}"]
    )
    told = (await site.call("GET", path)).json
    assert "1 of 2 pins are of 1 authorities: Pinfall Test" in told["reasons"]
    for number in range(6):
        await report(site, number, enforced=True)
    await judged(site, "own_rotation")
    told = (await site.call("GET", path)).json
    assert told["reasons"][-1] == (
        "in a year pinning blocked 6 reports in 1 incidents of our own, and 0 in 0 of interception"
    )
