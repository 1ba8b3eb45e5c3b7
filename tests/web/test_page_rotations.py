"""Rotations as people see and declare them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from collector.detect.probed import Answer, Asked, ProbeState
from collector.reports.certificates import certificate_from_der
from collector.store import served
from tests.make import NOON, chain, issue
from tests.pins.samples import own_set
from tests.web.a_page import ATTACK, fill, visit
from tests.web.conftest import Site

FIRST = "the first operator's own token"
HOST = "api.example.com"
with_token = pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])


async def register(site: Site, host: str = HOST, token: str | None = None) -> None:
    answer = await site.call(
        "POST", "/api/v1/hosts", {"project": "default", "host": host}, token=token
    )
    assert answer.status == 201


async def test_an_empty_page_says_what_to_do(site: Site) -> None:
    page = await visit(site, "/rotations")
    assert "Nothing is known to change or to end" in page.text
    assert "No rotation is known" in page.text
    assert page.current == ["/rotations"]


async def test_a_rotation_is_declared_by_a_form_and_ended(site: Site) -> None:
    await register(site)
    leaf, intermediate, _ = chain()
    page = await fill(
        site, "/rotations", "/rotations", host="API.example.com", project="", at="2026-11-30T08:00",
        chain=leaf.pem + intermediate.pem, note="ticket 5",
    )  # fmt: skip
    assert page.status == 200
    assert "declared by this machine for 2026-11-30 08:00:00 UTC" in page.text
    for text in (leaf.pin, "ticket 5", "planned", "Week of 2026-11-30", "CN=api.example.com"):
        assert text in page.text
    (told,) = (await site.call("GET", "/api/v1/rotations")).json["rotations"]
    assert (told["planned_at"], told["project"]) == ("2026-11-30T08:00:00Z", "default")
    page = await fill(site, "/rotations", f"/rotations/{told['id']}/end")
    assert "ended 2026-11-20 12:00:00 UTC" in page.text
    assert "Week of" not in page.text
    audit = (await site.call("GET", "/api/v1/audit")).json["audit"]
    assert [line["action"] for line in audit[:2]] == ["rotation.ended", "rotation.declared"]


@pytest.mark.parametrize(("fields", "words"), [
    ({"host": ""}, "host: is missing"),
    ({"host": "nobody.example"}, "no project has the host 'nobody.example'"),
    ({"host": HOST, "at": "yesterday"}, "at: should be a time with its zone"),
    ({"host": HOST, "at": "2036-01-01T00:00"}, "at: should be within"),
    ({"host": HOST, "chain": "x" * 60_001}, "chain: should be PEM"),
    ({"host": HOST, "chain": "no PEM"}, "is no certificate in PEM"),
    ({"host": HOST, "note": "n" * 301}, "note: should be at most 300"),
    ({"host": HOST, "project": "nobody"}, "there is no project 'nobody'"),
    ({"host": ATTACK}, "host:"),
    ({"host": HOST, "note": ATTACK}, "note:"),
])  # fmt: skip
async def test_mistakes_are_told_and_what_was_typed_stays(
    site: Site, fields: dict[str, str], words: str
) -> None:
    await register(site)
    shown = {name: value for name, value in fields.items() if "\u202e" not in value}
    page = await fill(site, "/rotations", "/rotations", **fields)
    assert page.status in (400, 404)
    assert words in page.alert
    assert "form_token" in page.fields
    for name in ("host", "note"):
        if name in shown:
            assert page.fields[name] == shown[name]
    assert (await site.call("GET", "/api/v1/rotations")).json["rotations"] == []


async def test_the_calendar_has_rotations_certificates_and_pin_sets(site: Site) -> None:
    await register(site)
    leaf, intermediate, _ = chain()
    ended = issue("old.example.com", sans=("old.example.com",), start=NOON - timedelta(days=91))
    async with site.pool.acquire() as connection:
        for host, certificates in ((HOST, (leaf, intermediate)), ("old.example.com", (ended,))):
            told = tuple(certificate_from_der(c.der) for c in certificates)
            id_ = await served.keep(connection, host, 443, told, problem=None, at=NOON)
            answer = Answer("192.0.2.1", Asked.TLS13, ProbeState.SERVED, "", told)
            await served.keep_states(
                connection, host, 443, "here", [(answer, id_)], NOON, resolved=True
            )
    await site.call(
        "POST", "/api/v1/pin-sets",
        {"project": "default", "sets": [own_set(expires="2027-01-15", app="com.example.wallet")]},
    )  # fmt: skip
    page = await visit(site, "/rotations")
    for text in (
        "Over already", "old.example.com", "served leaf ends", "pins of com.example.wallet", "2027-01-15 00:00:00 UTC",
        "Week of 2027-01-11", f"{leaf.certificate.not_valid_after_utc:%Y-%m-%d}",
    ):  # fmt: skip
        assert text in page.text, text
    assert page.tags.count("circle") == 2  # the intermediate ends later than that
    page = await visit(site, "/rotations?host=old.example.com")
    assert "2027-01-15" not in page.text


async def test_what_others_say_is_text(site: Site) -> None:
    await register(site)
    await site.pool.execute(
        """
        INSERT INTO rotation (project, host, at, state, planned_at, declared_at, declared_by, old_leaves,
            new_leaves, ders, note, state_at)
        SELECT id, $1, $2, 'planned', $2, $3, $4, '{}', '{}', '{}', $4, $3 FROM project
        """,
        HOST, NOON + timedelta(days=3), NOON, ATTACK,
    )  # fmt: skip
    page = await visit(site, "/rotations")
    assert "<script>alert(1)</script>" in page.text
    assert "\\u202e" in page.text


@with_token
async def test_who_may_declare(site: Site, chosen: dict[str, Any]) -> None:
    await register(site, token=FIRST)
    viewer = await site.token("viewer", "viewer", by=FIRST)
    page = await visit(site, "/rotations", token=viewer)
    assert "Your token reads" in page.text
    assert "host" not in page.fields
    form = {"form_token": "", "host": HOST}
    assert (await visit(site, "/rotations", form, token=viewer)).status == 403
    pipeline = await site.token("ci", "pipeline", by=FIRST)
    assert (await visit(site, "/rotations", form, token=pipeline)).status == 403
    page = await fill(site, "/rotations", "/rotations", pipeline, host=HOST)
    assert "declared by ci" in page.text


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}]
)
async def test_a_form_of_another_site(site: Site, headers: dict[str, Any]) -> None:
    await register(site)
    page = await visit(site, "/rotations")
    form = {"form_token": page.fields["form_token"], "host": HOST}
    assert (await visit(site, "/rotations", form, **headers)).status == 403


async def test_filters(site: Site) -> None:
    for wrong in ("?host=a%20b", "?project=nobody", "?x=1"):
        assert (await visit(site, f"/rotations{wrong}")).status in (400, 404)


async def test_a_page_of_many_stays_small(site: Site) -> None:
    await register(site)
    for n in range(100):
        await site.pool.execute(
            """
            INSERT INTO rotation (host, at, state, planned_at, declared_at, declared_by, old_leaves, new_leaves,
                ders, note, state_at)
            VALUES ($1, $2, 'planned', $2, $3, 'somebody', '{}', $4, '{}', $5, $3)
            """,
            HOST, NOON + timedelta(days=n), NOON, [bytes(32)] * 8, "n" * 300,
        )  # fmt: skip
    page = await visit(site, "/rotations")
    assert "all of them, as JSON" in page.text
