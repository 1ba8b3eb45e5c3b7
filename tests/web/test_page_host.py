"""A host's page: what fails, what is served, who pins what, who is affected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from collector.alert import State
from collector.store import timeline
from tests.conftest import Clock
from tests.make import NOON, chain, issue, neutral
from tests.watch.conftest import serve, tick
from tests.watch.test_count import report
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches
from tests.web.reading import ATTACK, LARGEST, look

__all__ = ["nobody_watches"]
HOST = "api.example.com"
PAGE = f"/hosts/default/{HOST}"
MINUTE = timedelta(minutes=1)


async def register(site: Site, host: str = HOST) -> None:
    answer = await site.call("POST", "/api/v1/hosts", {"project": "default", "host": host})
    assert answer.status == 201


async def pin(site: Site, *sets: dict[str, Any]) -> None:
    wanted = {"project": "default", "sets": [{"host": HOST, **one} for one in sets]}
    answer = await site.call("POST", "/api/v1/pin-sets", wanted)
    assert answer.status == 201, answer.json


async def test_a_host_of_nobody(site: Site) -> None:
    for path in (PAGE, f"/hosts/nobody/{HOST}", "/hosts/default/%00"):
        assert (await site.get(path))[0] in (400, 404)


async def test_a_host_of_which_nothing_is_known_says_what_to_do(site: Site) -> None:
    await register(site)
    page = await look(site, PAGE)
    for text in ("No failure of this host in 7 d.", "check that their reports arrive", "Nobody has asked this host",
                 "It is probed every five minutes", "pinfall rotation add api.example.com --chain new.pem",
                 "No pin set is registered", "Nobody in this time", "No violation of this host"):  # fmt: skip
        assert text in page.text, text
    await site.post(neutral(host="new.example"), address="127.0.0.1")
    page = await look(site, "/hosts/default/NEW.example")
    for text in ("not registered: nothing is probed", "pinfall probe new.example --submit"):
        assert text in page.text, text


async def test_who_is_affected_is_of_the_newest_reports_and_says_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(site)
    for number in range(3):
        await site.post(report(number), address=f"198.51.{number}.7")
    for most, told, says in ((4, 3, False), (2, 2, True)):
        monkeypatch.setattr(timeline, "MOST", most)
        text = (await look(site, PAGE)).text
        assert f"Last 24 h: {told} installs" in text
        assert (f"That is of the newest {most} reports" in text) is says


async def test_the_story_of_a_rotation(site: Site, clock: Clock) -> None:
    await register(site)
    before = issue(HOST, chain()[1], sans=(HOST,))
    await serve(site.pool, HOST, (before, chain()[1]), last=NOON - 3 * 60 * MINUTE)
    await serve(site.pool, HOST, chain()[:2], first=NOON - 2 * MINUTE)
    await site.call("POST", "/api/v1/rotations", {"host": HOST, "note": "change 4711"})
    for number in range(24):
        pins = [f'pin-sha256="{before.pin}"']
        await site.post(
            report(number, known_pins=pins, app_version=f"8.{number % 2}"),
            address=f"198.51.{number}.7",
        )
    await tick(site, "fold", "causes")
    clock.now = NOON + 5 * MINUTE
    await fire(site)
    await fire(site, id="old", summary="over for long", state=State.RESOLVED, ended_at=NOON)
    page = await look(site, PAGE)
    for text in (
        "own rotation", "24 installs on 24 networks of 1 operator.", "change 4711", "declared", "8.0", "8.1",
        "Now", "Before", before.pin, chain()[0].pin, "not pinned by any registered set", "IOS",
        "api.example.com: 42 installs of wallet", "page, since 2026-11-20 12:00:00 UTC",
        "Violations by cause: 24 in all from 2026-11-13 15:00 UTC to 2026-11-20 15:00 UTC.",
        "Keyed hashes",
    ):  # fmt: skip
        assert text in page.text, text
    assert "over for long" not in page.text
    signature = await site.pool.fetchval("SELECT encode(id, 'hex') FROM signature")
    for link in ("/alerts/a1", f"/signatures/{signature}", "?days=30"):
        assert link in page.links
    assert page.tags.count("svg") == 1
    assert (await look(site, f"{PAGE}?days=30")).text.count("from 2026-10-2") == 1
    clock.now = NOON + timedelta(days=9)
    assert "No failure of this host in 1 d." in (await look(site, f"{PAGE}?days=1")).text
    assert "No failure of this host in 7 d." in (await look(site, f"{PAGE}?days=x")).text


async def test_pin_sets_against_what_is_served(site: Site) -> None:
    await register(site)
    leaf, intermediate, _ = chain()
    other = issue(HOST, sans=(HOST,))
    await pin(
        site,
        {"pins": [f"sha256/{intermediate.pin}"], "app": "good", "version_from": "8.0"},
        {
            "pins": [f"sha256/{other.pin}"],
            "app": "broken",
            "version_from": "7.1",
            "version_to": "7.1",
        },
        {"pins": [f"sha256/{leaf.pin}"], "app": "lapsed", "expires": "2026-11-01T00:00:00Z"},
    )
    assert (await look(site, PAGE)).text.count("not probed") == 2
    await serve(site.pool, HOST, chain()[:2], last=NOON)
    page = await look(site, PAGE)
    assert f"by intermediate sha256/{intermediate.pin}" in page.text
    assert "8.0 to newest" in page.text
    assert "no, not the chain of a key of unknown kind" in page.text
    assert "not in force: clients do not pin" in page.text
    assert page.text.count("pinned by a registered set") == 2  # leaf and intermediate


@pytest.mark.parametrize("kind", ["report", "served"])
async def test_nothing_of_a_report_or_a_server_acts(site: Site, kind: str) -> None:
    await register(site)
    leaf = issue("<script>alert(1)</script>\u202e", sans=(HOST, "<script>alert(1)</script>"))
    if kind == "served":
        await serve(site.pool, HOST, (leaf,))
    else:
        told = {"app": {"id": ATTACK, "version": "\u202e" + ATTACK}, "platform": ATTACK}
        assert (await site.post(neutral(**told), address="127.0.0.1")).json["accepted"] == 1
    page = await look(site, PAGE)
    assert "<script>alert(1)</script>" in page.text
    assert "\\u202e" in page.text


async def test_the_page_stays_small(site: Site, clock: Clock) -> None:
    await register(site)
    long = "n" * 190
    for n in range(12):
        leaf = issue(
            f"{n}{'c' * 60}", sans=tuple(f"{n}-{m}-{'s' * 50}.example.com" for m in range(9))
        )
        await serve(site.pool, HOST, (leaf, *chain()[1:]), first=NOON - n * MINUTE)
    sets = [
        {"pins": [f"sha256/{issue(str(m)).pin}" for m in range(2)], "app": f"{n}-{long[:80]}"} for n in range(60)
    ]  # fmt: skip
    await pin(site, *sets)
    for n in range(30):
        at = (NOON - timedelta(days=n + 1)).isoformat()
        await site.call("POST", "/api/v1/rotations", {"host": HOST, "note": long, "at": at})
    for n in range(60):
        version = {"id": "a", "version": f"{n}.{'v' * 90}"}
        body = neutral(host=HOST, app=version, install_id=f"i{n}", event_id=f"e{n}")
        await site.post(body, address=f"198.51.{n}.7")
    # One signature a cause and hour, for a month.
    await site.pool.execute(
        "INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations, cause)"
        " SELECT decode(md5(n::text), 'hex'), p.id, $1, 'pin_mismatch', '[]', $2, $2, 5,"
        " jsonb_build_object('label', (ARRAY['own_rotation', 'issuer_change', 'path_building', 'wrong_pins',"
        " 'expired_or_clock', 'wrong_environment', 'misissuance_suspected', 'interception', 'unknown'])[1 + n % 9])"
        " FROM project p, generate_series(1, 90) n", HOST, NOON,
    )  # fmt: skip
    await site.pool.execute(
        "INSERT INTO rollup_delta (project, host, minute, signature, environment, platform, test, kind, violations,"
        " occurrences, weight, whole, last_seen)"
        " SELECT project, host, $1::timestamptz - h * interval '1 hour', id, 'production', 'IOS', false, kind,"
        " 1, 1, 1, 1, $1::timestamptz - h * interval '1 hour'"
        " FROM signature, generate_series(1, 719) h WHERE cause IS NOT NULL", NOON,
    )  # fmt: skip
    await site.pool.execute("ANALYZE rollup_delta, signature")  # as autovacuum does in time
    for days in (1, 7, 30):
        page = await look(site, f"{PAGE}?days={days}")
        assert len(page.html.encode()) < LARGEST
        assert "other" in page.text


async def test_names_in_the_address_may_hold_anything(site: Site) -> None:
    name = 'a b"<&?#%'
    await site.call("POST", "/api/v1/projects", {"name": name, "hosts": [HOST]})
    page = await look(site, f"/hosts/{quote(name, safe='')}/{HOST}")
    assert name in page.text
