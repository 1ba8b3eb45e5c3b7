"""The key in an app is public: what a flood with it costs its owner, and what it does not."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from collector.intake.newness import Newness
from collector.store import own_keys
from tests.make import NOON, Issued, ios_pem, issue, nel, neutral, okhttp_text, trustkit_ios
from tests.web.conftest import Site

SMALL = {"source_rate": 0.1, "source_burst": 20.0}
small = pytest.mark.parametrize("chosen", [SMALL], ids=["small limits"])


def forged(number: int, leaf: Issued) -> dict[str, Any]:
    return trustkit_ios(
        app_vendor_id=f"install-{number}", validated_certificate_chain=[ios_pem(leaf.der)]
    )


@small
async def test_a_flood_from_twenty_networks_keeps_no_honest_report_out(
    site: Site, chosen: dict[str, Any]
) -> None:
    """A hundred forged reports for each honest one, all with one key, at the same time."""
    honest, networks = 40, 20
    taken = 0

    async def flood(network: int) -> None:
        nonlocal taken
        for number in range(honest * 100 // networks):
            event = f"forged-{network}-{number}"
            answer = await site.post(neutral(event_id=event), address=f"203.0.{network}.66")
            taken += answer.json.get("accepted", 0)
            assert answer.status in (200, 429)

    async def client(number: int) -> None:
        answer = await site.post(neutral(event_id=f"honest-{number}"), address=f"198.18.{number}.7")
        assert (answer.status, answer.json["accepted"]) == (200, 1)

    await asyncio.gather(*map(flood, range(networks)), *map(client, range(honest)))
    assert taken < networks * 40
    told = (await site.ledger())["default"]
    assert told["received"] == honest * 101
    assert told["accepted"] == honest + taken
    assert told["received"] == sum(n for result, n in told.items() if result != "received")
    await site.collector.tick("settle")
    stored = await site.pool.fetchval("SELECT count(*) FROM violation")
    assert stored == honest + taken


@small
async def test_what_is_over_a_limit_is_said_truthfully(site: Site, chosen: dict[str, Any]) -> None:
    items = [neutral(event_id=f"e-{n}") for n in range(60)]
    answer = await site.post(items, address="203.0.113.66")
    assert answer.status == 200
    assert 15 <= answer.json["accepted"] <= 20
    assert answer.json["shed"] == 60 - answer.json["accepted"]
    assert answer.json["notes"][0]["reason"] == "over_limit"
    over = [await site.post(neutral(event_id=f"f-{n}"), address="203.0.113.66") for n in range(200)]
    statuses = [answer.status for answer in over]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert over[-1].json["type"] == "/problems/over_limit"
    assert over[-1].headers["Retry-After"]
    assert (await site.post(neutral(event_id="g"), address="198.51.100.7")).json["accepted"] == 1
    told = (await site.ledger())["default"]
    assert told["received"] == 261
    assert told["received"] == sum(n for result, n in told.items() if result != "received")
    metrics = await site.metrics()
    assert metrics['pinfall_reports_rejected_total{reason="over_limit"}'] > 200


@small
async def test_a_trusted_key_has_no_limit_by_source(site: Site, chosen: dict[str, Any]) -> None:
    await site.pool.execute("UPDATE ingest_key SET trusted = true")
    await site.collector.tick("keys")
    items = [neutral(event_id=f"e-{n}") for n in range(200)]
    assert (await site.post(items, address="203.0.113.66")).json["accepted"] == 200


async def test_a_key_over_its_quota_still_takes_from_who_sends_little(site: Site) -> None:
    await site.pool.execute("UPDATE ingest_key SET quota = 0.1")
    await site.collector.tick("keys")
    greedy = [neutral(event_id=f"e-{n}") for n in range(500)]
    answer = await site.post(greedy, address="203.0.113.66")
    assert answer.json["accepted"] < 40
    for number in range(30):
        answer = await site.post(neutral(event_id=f"h-{number}"), address=f"198.18.{number}.7")
        assert answer.json["accepted"] == 1


PAGE = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}


async def counted(site: Site) -> int:
    return int(await site.pool.fetchval("SELECT count(*) FROM sighting"))


async def test_what_a_web_page_made_its_visitors_send_is_kept_and_never_counted(site: Site) -> None:
    answer = await site.post(trustkit_ios(), address="127.0.0.1", **PAGE)
    assert answer.json["accepted"] == 1
    details = await site.pool.fetchval("SELECT details FROM violation")
    assert "browser_sent" in details
    assert await counted(site) == 0
    assert 'kind="pin_mismatch"' not in str(await site.metrics()).replace('other"', "")


async def test_a_page_that_the_key_allows_and_what_browsers_send_themselves_count(
    site: Site,
) -> None:
    await site.pool.execute("UPDATE ingest_key SET origins = '{https://app.example.com}'")
    await site.collector.tick("keys")
    await site.post(trustkit_ios(), Origin="https://app.example.com")
    assert await counted(site) == 1
    await site.post([nel()], **PAGE)
    assert await counted(site) == 2


async def test_a_new_chain_is_looked_into_at_once(site: Site) -> None:
    answer = await site.post(trustkit_ios(), address="198.51.100.7")
    assert answer.json["accepted"] == 1
    path = await site.pool.fetchval("SELECT issuer_path FROM signature")
    assert path.count('"') == 2  # the intermediate
    assert await site.pool.fetchval("SELECT count(*) FROM deferred") == 0


async def test_with_all_caps_exhausted_our_own_new_chain_arrives_in_full(site: Site) -> None:
    """And what was over them is counted at once, and parsed by and by."""
    keyring = site.collector.ingest.keyring
    site.collector.ingest.taking.newness = Newness(
        keyring.owns, a_minute=1, registered_a_minute=1, network_a_minute=1
    )
    leaves = [issue(f"forged-{n}.example.com") for n in range(12)]
    for number, leaf in enumerate(leaves):
        answer = await site.post(forged(number, leaf), address="203.0.113.66")
        assert answer.json["accepted"] == 1
    whole = await site.pool.fetchval("SELECT count(*) FROM violation")
    waiting = await site.pool.fetchval("SELECT count(*) FROM deferred")
    assert whole + waiting == 12
    assert waiting >= 9

    own = issue("api.example.com")
    async with site.pool.acquire() as connection:
        key = own_keys.OwnKey(base64.b64decode(own.pin))
        await own_keys.add(connection, key, None, note="the rotation", now=NOON, who="test")
    await site.collector.tick("keys")
    for number in range(30):
        answer = await site.post(forged(100 + number, own), address=f"198.18.{number % 3}.7")
        assert answer.json["accepted"] == 1
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == whole + 30
    assert (await site.ledger())["default"] == {"received": 42, "accepted": 42}

    await site.collector.tick("settle")
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 42
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 42
    sums = await site.pool.fetchval("SELECT sum(violations) FROM rollup_delta")
    assert sums == 42


async def test_known_things_are_never_held_back(site: Site) -> None:
    await site.post(trustkit_ios(), address="198.51.100.7")
    await site.post(okhttp_text(), address="198.51.100.7")
    keyring = site.collector.ingest.keyring
    never = Newness(keyring.owns, a_minute=0.001, registered_a_minute=0.001, network_a_minute=0.001)
    site.collector.ingest.taking.newness = never
    for number in range(20):
        report = trustkit_ios(app_vendor_id=f"install-{number}")
        assert (await site.post(report, address="198.51.100.7")).json["accepted"] == 1
        await site.post(okhttp_text(), address=f"198.51.100.{number + 20}")
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 42
    assert await site.pool.fetchval("SELECT count(*) FROM deferred") == 0


async def test_a_new_process_knows_what_was_reported_of_late(site: Site) -> None:
    await site.post(trustkit_ios(), address="198.51.100.7")
    known = site.collector.ingest.taking.intake.known
    known._young.clear()
    await site.collector.tick("recollect")
    row_ids = await site.pool.fetchrow("SELECT signature, pin_set, validated_chain FROM violation")
    assert {bytes(id_) for id_ in row_ids} <= known._young
