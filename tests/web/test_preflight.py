"""Preflight and adoption over HTTP, on a real Postgres."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from collector.model import ProjectId
from collector.store import adoption
from tests.conftest import Clock
from tests.make import NOON, Issued, chain, issue, neutral, window
from tests.web.conftest import Answer, Site

V1 = "/api/v1"
HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
BACKUP = issue("backup.example")
PEM = LEAF.pem + INTERMEDIATE.pem
_REGISTER = """
INSERT INTO shipped_pin_set (project, host, include_subdomains, app, platform, version_from, version_to, pins,
    enforced, expires, format, source, imported_at, imported_by)
SELECT id, $1, false, 'com.example.wallet', $2, $3, $3, $4, true, $5, 'test', 'test', $6, 'test' FROM project
WHERE name = 'default'
"""


async def register(
    site: Site,
    *keys: Issued,
    platform: str | None = None,
    version: str | None = None,
    expires: Any = None,
) -> None:
    pins = sorted(f"sha256/{key.pin}" for key in keys)
    await site.pool.execute(_REGISTER, HOST, platform, version, pins, expires, NOON)


async def ask(site: Site, **more: Any) -> Answer:
    return await site.call("POST", f"{V1}/preflight", {"host": HOST, "chain": PEM, **more})


async def test_nothing_is_registered(site: Site) -> None:
    answer = await ask(site)
    assert (answer.status, answer.json["exit"]) == (200, 3)
    assert answer.json["verdict"] == "no pin set is registered for this host"
    assert (await ask(site, allow_unknown=True)).json["exit"] == 0


async def test_registered_sets_decide(site: Site) -> None:
    await register(site, INTERMEDIATE, version="2.0")
    told = (await ask(site)).json
    assert told["exit"] == 0
    (part,) = told["parts"]
    assert (part["outcome"], part["held"][0]["role"]) == ("accepts", "intermediate")
    await register(site, BACKUP, version="1.0")
    await site.pool.execute(
        "INSERT INTO proven_pin (project, pin, how, proven_at, proven_by) SELECT id, $1, 'csr', $2, 'x' FROM project",
        f"sha256/{BACKUP.pin}", NOON,
    )  # fmt: skip
    await site.pool.execute(
        "INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)"
        " VALUES ($1, $2, 443, $3, $4, true, $5, $5)",
        b"i" * 16, HOST, [LEAF.der], b"l" * 32, NOON,
    )  # fmt: skip
    told = (await ask(site)).json
    assert told["exit"] == 1
    assert told["verdict"] == "1 registered pin set refuses this chain (the share is not known)"
    assert told["parts"][0]["reason"] == "none of its 1 pins is in the chain"
    assert "proven by a csr on 2026-11-20" in told["steps"][0]


async def test_shares_of_imported_uses(site: Site) -> None:
    await register(site, LEAF, version="2.0")
    await register(site, BACKUP, version="1.0")
    rows = [
        {
            "day": f"2026-11-{day}",
            "app": "com.example.wallet",
            "platform": "android",
            "version": version,
            "uses": uses,
        }
        for day, old in ((17, 4000), (18, 2000), (19, 1000))
        for version, uses in (("1.0", old), ("2.0", 10_000 - old))
    ]
    for _ in range(2):  # again is the same
        answer = await site.call("POST", f"{V1}/adoption", {"project": "default", "rows": rows})
        assert (answer.status, answer.json["imported"]) == (200, 6)
    told = (await ask(site)).json
    assert told["totals"]["breaks"] == {
        "now": "10.00 %", "after_24h": "about 5 %", "after_48h": "about 3 %", "after_a_week": "less than 1 %",
    }  # fmt: skip
    assert told["basis"][0]["text"].startswith(
        "com.example.wallet ANDROID: 10,000 uses, as imported on 2026-11-19; forecast from 3 days"
    )
    assert told["safe_in_days"] == 4
    assert (await ask(site, max_share="10%")).json["exit"] == 0
    assert (await ask(site, max_share="9.9%")).json["exit"] == 1
    curves = (await site.call("GET", f"{V1}/adoption")).json["curves"]
    assert [row["share"] for row in curves[0]["versions"]] == ["10.00 %", "90.00 %"]
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [(line["action"], line["details"]) for line in lines] == [
        ("adoption.imported", {"rows": 6})
    ] * 2


async def learned(site: Site) -> list[tuple[Any, ...]]:
    rows = await site.pool.fetch("SELECT * FROM version_use ORDER BY day, source, version")
    return [tuple(row)[1:] for row in rows]


async def test_versions_are_learned_from_connections_and_reports(site: Site, clock: Clock) -> None:
    await site.call("POST", f"{V1}/hosts", {"project": "default", "host": HOST})
    await site.collector.tick("hosts")
    for number in range(3):
        sent = window(id=str(number), app_version="8.24.1", install_id=f"i{number}")
        assert (
            await site.post(sent, path=f"/r/{site.key}/connections", address=f"198.51.{number}.1")
        ).status == 200
    again = window(id="again", app_version="8.24.1", install_id="i1")
    await site.post(again, path=f"/r/{site.key}/connections", address="198.51.9.1")
    await site.post(neutral(install_id="j1", platform="ios"), address="198.51.7.1")
    await site.collector.tick("adoption")
    day = NOON.date()
    expected = [
        ("com.example.wallet", "ANDROID", "8.24.1", day, "connections", 3.0),
        ("com.example.wallet", "", "8.24.1", day, "reports", 1.0),
    ]
    assert await learned(site) == expected  # no day is over yet
    clock.now = NOON + timedelta(days=1)
    await site.collector.tick("adoption")
    await site.collector.tick("adoption")
    assert await learned(site) == expected
    # Much later, when what it was counted from is pruned, what was counted stays.
    await site.pool.execute("DELETE FROM connection_window")
    clock.now = NOON + timedelta(days=30)
    await site.collector.tick("adoption")
    assert await learned(site) == expected
    clock.now = NOON + timedelta(days=402)
    await site.collector.tick("adoption")
    assert await learned(site) == []


async def test_a_flood_of_versions_is_bounded(site: Site) -> None:
    project = ProjectId(await site.pool.fetchval("SELECT id FROM project"))
    await site.pool.execute(
        """INSERT INTO sighting (project, host, kind, install, estimated, signature, network, operator_network,
               received_at, app, app_version, platform)
           SELECT $1, 'h', 'pin_mismatch', decode(lpad(to_hex(n), 8, '0'), 'hex'), false, 's', 'n', 'o', $2,
               'a' || n % 60, 'v' || n, 'IOS'
           FROM generate_series(1, 20000) AS n""",
        project, NOON,
    )  # fmt: skip
    async with site.pool.acquire() as connection:
        await adoption.learn(connection, project, NOON.date())
        rows = await site.pool.fetch(
            "SELECT app, count(*) AS versions FROM version_use GROUP BY app"
        )
    assert len(rows) == adoption.PLACES
    assert {row["versions"] for row in rows} == {adoption.VERSIONS}


@pytest.mark.parametrize(("change", "words"), [
    ({"chain": ""}, "chain: it is empty"), ({"chain": "x"}, "chain: no certificate and no request"),
    ({"chain": 1}, "chain: should be PEM"), ({"host": "a b"}, "host: 'a b'"), ({"host": 1}, "host: should be"),
    ({"at": "soon"}, "at: should be a time"), ({"at": 5}, "at: should be a time"), ({"issuer": "x"}, "issuer: no cert"),
    ({"max_share": "2"}, "max_share: should be"),
    ({"max_share": True}, "max_share"), ({"max_share": "nan"}, "max_share"),
    ({"allow_unknown": "yes"}, "allow_unknown"), ({"pin_sets": [1]}, "pin_sets: should be a list of objects"),
    ({"pin_sets": [{"host": HOST}]}, "pin_sets: pins should be"), ({"x": 1}, "x: no such field"),
    ({"pin_sets": [{"host": HOST, "pins": ["sha256/x"]}]}, "pin_sets: a pin is"),
    ({"pin_sets": [{"host": HOST, "pins": [], "y": 1}]}, "pin_sets: y: no such field"),
    ({"pin_sets": [{"host": HOST, "pins": [], "app": 1}]}, "pin_sets: app"),
    ({"pin_sets": [{"host": HOST, "pins": [], "enforced": 1}]}, "pin_sets: enforced"),
])  # fmt: skip
async def test_mistakes_are_one_line(site: Site, change: dict[str, Any], words: str) -> None:
    answer = await ask(site, **change)
    assert answer.status == 400
    assert answer.json["detail"].startswith(words.partition(":")[0])
    assert words in answer.json["detail"]


async def test_no_such_project(site: Site) -> None:
    assert (await ask(site, project="nobody")).status == 404


async def test_pin_sets_that_come_along_count(site: Site) -> None:
    await register(site, LEAF)
    extra = [{"host": HOST, "pins": [f"sha256/{BACKUP.pin}"], "app": "other"}]
    assert (await ask(site, pin_sets=extra)).json["exit"] == 1
    assert (await ask(site, pin_sets=extra, app="com.example.wallet")).json["exit"] == 0


async def test_time_of_the_rotation(site: Site) -> None:
    await register(site, BACKUP, expires=NOON + timedelta(days=2))
    assert (await ask(site)).json["exit"] == 1
    assert (
        (await ask(site))
        .json["parts"][0]["reason"]
        .endswith("within 2 days pinning is off: the pins expired 2026-11-22")
    )
    assert (await ask(site, at="2026-11-22T12:00:00Z")).json["exit"] == 0


@pytest.mark.parametrize("change", [
    {"uses": -1}, {"uses": "1"}, {"uses": True}, {"day": "2024-01-01"}, {"day": "soon"}, {"day": None}, {"app": 1},
    {"version": "x" * 65}, {"platform": "\x00"},
])  # fmt: skip
async def test_rows_that_are_wrong(site: Site, change: dict[str, Any]) -> None:
    row = {"day": "2026-11-19", "app": "a", "platform": "IOS", "version": "1", "uses": 1, **change}
    answer = await site.call("POST", f"{V1}/adoption", {"project": "default", "rows": [row]})
    assert (answer.status, answer.json["detail"].partition(":")[0]) == (400, "rows")
