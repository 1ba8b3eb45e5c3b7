"""What people read of alerts and do about them, over HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from collector.alert import Severity, State, to_json
from collector.store import alert_orders, alerts, silences
from collector.store.silences import Silence
from tests.conftest import Clock
from tests.make import NOON
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches, owe

__all__ = ["nobody_watches"]

V1 = "/api/v1"
HOUR = timedelta(hours=1)
LATER = "2026-11-20T14:00:00Z"


async def orders(site: Site) -> list[tuple[str, str]]:
    async with site.pool.acquire() as connection:
        return [(order.alert, order.what) for order in await alert_orders.waiting(connection)]


async def audit(site: Site) -> list[tuple[str, str, dict[str, Any]]]:
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    return [(line["action"], line["subject"], line["details"]) for line in reversed(lines)]


async def test_nothing_is_wrong(site: Site) -> None:
    assert (await site.call("GET", f"{V1}/alerts")).json == {"alerts": []}
    assert (await site.call("GET", f"{V1}/alerts/a1")).status == 404
    for what, body in (("acknowledge", {}), ("silence", {"until": None}), ("resolve", {})):
        assert (await site.call("POST", f"{V1}/alerts/a1/{what}", body)).status == 404
    assert (await site.call("POST", f"{V1}/alerts/a1/note", {"note": "n"})).status == 404
    assert await audit(site) == []


async def test_what_fires_stands_first(site: Site) -> None:
    await site.call("POST", f"{V1}/projects", {"name": "bank", "hosts": []})
    old = await fire(site, id="old", state=State.RESOLVED, updated_at=NOON + 9 * HOUR)
    quiet = await fire(site, id="quiet", severity=Severity.TICKET)
    loud = await fire(site, id="loud", host="b.example.com", updated_at=NOON + HOUR)
    bank = await fire(site, id="bank", project="bank", updated_at=NOON + 2 * HOUR)
    told = (await site.call("GET", f"{V1}/alerts")).json["alerts"]
    assert told == json.loads(json.dumps([to_json(one) for one in (bank, loud, quiet, old)]))
    for query, ids in (
        ("state=resolved", ["old"]), ("project=bank", ["bank"]), ("host=b.example.com", ["loud"]),
        ("state=firing&limit=1", ["bank"]), ("host=nobody.example", []), ("project=nobody", []),
    ):  # fmt: skip
        found = (await site.call("GET", f"{V1}/alerts?{query}")).json["alerts"]
        assert [one["id"] for one in found] == ids, query
    for query in ("state=x", "limit=0", "nonsense=1"):
        assert (await site.call("GET", f"{V1}/alerts?{query}")).status == 400


async def test_one_alert_is_its_contract_and_what_came_of_it(site: Site) -> None:
    made = await fire(site)
    await owe(site, made, "slack", "pager")
    told = (await site.call("GET", f"{V1}/alerts/a1")).json
    timeline = told.pop("timeline")
    assert told == json.loads(json.dumps(to_json(made)))
    assert [(row["channel"], row["event"], row["state"]) for row in timeline["deliveries"]] == [
        ("slack", "fired", "waiting"), ("pager", "fired", "waiting"),
    ]  # fmt: skip
    assert timeline["deliveries"][0]["created_at"] == "2026-11-20T12:00:00Z"
    assert (timeline["notes"], timeline["ordered"]) == ([], [])


async def test_it_is_acknowledged_at_once_and_by_one(site: Site, clock: Clock) -> None:
    await fire(site)
    ada, bob = await site.token("ada", "operator"), await site.token("bob", "operator")
    clock.now = NOON + HOUR
    told = await site.call("POST", f"{V1}/alerts/a1/acknowledge", {}, token=ada)
    assert told.json["acknowledged"] == {"by": "ada", "at": "2026-11-20T13:00:00Z"}
    assert told.json["timeline"]["ordered"] == [
        {"what": "acknowledge", "who": "ada", "at": "2026-11-20T13:00:00Z", "until": None}
    ]
    told = await site.call("POST", f"{V1}/alerts/a1/acknowledge", {}, token=bob)
    assert (told.status, told.json["acknowledged"]["by"]) == (200, "ada")
    assert await orders(site) == [("a1", "acknowledge")]
    assert [row["note"] for row in told.json["timeline"]["notes"]] == ["acknowledged"]
    assert (await audit(site))[2:] == [("alert.acknowledged", "a1", {"host": "api.example.com"})]


async def test_of_many_who_acknowledge_at_once_one_has_it(site: Site) -> None:
    await fire(site)
    answers = await asyncio.gather(
        *(site.call("POST", f"{V1}/alerts/a1/acknowledge", {}) for _ in range(12))
    )
    assert {answer.status for answer in answers} == {200}
    assert await orders(site) == [("a1", "acknowledge")]
    assert len(answers[0].json["timeline"]["notes"]) == 1


async def test_it_is_silenced_until_a_time_and_no_longer(site: Site) -> None:
    await fire(site)
    told = await site.call(
        "POST", f"{V1}/alerts/a1/silence", {"until": "2026-11-20T15:00:00+01:00", "note": "known"}
    )
    assert told.json["silenced_until"] == LATER
    assert told.json["timeline"]["notes"][0]["note"] == f"silenced until {LATER}: known"
    again = await site.call("POST", f"{V1}/alerts/a1/silence", {"until": LATER})
    assert again.json == told.json  # nothing changed
    told = await site.call("POST", f"{V1}/alerts/a1/silence", {"until": None})
    assert told.json["silenced_until"] is None
    assert told.json["timeline"]["notes"][-1]["note"] == "ended the silence"
    waiting = told.json["timeline"]["ordered"]
    assert [(one["what"], one["until"]) for one in waiting] == [
        ("silence", LATER),
        ("silence", None),
    ]
    assert [line[0] for line in await audit(site)] == ["alert.silenced"] * 2


@pytest.mark.parametrize(("what", "body", "words"), [
    ("silence", {}, "until: is missing"),
    ("silence", {"until": "2026-11-20T11:00:00Z"}, "until: should lie ahead"),
    ("silence", {"until": "2028-11-20T11:00:00Z"}, "until: should lie ahead"),
    ("silence", {"until": "tomorrow"}, "until: should be a time"),
    ("silence", {"until": 5}, "until: should be a text"),
    ("silence", {"until": None, "note": "a\u202eb"}, "note: should be at most"),
    ("resolve", {"forged": "yes"}, "forged: should be true or false"),
    ("resolve", {"note": ["x"]}, "note: should be at most"),
    ("resolve", {"why": "x"}, "why: no such field"),
    ("acknowledge", {"note": "x"}, "note: no such field"),
    ("note", {}, "note: is missing"), ("note", {"note": " "}, "note: is missing"),
    ("note", {"note": "n" * 1001}, "note: should be at most"),
])  # fmt: skip
async def test_mistakes_are_one_line_and_change_nothing(
    site: Site, what: str, body: object, words: str
) -> None:
    await fire(site)
    answer = await site.call("POST", f"{V1}/alerts/a1/{what}", body)
    assert answer.status == 400
    assert words in answer.json["detail"]
    timeline = (await site.call("GET", f"{V1}/alerts/a1")).json["timeline"]
    assert timeline == {"deliveries": [], "notes": [], "ordered": []}
    assert await audit(site) == []


@pytest.mark.parametrize(("forged", "order", "said"), [
    (False, "resolve", "resolved by hand: rolled back"), (True, "forged", "closed as forged: rolled back"),
])  # fmt: skip
async def test_it_is_over_once_the_watcher_looked(
    site: Site, forged: bool, order: str, said: str
) -> None:
    await fire(site)
    body = {"forged": forged, "note": "rolled back"}
    told = await site.call("POST", f"{V1}/alerts/a1/resolve", body)
    assert told.json["state"] == "firing"
    assert [one["what"] for one in told.json["timeline"]["ordered"]] == [order]
    assert [row["note"] for row in told.json["timeline"]["notes"]] == [said]
    await site.call("POST", f"{V1}/alerts/a1/resolve", {"forged": not forged})
    assert await orders(site) == [("a1", order)]  # the first word counts
    (line,) = await audit(site)
    assert line == ("alert.resolved", "a1", {**body, "host": "api.example.com"})
    await fire(site, state=State.RESOLVED)
    for what in ("acknowledge", "resolve"):
        answer = await site.call("POST", f"{V1}/alerts/a1/{what}", {})
        assert (answer.status, "was resolved at" in answer.json["detail"]) == (409, True)
    assert (await site.call("POST", f"{V1}/alerts/a1/note", {"note": "n"})).status == 200


async def test_what_people_said_outlives_what_the_watcher_writes(site: Site) -> None:
    made = await fire(site)
    await site.call("POST", f"{V1}/alerts/a1/acknowledge", {})
    await site.call("POST", f"{V1}/alerts/a1/silence", {"until": LATER})
    await site.call("POST", f"{V1}/alerts/a1/note", {"note": "  ask the CDN  "})
    await fire(site, summary="more of it")
    told = (await site.call("GET", f"{V1}/alerts/a1")).json
    assert (told["summary"], told["acknowledged"]["by"]) == ("more of it", "this machine")
    assert (told["silenced_until"], told["host"]) == (LATER, made.host)
    assert told["timeline"]["notes"][-1] == {
        "at": "2026-11-20T12:00:00Z", "who": "this machine", "note": "ask the CDN",
    }  # fmt: skip


async def test_a_change_and_its_order_are_one_transaction(site: Site) -> None:
    await fire(site)
    await site.pool.execute("ALTER TABLE alert_order ADD CHECK (what <> 'acknowledge')")
    assert (await site.call("POST", f"{V1}/alerts/a1/acknowledge", {})).status >= 400
    assert (await site.call("GET", f"{V1}/alerts/a1")).json["acknowledged"] is None
    assert await audit(site) == []


async def test_a_silence_matches_what_fires_and_what_is_to_come(site: Site) -> None:
    await site.call("POST", f"{V1}/projects", {"name": "bank", "hosts": []})
    await fire(site, id="a")
    await fire(site, id="b", host="b.example.com", kind="wrong_pins")
    await fire(site, id="c", host="example.com")
    await fire(site, id="d", host="api.other.example")
    await fire(site, id="e", project="bank")
    wanted = {"host": "*.Example.com", "project": "default", "until": LATER, "note": "move"}
    made = await site.call("POST", f"{V1}/silences", wanted)
    assert made.status == 201, made.json
    assert made.json["alerts"] == ["a", "b"]
    assert (made.json["host"], made.json["kind"]) == ("*.example.com", None)
    listed = (await site.call("GET", f"{V1}/silences")).json["silences"]
    assert [{**one, "alerts": ["a", "b"]} for one in listed] == [made.json]
    silenced = {
        one["id"]: one["silenced_until"]
        for one in (await site.call("GET", f"{V1}/alerts")).json["alerts"]
    }
    assert silenced == {"a": LATER, "b": LATER, "c": None, "d": None, "e": None}
    assert await orders(site) == [("a", "silence"), ("b", "silence")]
    project = await site.pool.fetchval("SELECT id FROM project WHERE name = 'default'")
    async with site.pool.acquire() as connection:  # as the watcher asks
        what = Silence(project, "*.example.com", None, NOON + 2 * HOUR)
        assert await silences.active(connection, NOON) == [what]
        assert await silences.active(connection, NOON + 2 * HOUR) == []


async def test_an_alert_that_opens_under_a_silence_is_silenced_and_can_be_heard_again(
    site: Site,
) -> None:
    made = (
        await site.call("POST", f"{V1}/silences", {"host": "*.example.com", "until": LATER})
    ).json
    assert made["alerts"] == []
    await fire(site, silenced_until=NOON + 2 * HOUR)
    await fire(site, id="b", host="b.example.com", state=State.RESOLVED)
    await fire(site, id="b", host="b.example.com", silenced_until=NOON + 2 * HOUR)  # open again
    told = (await site.call("GET", f"{V1}/alerts")).json["alerts"]
    assert [one["silenced_until"] for one in told] == [LATER, LATER]
    gone = (await site.call("DELETE", f"{V1}/silences/{made['id']}")).json
    assert gone["alerts"] == ["a1", "b"]
    await fire(site, silenced_until=NOON + 2 * HOUR)  # by a watcher that has not taken it in yet
    told = (await site.call("GET", f"{V1}/alerts")).json["alerts"]
    assert [one["silenced_until"] for one in told] == [None, None]


async def test_a_silence_that_ends_leaves_what_others_silence(site: Site, clock: Clock) -> None:
    await fire(site, id="a")
    await fire(site, id="b", host="b.example.com")
    await fire(site, id="c", host="c.example.com")
    await site.call("POST", f"{V1}/alerts/c/silence", {"until": "2026-11-20T18:00:00Z"})
    short = {"kind": "pin_failure_spike", "until": "2026-11-20T13:00:00Z"}
    await site.call("POST", f"{V1}/silences", {**short, "kind": None, "host": "b.example.com"})
    made = (await site.call("POST", f"{V1}/silences", {**short, "until": LATER})).json
    assert made["alerts"] == ["a", "b"]  # c is silenced for longer
    gone = await site.call("DELETE", f"{V1}/silences/{made['id']}")
    assert (gone.status, gone.json["alerts"]) == (200, ["a", "b"])
    async with site.pool.acquire() as connection:
        until = [(await alerts.one(connection, id_)).silenced_until for id_ in "abc"]
    assert until == [None, NOON + HOUR, NOON + 6 * HOUR]
    assert (await site.call("DELETE", f"{V1}/silences/{made['id']}")).status == 404
    assert [line[0] for line in await audit(site)] == [
        "alert.silenced", "silence.added", "silence.added", "silence.removed",
    ]  # fmt: skip
    clock.now = NOON + HOUR
    (left,) = (await site.call("GET", f"{V1}/silences")).json["silences"]
    assert (left["alert"], left["created_by"]) == ("c", "this machine")
    told = (await site.call("GET", f"{V1}/silences?state=all")).json["silences"]
    assert [(one["host"], one["ended_by"]) for one in told] == [
        ("c.example.com", None), ("b.example.com", None), (None, "this machine"),
    ]  # fmt: skip


@pytest.mark.parametrize(("body", "words"), [
    ({"until": LATER}, "say project, host or kind"),
    ({"host": "a.example"}, "until: is missing"),
    ({"host": "*.com", "until": LATER}, "host: '*.com'"),
    ({"host": ["a"], "until": LATER}, "host: should be a text"),
    ({"kind": "all", "until": LATER}, "kind: should be one of pin_failure_spike"),
    ({"kind": ["x"], "until": LATER}, "kind: should be one of"),
    ({"host": "a.example", "until": "2026-11-20T12:00:00Z"}, "until: should lie ahead"),
])  # fmt: skip
async def test_no_such_silence(site: Site, body: object, words: str) -> None:
    answer = await site.call("POST", f"{V1}/silences", body)
    assert answer.status == 400
    assert words in answer.json["detail"]
    assert (await site.call("GET", f"{V1}/silences")).json == {"silences": []}


async def test_silences_are_not_without_number(site: Site, clock: Clock) -> None:
    assert (
        await site.call("POST", f"{V1}/silences", {"project": "nobody", "until": LATER})
    ).status == 404
    await site.pool.execute(
        "INSERT INTO silence (host, until, created_at, created_by)"
        " SELECT 'a.example', $1, $2, 'me' FROM generate_series(1, $3)",
        NOON + HOUR, NOON, silences.MOST,
    )  # fmt: skip
    wanted = {"host": "b.example", "until": LATER}
    assert (await site.call("POST", f"{V1}/silences", wanted)).status == 409
    clock.now = NOON + timedelta(days=32)
    later = {**wanted, "until": "2026-12-25T00:00:00Z"}
    assert (await site.call("POST", f"{V1}/silences", later)).status == 201
    assert await site.pool.fetchval("SELECT count(*) FROM silence") == 1  # the old ones are gone


async def test_what_is_gone_with_its_project(site: Site) -> None:
    await fire(site)
    await site.call("POST", f"{V1}/silences", {"project": "default", "until": LATER})
    assert (await site.call("DELETE", f"{V1}/projects/default")).status == 200
    assert (await site.call("GET", f"{V1}/alerts")).json == {"alerts": []}
    assert (await site.call("GET", f"{V1}/silences")).json == {"silences": []}
