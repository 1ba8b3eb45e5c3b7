"""Silences of signatures, networks and alerts over the API, and all of them on the pages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import NOON, trustkit_ios
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches
from tests.web.reading import ATTACK, look, send

__all__ = ["nobody_watches"]
V1 = "/api/v1"
LATER = "2026-11-20T14:00:00Z"
FIRST = "the first operator's own token"


@pytest.fixture
async def signature(site: Site) -> str:
    await site.post(trustkit_ios(), address="127.0.0.1")
    return str(await site.pool.fetchval("SELECT encode(id, 'hex') FROM signature"))


async def add(site: Site, **told: Any) -> dict[str, Any]:
    answer = await site.call("POST", f"{V1}/silences", {"for": "2h", **told})
    assert answer.status == 201, answer.json
    return dict(answer.json)


async def test_each_is_listed_with_who_and_until(site: Site, signature: str, clock: Clock) -> None:
    await fire(site)
    await add(site, network="203.0.113.0/24", note="our pentest")
    await add(site, network="2001:db8::1", host="*.example.com", project="default")
    await add(site, signature=signature.upper())
    made = await add(site, alert="a1", note="known")
    assert (made["alert"], made["alerts"], made["until"]) == ("a1", ["a1"], LATER)
    assert (await site.call("GET", f"{V1}/alerts/a1")).json["silenced_until"] == LATER
    listed = (await site.call("GET", f"{V1}/silences")).json["silences"]
    of = [
        (one["project"], one["host"], one["network"], one["signature"], one["alert"])
        for one in listed
    ]
    assert of == [
        (None, None, "203.0.113.0/24", None, None),
        ("default", "*.example.com", "2001:db8::1/128", None, None),
        ("default", "api.example.com", None, signature, None),
        ("default", "api.example.com", None, None, "a1"),
    ]  # fmt: skip
    assert {(one["created_by"], one["created_at"]) for one in listed} == {
        ("this machine", "2026-11-20T12:00:00Z")
    }
    for one in listed:
        answer = await site.call("DELETE", f"{V1}/silences/{one['id']}")
        assert (answer.status, answer.json["ended_by"]) == (200, "this machine")
        assert (await site.call("DELETE", f"{V1}/silences/{one['id']}")).status == 404
    assert (await site.call("GET", f"{V1}/alerts/a1")).json["silenced_until"] is None
    assert (await site.call("GET", f"{V1}/silences")).json == {"silences": []}
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"][::-1]
    assert [line["action"] for line in lines] == [
        "silence.added", "silence.added", "silence.added", "alert.silenced", *["silence.removed"] * 4,
    ]  # fmt: skip
    assert lines[0]["subject"] == "203.0.113.0/24"
    assert lines[0]["details"]["note"] == "our pentest"


async def test_one_of_an_alert_is_the_same_however_it_is_said(site: Site) -> None:
    await fire(site)
    await site.call("POST", f"{V1}/alerts/a1/silence", {"for": "1h", "note": "first"})
    await site.call("POST", f"{V1}/alerts/a1/silence", {"until": LATER, "note": "second"})
    (one,) = (await site.call("GET", f"{V1}/silences")).json["silences"]
    assert (one["alert"], one["until"], one["note"]) == ("a1", LATER, "second")
    await site.call("POST", f"{V1}/alerts/a1/silence", {"until": None})
    assert (await site.call("GET", f"{V1}/silences")).json == {"silences": []}


@pytest.mark.parametrize(("body", "status", "words"), [
    ({"network": "10.0.0.0/7"}, 400, "network: 10.0.0.0/7 is wider than a /8"),
    ({"network": "2000::/3"}, 400, "network: 2000::/3 is wider than a /16"),
    ({"network": "0.0.0.0/0", "wide": False}, 400, "say 'wide' if that is meant"),
    ({"network": "10.0.0.1/8"}, 400, "say 10.0.0.0/8"),
    ({"network": "::ffff:10.0.0.0/104"}, 400, "should be written as IPv4"),
    ({"network": "fe80::1%eth0"}, 400, "should be written as IPv4, or without a zone"),
    ({"network": "office"}, 400, "'office' is no CIDR"), ({"network": 5}, 400, "network: should be a text"),
    ({"network": "10.0.0.0/8", "kind": "wrong_pins"}, 400, "kind: cannot be said with network"),
    ({"network": "10.0.0.0/8", "signature": "00" * 16}, 400, "each is a silence of its own"),
    ({"signature": "00" * 16, "host": "a.example"}, 400, "host: cannot be said with signature"),
    ({"signature": "00" * 16}, 404, "there is no such signature"),
    ({"signature": "00"}, 404, "should be 32 hexadecimal digits"),
    ({"signature": ["x"]}, 400, "signature: should be a text"),
    ({"alert": "nobody"}, 404, "there is no alert"), ({"alert": 5}, 400, "alert: should be a text"),
    ({"host": "a.example", "wide": True}, 400, "wide: is said of a network"),
    ({"host": "a.example", "until": LATER}, 400, "for: cannot be said with until"),
    ({"host": "a.example", "for": "2 h"}, 400, "for: should be a length such as"),
    ({"host": "a.example", "for": "0m"}, 400, "for: should lie ahead"),
    ({"host": "a.example", "for": "367d"}, 400, "for: should lie ahead, by at most 366 days"),
])  # fmt: skip
async def test_no_such_silence(site: Site, body: dict[str, Any], status: int, words: str) -> None:
    answer = await site.call("POST", f"{V1}/silences", {"for": "2h", **body})
    assert answer.status == status, answer.json
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert words in answer.json["detail"]
    assert (await site.call("GET", f"{V1}/silences?state=all")).json == {"silences": []}


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_only_operators_silence(site: Site, chosen: dict[str, Any]) -> None:
    for role in ("viewer", "pipeline"):
        token = await site.token(role, role, by=FIRST)
        wanted = {"network": "203.0.113.0/24", "for": "1h"}
        assert (await site.call("POST", f"{V1}/silences", wanted, token=token)).status == 403
        page = await look(site, "/alerts", token)
        assert (page.tokens, page.fields) == ([], [])


async def test_the_page_of_alerts_makes_and_ends_them(site: Site) -> None:
    page = await look(site, "/alerts")
    assert "Nothing is silenced." in page.text
    page = await send(
        site, "/alerts", "/silences", network="203.0.113.0/24", length="4", until="", note="our pentest"
    )  # fmt: skip
    for text in ("2026-11-20 16:00:00 UTC", "203.0.113.0/24", "this machine", "our pentest"):
        assert text in page.text
    page = await send(
        site, "/alerts", "/silences", host="*.example.com", kind="wrong_pins", project="default",
        until="2026-11-21T08:30",
    )  # fmt: skip
    assert "2026-11-21 08:30:00 UTC" in page.text
    (first, second) = (await site.call("GET", f"{V1}/silences")).json["silences"]
    assert (second["host"], second["kind"]) == ("*.example.com", "wrong_pins")
    page = await send(site, "/alerts", f"/silences/{first['id']}/end")
    assert "our pentest" not in page.text
    page = await send(site, "/alerts", f"/silences/{first['id']}/end")
    assert (page.status, "is over" in page.text) == (400, True)


@pytest.mark.parametrize(("fields", "words"), [
    ({"network": "0.0.0.0/0", "length": "1"}, "0.0.0.0/0 is wider than a /8"),
    ({"network": ATTACK, "length": "1"}, "is no CIDR"), ({"host": ATTACK, "length": "1"}, "host:"),
    ({"host": "a.example"}, "until: is missing"), ({"length": "1"}, "nothing silences everything"),
    ({"host": "a.example", "until": "soon"}, "until: should be a time"),
    ({"host": "a.example", "length": "1", "note": ATTACK}, "note: should be at most"),
])  # fmt: skip
async def test_mistakes_are_told_with_what_was_typed(
    site: Site, fields: dict[str, str], words: str
) -> None:
    page = await send(site, "/alerts", "/silences", **fields)
    assert (page.status, words in page.text) == (400, True)
    assert "details open" in page.html
    assert (await site.call("GET", f"{V1}/silences?state=all")).json == {"silences": []}


async def test_a_host_and_a_signature_are_silenced_on_their_pages(
    site: Site, signature: str
) -> None:
    place, of_signature = "/hosts/default/api.example.com", f"/signatures/{signature}"
    assert "Nothing of this host is silenced." in (await look(site, place)).text
    assert "It is not silenced." in (await look(site, of_signature)).text
    form = {"project": "default", "host": "api.example.com", "back": "host"}
    page = await send(site, place, "/silences", **form, length="1", note="a move")
    assert "a move" in page.text
    assert "Failures by cause" in page.text  # back where one was
    page = await send(
        site, of_signature, "/silences", signature=signature, length="168", note="proxy"
    )
    assert "2026-11-27 12:00:00 UTC" in page.text
    assert "Issuer path" in page.text
    await fire(site)
    await add(site, network="203.0.113.0/24")
    assert "203.0.113.0/24" in (await look(site, place)).text
    page = await look(site, "/alerts/a1")
    assert "Silences that concern it" in page.text
    assert "a move" in page.text
    assert of_signature in page.links
    assert "203.0.113.0/24" not in page.text


async def test_nothing_of_a_silence_acts_on_a_page(site: Site, signature: str) -> None:
    await fire(site)
    await add(site, signature=signature)
    await site.pool.execute("UPDATE silence SET note = $1, created_by = $1", ATTACK)
    for path in (
        "/alerts",
        "/alerts/a1",
        "/hosts/default/api.example.com",
        f"/signatures/{signature}",
    ):
        assert "<script>alert(1)</script>" in (await look(site, path)).text, path


async def test_an_alert_says_that_its_signatures_are_silenced(site: Site) -> None:
    await fire(site)
    await site.pool.execute("UPDATE alert SET muted_until = $1", NOON.replace(hour=14))
    assert (await site.call("GET", f"{V1}/alerts/a1")).json["silenced_until"] == LATER
    told = await site.call("POST", f"{V1}/alerts/a1/silence", {"until": None})
    assert told.json["silenced_until"] == LATER  # that one is ended as the silence that it is
