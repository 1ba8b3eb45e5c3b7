"""The registry of pin sets as people see it, and files that they import by a form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import NOON, neutral
from tests.pins.samples import ONE, SAMPLES, TWO, own_set
from tests.web.a_page import ATTACK, fill, visit
from tests.web.conftest import Site

FIRST = "the first operator's own token"
V1 = "/api/v1"


async def register(site: Site, *sets: dict[str, Any]) -> None:
    answer = await site.call("POST", f"{V1}/pin-sets", {"project": "default", "sets": list(sets)})
    assert answer.status == 201, answer.json


async def test_an_empty_page_says_what_to_do(site: Site) -> None:
    page = await visit(site, "/pins")
    for text in (
        "No pin set is registered",
        "pinfall pins import",
        "No version was counted",
        "Nothing yet",
    ):
        assert text in page.text
    assert page.current == ["/pins"]


@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_format_as_a_file(site: Site, sample: str) -> None:
    page = await fill(site, "/pins", "/pins", project="default", file=SAMPLES[sample], text="")
    assert page.status == 200, page.text
    assert "Imported into default" in page.text
    assert (await site.call("GET", f"{V1}/pin-sets")).json["pin_sets"]


@pytest.mark.parametrize("files", [False, True])
async def test_text_is_pasted(site: Site, files: bool) -> None:
    page = await visit(site, "/pins")
    form = {
        "form_token": page.fields["form_token"], "project": "default", "text": SAMPLES["pinfall"].decode(),
        "app": "com.example.wallet", "platform": "ios", "version_from": "8.0", "version_to": "8.24",
        "starts": "2026-11-01T00:00",
    }  # fmt: skip
    for result in ("new", "was known already"):
        page = await visit(site, "/pins", form, files=files)
        assert result in page.text
    assert "com.example.wallet IOS 8.0 to 8.24" in page.text
    rows = (await site.call("GET", f"{V1}/pin-sets")).json["pin_sets"]
    assert {(row["source"], row["starts"]) for row in rows} == {("pasted", "2026-11-01T00:00:00Z")}
    audit = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [line["action"] for line in audit] == ["pins.imported"]


@pytest.mark.parametrize(("fields", "words"), [
    ({}, "choose a file, or paste its text"),
    ({"file": b"x", "text": "y"}, "not both"),
    ({"file": b""}, "pins.json: is empty"),
    ({"text": "nothing"}, "pasted: is no file with pins"),
    ({"text": ATTACK}, "is no file with pins"),
    ({"file": b"\x00\xff" * 1000}, "pins.json: is neither text nor"),
    ({"text": "x", "project": "nobody"}, "no file with pins"),
    ({"text": "x", "project": ""}, "project: should be a text"),
    ({"text": "x", "version_from": "9", "version_to": "8"}, "comes after"),
    ({"text": "x", "platform": "moon"}, "platform: 'moon'"),
    ({"text": "x", "starts": "soon"}, "starts: should be a time"),
    ({"text": "x", "app": ATTACK}, "app: should be"),
])  # fmt: skip
async def test_mistakes_are_told_and_change_nothing(
    site: Site, fields: dict[str, Any], words: str
) -> None:
    shown = {k: v for k, v in fields.items() if not isinstance(v, str) or "\u202e" not in v}
    page = await visit(site, "/pins")
    form = {"form_token": page.fields["form_token"], "project": "default", **fields}
    if shown != fields:  # what was typed comes back in its field, and there alone
        async with site.session.post(
            site.operator + "/pins", data=form, headers={"Origin": site.operator}
        ) as response:
            text = await response.text()
        assert response.status == 400
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
    else:
        page = await visit(site, "/pins", form, files="file" in fields)
        assert page.status == 400
        assert words in page.alert
        assert page.fields["app"] == fields.get("app", "")
    assert (await site.call("GET", f"{V1}/pin-sets")).json["pin_sets"] == []


async def test_no_such_project(site: Site) -> None:
    page = await fill(site, "/pins", "/pins", project="nobody", file=SAMPLES["pinfall"])
    assert (page.status, "there is no project 'nobody'" in page.text) == (400, True)
    for wrong in ("?project=nobody", "?host=a%20b", "?x=1"):
        assert (await visit(site, f"/pins{wrong}")).status in (400, 404)


async def test_findings_and_a_verdict(site: Site) -> None:
    await register(site, own_set(pins=[f"sha256/{ONE}"], app="com.example.wallet"))
    page = await visit(site, "/pins?host=api.example.com")
    for text in (
        "single_pin",
        "error",
        "com.example.wallet",
        "Not enough is known.",
        f"sha256/{ONE}",
    ):
        assert text in page.text
    other = await visit(site, "/pins?app=nobody")
    assert "No pin set is registered that fits" in other.text
    assert "single_pin" not in other.text


async def test_what_reports_agree_on_is_marked(site: Site) -> None:
    await site.pool.execute(
        """
        INSERT INTO learned_pin_set SELECT id, 'api.example.com', $2, '8.24.1', 'IOS', $1, 20, 10,
            '2026-11-18T12:00:00Z', '2026-11-20T12:00:00Z' FROM project
        """,
        [f"sha256/{ONE}", f"sha256/{TWO}"], ATTACK,
    )  # fmt: skip
    page = await visit(site, "/pins")
    assert "They inform only" in page.text
    assert "<script>alert(1)</script>" in page.text
    assert f"sha256/{ONE}" in page.text
    assert "No pin set is registered" in page.text
    assert any(link.startswith("/api/v1/violations?") for link in page.links)


async def test_versions_have_a_curve_where_it_is_known(site: Site) -> None:
    rows = [
        {"day": f"2026-11-{day}", "app": "wallet", "platform": "ios", "version": version, "uses": uses}
        for day, old in ((17, 4000), (18, 2000), (19, 1000))
        for version, uses in (("1.0", old), ("2.0" + ATTACK[:40], 10_000 - old))
    ]  # fmt: skip
    await site.call("POST", f"{V1}/adoption", {"project": "default", "rows": rows[:1]})
    page = await visit(site, "/pins")
    assert "No forecast" in page.text
    assert "svg" not in page.tags
    answer = await site.call("POST", f"{V1}/adoption", {"project": "default", "rows": rows})
    assert answer.status == 200
    page = await visit(site, "/pins")
    assert page.tags.count("svg") == 1
    for text in ("10,000 uses, as imported, on 2026-11-19", "10.00 %", "about 5 %", "<script>"):
        assert text in page.text


async def test_whether_it_may_be_enforced(site: Site, clock: Clock) -> None:
    page = await visit(site, "/pins")
    assert "Choose a host above. What its clients only reported" in page.text
    await register(site, own_set(app="com.example.old", platform="ios", version_to="7.0"))
    clock.now = NOON - timedelta(days=2)
    for number in range(6):
        sent = neutral(event_id=f"e{number}", enforced=False)
        assert (await site.post(sent, address=f"198.51.{number}.1")).json["accepted"] == 1
    clock.now = NOON
    await site.collector.tick("fold")
    chosen = "/pins?project=default&host=api.example.com"
    page = await visit(site, chosen)
    for text in ("Nobody can tell", "6 reports in 7 days have no known cause", "would have blocked, in 30 days",
                 "Reports that enforcing would have blocked: 6 in all", "Nobody counted connections that worked",
                 "com.example.old IOS first to 7.0", "pinfall readiness api.example.com"):  # fmt: skip
        assert text in page.text, text
    await site.pool.execute('UPDATE signature SET cause = \'{"label": "own_rotation"}\'')
    page = await visit(site, chosen)
    for text in ("Not ready", "our own faults would have blocked 6 reports", "own rotation"):
        assert text in page.text, text
    assert "/hosts/default/api.example.com?days=30#signatures" in page.links
    assert "Choose" not in page.text


async def test_a_page_of_many_stays_small(site: Site) -> None:
    long = ".".join(["a" * 60] * 3) + ".example.com"
    sets = [
        own_set(host=f"h{n}.{long}", app="a" * 60 + str(n), version_from="1", version_to=str(n + 2),
                pins=[f"sha256/{ONE}"], expires="2026-11-22")
        for n in range(60)
    ]  # fmt: skip
    await register(site, *sets)
    await site.pool.execute(
        """
        INSERT INTO learned_pin_set SELECT id, $3 || n, $2, '8.24.1', 'IOS', $1, 20, 10,
            '2026-11-18T12:00:00Z', '2026-11-20T12:00:00Z' FROM project, generate_series(1, 50) AS n
        """,
        [f"sha256/{ONE}", f"sha256/{TWO}"], "a" * 60, long,
    )  # fmt: skip
    page = await visit(site, "/pins")
    assert "There are more: all of them, as JSON" in page.text
    page = await visit(site, f"/pins?project=default&host=h1.{long}")
    assert "Is pinning worth it?" in page.text
    sets = [
        own_set(host=f"h1.{long}", app="b" * 90 + str(n), version_from="1" * 60, pins=[f"sha256/{ONE}"])
        for n in range(60)
    ]  # fmt: skip
    await register(site, *sets)
    page = await visit(site, f"/pins?project=default&host=h1.{long}")
    assert "and 41 more: pinfall readiness" in page.text


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_who_may_import(site: Site, chosen: dict[str, Any]) -> None:
    viewer = await site.token("viewer", "viewer", by=FIRST)
    page = await visit(site, "/pins", token=viewer)
    assert "Your token reads" in page.text
    assert "file" not in page.fields
    pipeline = await site.token("ci", "pipeline", by=FIRST)
    good = {"project": "default", "file": SAMPLES["pinfall"]}
    for token, form_token in ((viewer, ""), (pipeline, ""), (pipeline, "0" * 64)):
        form = {"form_token": form_token, **good}
        assert (await visit(site, "/pins", form, token=token, files=True)).status == 403
    page = await fill(site, "/pins", "/pins", pipeline, **good)
    assert "Imported into default" in page.text


@pytest.mark.parametrize(("kind", "data"), [
    ("multipart/form-data", b"--x"), ("multipart/form-data; boundary=x", b"--x\r\n\r\ncut"),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", b"--x\r\nbad header\r\n\r\na\r\n--x--\r\n"),
    ("multipart/form-data; boundary=x", b"no part at all"),
    ("multipart/form-data; boundary=x", (b"--x\r\nContent-Disposition: form-data; name=a\r\n"
     b"Content-Transfer-Encoding: moon\r\n\r\na\r\n--x--\r\n")),
    ("multipart/form-data; boundary=x", b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--"),
    ("application/json", b"{}"),
])  # fmt: skip
async def test_odd_uploads_are_no_crash(site: Site, kind: str, data: bytes) -> None:
    headers = {"Content-Type": kind, "Origin": site.operator}
    async with site.session.post(f"{site.operator}/pins", data=data, headers=headers) as response:
        assert response.status in (400, 403)


async def test_uploads_are_taken_nowhere_else(site: Site) -> None:
    page = await visit(site, "/rotations")
    form = {"form_token": page.fields["form_token"], "host": "a.example.com"}
    assert (await visit(site, "/rotations", form, files=True)).status == 415


async def test_a_file_that_is_too_large(site: Site) -> None:
    page = await fill(site, "/pins", "/pins", project="default", file=b"x" * 2_000_000)
    assert page.status == 413
