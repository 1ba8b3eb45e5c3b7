"""Preflight as people ask it: the same answer as of the API."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.make import chain, issue, name
from tests.pins.samples import own_set
from tests.web.a_page import ATTACK, fill, visit
from tests.web.conftest import Site

FIRST = "the first operator's own token"
V1 = "/api/v1"
HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
BACKUP = issue("backup.example")
PEM = LEAF.pem + INTERMEDIATE.pem


async def register(site: Site, *sets: dict[str, Any], token: str | None = None) -> None:
    answer = await site.call(
        "POST", f"{V1}/pin-sets", {"project": "default", "sets": list(sets)}, token=token
    )
    assert answer.status == 201, answer.json


def pinned(key: Any, **more: Any) -> dict[str, Any]:
    return own_set(pins=[f"sha256/{key.pin}"], **more)


async def test_an_empty_page_and_nothing_registered(site: Site) -> None:
    page = await visit(site, "/preflight")
    assert "Who breaks if this is served?" in page.text
    assert page.current == ["/preflight"]
    page = await fill(site, "/preflight", "/preflight", host=HOST, project="default", chain=PEM)
    for text in (
        "Not known if api.example.com serves this chain",
        "would exit 3",
        "No share is known",
        LEAF.pin,
    ):
        assert text in page.text, text
    assert (await site.call("GET", f"{V1}/audit")).json["audit"] == []


async def test_who_breaks_and_who_accepts(site: Site) -> None:
    wallet = {"app": "com.example.wallet", "platform": "android"}
    await register(
        site,
        pinned(BACKUP, version_from="1.0", version_to="1.0", **wallet),
        pinned(INTERMEDIATE, version_from="2.0", version_to="2.0", **wallet),
    )
    rows = [
        {"day": f"2026-11-{day}", **wallet, "version": version, "uses": uses}
        for day, old in ((17, 4000), (18, 2000), (19, 1000))
        for version, uses in (("1.0", old), ("2.0", 8_000 - old), ("2.1", 2_000))
    ]
    await site.call("POST", f"{V1}/adoption", {"project": "default", "rows": rows})
    page = await fill(site, "/preflight", "/preflight", host=HOST, project="default", chain=PEM)
    asked = {"host": HOST, "project": "default", "chain": PEM}
    told = (await site.call("POST", f"{V1}/preflight", asked)).json
    assert "Somebody breaks if" in page.text
    assert told["verdict"].capitalize() in page.text
    for outcome in ("breaks", "unknown", "pinning_off", "accepts"):
        for share in told["totals"][outcome].values():
            assert share in page.text
    for step in told["steps"]:
        assert step in page.text
    for part in told["parts"]:
        assert part["reason"] in page.text
        for held in part["held"]:
            assert held["pin"] in page.text
    assert "10.00 %" in page.text
    assert f"sha256/{BACKUP.pin}" in page.text


async def test_nobody_breaks_at_another_time(site: Site) -> None:
    await register(site, pinned(BACKUP, expires="2026-12-01"))
    for at, words in (("", "Somebody breaks"), ("2026-12-02T00:00", "Nobody breaks")):
        page = await fill(
            site, "/preflight", "/preflight", host=HOST, project="default", chain=PEM, at=at
        )
        assert words in page.text
    assert "At 2026-12-02 00:00:00 UTC" in page.text


async def test_a_request_is_judged_by_its_key(site: Site) -> None:
    await register(site, pinned(BACKUP))
    made = x509.CertificateSigningRequestBuilder().subject_name(name(HOST))
    csr = made.sign(BACKUP.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
    page = await fill(site, "/preflight", "/preflight", host=HOST, project="default", chain=csr)
    assert "Nobody breaks" in page.text
    page = await fill(
        site, "/preflight", "/preflight", host=HOST, project="default", chain=csr, issuer=INTERMEDIATE.pem
    )  # fmt: skip
    assert "CN=Pinfall Test Intermediate" in page.text


@pytest.mark.parametrize(("fields", "words"), [
    ({"host": ""}, "host: is missing"),
    ({"chain": ""}, "chain: is missing"),
    ({"host": "a b"}, "host: 'a b'"),
    ({"chain": "x"}, "chain: "),
    ({"issuer": "x"}, "issuer: "),
    ({"at": "soon"}, "at: should be a time"),
    ({"project": "nobody"}, "there is no project 'nobody'"),
    ({"project": "a/b"}, "cannot stand in a URL"),
])  # fmt: skip
async def test_mistakes_are_told_and_what_was_typed_stays(
    site: Site, fields: dict[str, str], words: str
) -> None:
    form = {"host": HOST, "project": "default", "chain": PEM, **fields}
    page = await fill(site, "/preflight", "/preflight", **form)
    assert page.status == 400
    assert words in page.alert
    assert page.fields["host"] == form["host"]
    if form["chain"] == PEM:
        assert LEAF.pem in page.text


@pytest.mark.parametrize("field", ["host", "project", "chain", "issuer", "at", "app"])
async def test_what_is_typed_is_text(site: Site, field: str) -> None:
    page = await visit(site, "/preflight")
    form = {
        "form_token": page.fields["form_token"],
        "host": HOST,
        "project": "default",
        "chain": PEM,
    }
    form[field] = ATTACK
    async with site.session.post(
        site.operator + "/preflight", data=form, headers={"Origin": site.operator}
    ) as response:
        text = await response.text()
    assert response.status == 400
    assert "<script>" not in text
    assert "<img" not in text


async def test_names_in_certificates_and_pin_sets_are_text(site: Site) -> None:
    odd = issue("<script>alert(1)</script>\u202e", sans=(HOST,))
    await register(site, pinned(odd, app="<script>alert(2)</script>"))
    page = await fill(site, "/preflight", "/preflight", host=HOST, project="default", chain=odd.pem)
    assert "script" in page.text.partition("leaf")[2]
    assert "<script>alert(2)</script>" in page.text


async def test_a_page_of_many_stays_small(site: Site) -> None:
    sets = [
        pinned(BACKUP, app="a" * 60 + str(n), platform="ios", version_from="1.0", version_to=str(n + 2))
        for n in range(100)
    ]  # fmt: skip
    await register(site, *sets)
    page = await fill(site, "/preflight", "/preflight", host=HOST, project="default", chain=PEM)
    assert "And 60 more" in page.text


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_who_may_ask(site: Site, chosen: dict[str, Any]) -> None:
    viewer = await site.token("viewer", "viewer", by=FIRST)
    page = await visit(site, "/preflight", token=viewer)
    assert "Your token reads" in page.text
    assert "host" not in page.fields
    pipeline = await site.token("ci", "pipeline", by=FIRST)
    form = {"host": HOST, "project": "default", "chain": PEM, "form_token": "0" * 64}
    for token in (viewer, pipeline):
        assert (await visit(site, "/preflight", form, token=token)).status == 403
    del form["form_token"]
    page = await fill(site, "/preflight", "/preflight", pipeline, **form)
    assert "would exit 3" in page.text
