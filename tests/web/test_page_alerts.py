"""Pages of alerts: what on-call sees first, and what on-call does there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from collector.alert import Audience, Cause, Event, Fact, Link, Reach, Severity, State, Turn
from collector.store import alert_orders
from tests.conftest import Clock
from tests.make import NOON, PIN_A, PIN_B, trustkit_ios
from tests.notify.making import alert
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches, owe
from tests.web.reading import ATTACK, LARGEST, look, send

__all__ = ["nobody_watches"]
HOUR = timedelta(hours=1)
FIRST = "the first operator's own token"


async def orders(site: Site) -> list[tuple[str, Any]]:
    async with site.pool.acquire() as connection:
        return [(order.what, order.until) for order in await alert_orders.waiting(connection)]


async def test_empty_pages_say_so(site: Site) -> None:
    page = await look(site, "/alerts")
    for text in ("Nothing fires", "pinfall notify-test", "None.", "Nothing is silenced"):
        assert text in page.text
    assert "Nothing fires" in (await look(site, "/")).text
    assert (await site.get("/alerts/nobody"))[0] == 404


async def test_what_fires_stands_before_what_is_over(site: Site, clock: Clock) -> None:
    await fire(site)
    await fire(site, id="b", host="b.example.com", severity=Severity.TICKET, audience=Audience.SECURITY,
               summary="an odd certificate")  # fmt: skip
    await fire(
        site, id="c", state=State.RESOLVED, summary="long over", ended_at=NOON - 31 * 24 * HOUR
    )
    await fire(site, id="d", state=State.RESOLVED, summary="over", ended_at=NOON - 29 * 24 * HOUR)
    await site.call("POST", "/api/v1/alerts/b/acknowledge", {})
    await site.call("POST", "/api/v1/alerts/b/silence", {"until": "2026-11-20T14:00:00Z"})
    wanted = {"host": "*.test.example", "until": "2026-11-21T00:00:00Z", "note": "a move"}
    await site.call("POST", "/api/v1/silences", wanted)
    page = await look(site, "/alerts")
    assert page.text.index("an odd certificate") < page.text.index("Resolved within 30 days")
    assert page.text.index("Resolved within 30 days") < page.text.index("over")
    assert "long over" not in page.text
    for text in ("ticket, security", "silenced until 2026-11-20 14:00:00 UTC", "this machine",
                 "2026-10-22 12:00:00 UTC", "*.test.example", "a move"):  # fmt: skip
        assert text in page.text, text
    for link in ("/alerts/a1", "/alerts/b", "/alerts/d", "/hosts/default/b.example.com"):
        assert link in page.links
    overview = await look(site, "/")
    assert "/alerts/a1" in overview.links
    assert overview.text.index("reject our own new leaf") < overview.text.index("No host yet")
    assert "page, since 2026-11-20 12:00:00 UTC" in overview.text


async def test_networks_of_a_storm_are_at_least_so_many(site: Site) -> None:
    await fire(site, reach=Reach(installs=300_000, networks=3800, expected=0.4))
    page = await look(site, "/alerts/a1")
    assert "300000 installs on at least 3800 networks; 0.4 are usual" in page.text


async def test_one_alert_tells_the_whole_story(site: Site, clock: Clock) -> None:
    await site.post(trustkit_ios(), address="127.0.0.1")
    made = await fire(site)
    await owe(site, made, "slack")
    await owe(site, made, "slack", event=Event.CAUSE_CHANGED, now=NOON + 2 * HOUR)
    await site.pool.execute("UPDATE delivery_out SET last_error = 'HTTP 500', tries = 3")
    clock.now = NOON + HOUR
    await site.call("POST", "/api/v1/alerts/a1/note", {"note": "asked the CDN"})
    page = await look(site, "/alerts/a1")
    for text in (
        "api.example.com: 42 installs of wallet reject our own new leaf", "A page for on-call, firing since",
        "2026-11-20 12:00:00 UTC (1 h ago)", "Nobody has acknowledged it", "own rotation", "93 % sure",
        "onset", "4 min after the rotation", "42 installs on 17 networks, 3.1 % of connections; 0.4 are usual",
        "4.2.0, 4.1.9", "CN=api.example.com", f"sha256/{PIN_A}", f"sha256/{PIN_B}", "not pinned",
        "until 2027-02-08 12:00:00 UTC", "2026-11-20 11:56:00 UTC, done, known from declared, probed",
        "Serve the old leaf again", "fired: waiting after 3 tries", "cause changed", "HTTP 500", "asked the CDN",
    ):  # fmt: skip
        assert text in page.text, text
    signature = await site.pool.fetchval("SELECT encode(id, 'hex') FROM signature")
    for link in ("/hosts/default/api.example.com", "/runbooks/pin_failure_spike", f"/signatures/{signature}",
                 "https://wiki.example/pins"):  # fmt: skip
        assert link in page.links
    said = [
        page.text.index(text)
        for text in ("the alert began", "fired:", "asked the CDN", "cause changed")
    ]
    assert said == sorted(said)


async def test_forms_do_what_the_api_does(site: Site, clock: Clock) -> None:
    await fire(site)
    page = await send(site, "/alerts/a1", "/alerts/a1/acknowledge")
    assert "this machine is on it since 2026-11-20 12:00:00 UTC" in page.text
    assert "I am on it" not in page.text
    page = await send(site, "/alerts/a1", "/alerts/a1/silence", length="4", until="", note="known")
    assert "Silenced until 2026-11-20 16:00:00 UTC" in page.text
    assert "silenced until 2026-11-20T16:00:00Z: known" in page.text
    page = await send(
        site, "/alerts/a1", "/alerts/a1/silence", length="1", until="2026-11-21T08:30"
    )
    assert "Silenced until 2026-11-21 08:30:00 UTC" in page.text
    page = await send(site, "/alerts/a1", "/alerts/a1/silence")
    assert "Silenced until" not in page.text
    page = await send(site, "/alerts/a1", "/alerts/a1/note", note="ask the CDN")
    assert "ask the CDN" in page.text
    page = await send(site, "/alerts/a1", "/alerts/a1/resolve", forged="yes", note="made up")
    assert "closed with the watcher's next look" in page.text
    assert await orders(site) == [
        ("acknowledge", None), ("silence", NOON + 4 * HOUR), ("silence", NOON + 20.5 * HOUR),
        ("silence", None), ("forged", None),
    ]  # fmt: skip
    lines = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert [line["action"] for line in reversed(lines)] == [
        "alert.acknowledged", *["alert.silenced"] * 3, "alert.noted", "alert.resolved",
    ]  # fmt: skip
    await fire(site, state=State.RESOLVED)
    page = await look(site, "/alerts/a1")
    assert "resolved 2026-11-20 13:00:00 UTC. It began 2026-11-20 12:00:00 UTC." in page.text
    assert "Close as forged" not in page.text


@pytest.mark.parametrize(("action", "fields", "status", "words"), [
    ("silence", {"until": "2020-01-01T00:00"}, 400, "until: should lie ahead"),
    ("silence", {"until": "soon"}, 400, "until: should be a time"),
    ("silence", {"until": ATTACK}, 400, "until: should be a time"),
    ("note", {"note": ""}, 400, "note: is missing"), ("note", {"note": ATTACK}, 400, "note: should be at most"),
    ("resolve", {"note": "n" * 1001}, 400, "note: should be at most"),
])  # fmt: skip
async def test_mistakes_are_told_on_the_page(
    site: Site, action: str, fields: dict[str, str], status: int, words: str
) -> None:
    await fire(site)
    page = await send(site, "/alerts/a1", f"/alerts/a1/{action}", **fields)
    assert (page.status, words in page.text) == (status, True)
    assert "What to do" in page.text
    assert await orders(site) == []


async def test_what_was_resolved_meanwhile_is_told(site: Site) -> None:
    await fire(site, state=State.RESOLVED)
    page = await send(site, "/alerts/a1", "/alerts/a1/acknowledge")
    assert (page.status, "this alert was resolved at" in page.text) == (409, True)


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_who_only_reads_has_no_forms(site: Site, chosen: dict[str, Any]) -> None:
    await fire(site)
    viewer = await site.token("viewer", "viewer", by=FIRST)
    page = await look(site, "/alerts/a1", viewer)
    assert (page.tokens, page.fields) == ([], [])
    assert "Do something about it" not in page.text
    assert "Do something about it" in (await look(site, "/alerts/a1", FIRST)).text


async def test_nothing_of_a_report_acts(site: Site) -> None:
    """Of every field that may hold text of reports."""
    plain = alert()
    await site.call("POST", "/api/v1/projects", {"name": '<b>"p', "hosts": []})
    for project in ("default", '<b>"p'):
        await fire(
            site, id=f"<b>{project}", project=project, summary=ATTACK, apps=(ATTACK,), pins=(ATTACK,),
            next_steps=(ATTACK,), cause=Cause(ATTACK, 0.5, (Fact(ATTACK, ATTACK),)), kind=ATTACK,
            reach=replace(plain.reach, app_versions=(ATTACK,), platforms=(ATTACK,)),
            chain=(Link(ATTACK, ATTACK, ATTACK, NOON),), rotation=Turn(NOON, ATTACK, (ATTACK,), ATTACK),
        )  # fmt: skip
    for path in ("/", "/alerts", "/alerts/%3Cb%3Edefault", "/alerts/%3Cb%3E%3Cb%3E%22p"):
        page = await look(site, path)
        assert "<script>alert(1)</script>" in page.text, path
        assert "\\u202e\\u001b[31m=1+1|[a](javascript:b)" in page.text
        assert "{{7*7}}" in page.text


async def test_pages_stay_small(site: Site) -> None:
    plain = alert()
    long = "x" * 400
    shape: dict[str, Any] = {
        "summary": long, "apps": (long,) * 5, "pins": (long,) * 16, "next_steps": (long,) * 6,
        "cause": Cause("own_rotation", 0.5, (Fact("fact", long),) * 12),
        "reach": replace(plain.reach, app_versions=(long,) * 8), "chain": (Link("leaf", long, long, NOON),) * 10,
    }  # fmt: skip
    for n in range(60):
        await fire(site, id=f"f{n:02}", host=f"{n}{'h' * 200}.example.com", **shape)
        await fire(
            site, id=f"r{n:02}", host=f"{n}{'h' * 200}.example.com", state=State.RESOLVED, **shape
        )
    notes = "INSERT INTO alert_note (alert, at, who, note) SELECT 'f00', $1, 'me', $2 FROM generate_series(1, 90)"
    await site.pool.execute(notes, NOON, "n" * 1000)
    for path in ("/", "/alerts", "/alerts/f00"):
        assert len((await look(site, path)).html.encode()) < LARGEST
