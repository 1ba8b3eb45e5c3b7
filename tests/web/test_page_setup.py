"""From a key to the first report: snippets, a test report, and what the page shows of it."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from collector.store import hosts, projects
from tests.conftest import Clock
from tests.make import NOON, neutral, trustkit_ios
from tests.tools import needs
from tests.web.a_page import ATTACK, Page, fill, visit
from tests.web.conftest import Site

FIRST = "the first operator's own token"
V1 = "/api/v1"
with_token = pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])


def curl(page: Page) -> str:
    """The line that people paste into a shell."""
    start = page.text.index("curl -sS")
    return page.text[start : page.text.index("\nEND\n", start) + 5]


async def test_snippets_have_the_key(site: Site) -> None:
    page = await visit(site, "/setup")
    assert page.text.count(f"{site.public}/r/{site.key}") == 4
    for text in (
        "kTSKReportUris",
        "<report-uri>",
        "PinfallReporter.to",
        "curl -sS",
        "PINFALL_PUBLIC_URL",
    ):
        assert text in page.text
    assert page.current == ["/setup"]


async def test_the_curl_line_works(site: Site, tmp_path: Path) -> None:
    needs("curl")
    page = await visit(site, "/setup")
    script = tmp_path / "try.sh"
    script.write_text(curl(page))
    ran = await asyncio.to_thread(
        subprocess.run, ["sh", str(script)], capture_output=True, text=True, timeout=30, check=True
    )
    assert '"accepted":1' in ran.stdout, (ran.stdout, ran.stderr)


async def test_snippets_of_another_key(site: Site) -> None:
    made = (
        await site.call("POST", f"{V1}/keys", {"project": "default", "app": "gw", "trusted": True})
    ).json
    assert made["key"] not in curl(await visit(site, "/setup"))  # apps first
    page = await visit(site, f"/setup?for={made['key'][:6]}")
    assert made["key"] in curl(page)
    await site.call("POST", f"{V1}/keys/{made['key']}/disable", {})
    assert site.key in curl(await visit(site, f"/setup?for={made['key'][:6]}"))
    await site.call("POST", f"{V1}/keys/{site.key}/disable", {})
    page = await visit(site, "/setup")
    assert "Make a key first" in page.text
    assert "Send a test report" not in page.text


@with_token
async def test_others_see_no_key(site: Site, chosen: dict[str, Any]) -> None:
    viewer = await site.token("viewer", "viewer", by=FIRST)
    page = await visit(site, "/setup", token=viewer)
    assert f"/r/{site.key[:6]}…" in curl(page)
    assert site.key not in curl(page)
    assert "Send a test report" not in page.text
    pipeline = await site.token("ci", "pipeline", by=FIRST)
    for token in (viewer, pipeline):
        form = {
            "form_token": page.fields.get("form_token", ""),
            "key": site.key,
            "host": "a.example",
        }
        assert (await visit(site, "/setup/test", form, token=token)).status == 403
    form = {"form_token": "0" * 64, "key": site.key, "host": "a.example"}
    assert (await visit(site, "/setup/test", form, token=FIRST)).status == 403
    page = await fill(site, "/setup", "/setup/test", FIRST, key=site.key, host="a.example")
    assert "It arrived" in page.text
    assert (await visit(site, "/setup/watch", token=viewer)).status == 200


async def test_a_test_report_arrives_and_is_not_counted(site: Site) -> None:
    before = (await site.ledger()).get("default", {}).get("accepted", 0)
    page = await fill(site, "/setup", "/setup/test", key=site.key, host="API.example.com")
    assert page.refresh is None
    for text in (
        "It arrived",
        "api.example.com",
        "marked as test traffic",
        "test_report",
        "A test report from",
    ):
        assert text in page.text, text
    signature = next(link for link in page.links if link.startswith("/signatures/"))
    assert (await visit(site, signature)).status == 200
    assert (await site.ledger())["default"][
        "accepted"
    ] == before + 1  # of what came in, all is told
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 0
    rows = await site.pool.fetch("SELECT test, environment, app_key FROM violation")
    assert [tuple(row) for row in rows] == [(True, "production", "wallet")]
    again = await fill(site, "/setup", "/setup/test", key=site.key, host="api.example.com")
    assert "It arrived" in again.text
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 2


@pytest.mark.parametrize(("fields", "words"), [
    ({"key": "nobody"}, "there is no such key in use"),
    ({"key": ""}, "there is no such key in use"),
    ({"key": "k" * 5000}, "there is no such key in use"),
    ({"host": "a b"}, "host: 'a b'"),
    ({"host": ATTACK}, "host: "),
    ({"key": ATTACK}, "there is no such key in use"),
])  # fmt: skip
async def test_mistakes_are_told(site: Site, fields: dict[str, str], words: str) -> None:
    form = {"key": site.key, "host": "api.example.com", **fields}
    page = await fill(site, "/setup", "/setup/test", **form)
    assert page.status == 400
    assert words in page.alert
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 0


async def test_waiting_for_the_first_report(site: Site, clock: Clock) -> None:
    page = await visit(site, "/setup/watch")
    looks, waited, stop = 1, 0, ""
    while page.refresh:
        assert "Waiting for a report" in page.text
        seconds, _, after = page.refresh.partition("; url=")
        assert seconds == ("2" if looks <= 10 else "10")
        waited += int(seconds)
        stop = page.links[page.links.index(after) + 1]
        page = await visit(site, after)
        looks += 1
        assert looks <= 40
    assert waited >= 300
    assert "Nothing came" in page.text
    stopped = await visit(site, stop)
    assert (stopped.refresh, "Nothing came" in stopped.text) == (None, True)
    page = await visit(site, "/setup/watch")
    assert page.refresh
    after = page.refresh.partition("; url=")[2]
    await site.post(neutral(), address="127.0.0.1")
    page = await visit(site, after)
    assert "It arrived" in page.text
    assert page.refresh is None
    clock.now = NOON + timedelta(minutes=1)
    assert "Waiting" in (await visit(site, "/setup/watch")).text


async def test_what_arrives_is_text(site: Site) -> None:
    report = trustkit_ios() | {"app-bundle-id": ATTACK, "app-version": ATTACK, ATTACK: ATTACK}
    assert (await site.post(report, address="127.0.0.1")).json["accepted"] == 1
    page = await visit(site, "/setup/watch?at=2026-11-20T11:00:00Z")
    assert "It arrived" in page.text
    assert "<script>alert(1)</script>" in page.text


@pytest.mark.parametrize(
    "query", ["?at=soon", "?look=0", "?look=x", "?test=2", "?x=1", "?at=2026-11-20T11:00:00Z&at=x"]
)
async def test_odd_addresses(site: Site, query: str) -> None:
    assert (await visit(site, f"/setup/watch{query}")).status == 400


async def test_names_of_people_and_projects_are_text(site: Site) -> None:
    name = "<script>alert(1)<"
    await site.call("POST", f"{V1}/projects", {"name": name, "hosts": ["x.example.com"]})
    await site.call("POST", f"{V1}/keys", {"project": name, "app": name})
    page = await visit(site, "/setup")
    assert page.text.count(name) >= 4
    for path in ("/rotations", "/pins", "/preflight"):
        assert name in (await visit(site, path)).text


async def test_a_page_of_many_stays_small(site: Site) -> None:
    long = ".".join(["a" * 60] * 3) + ".example.com"
    async with site.pool.acquire() as connection:
        project = await connection.fetchval("SELECT id FROM project")
        names = [f"h{n}.{long}" for n in range(200)]
        await hosts.register(connection, project, names[:100], NOON)
        await connection.execute("UPDATE host SET registered = false")
        proposals = [(project, name, b"n" * 16) for name in names[100:]]
        await hosts.propose(connection, proposals, NOON.date())
        await projects.set_hosts(connection, project, [f"*.{name}" for name in names])
        for n in range(60):
            await projects.add_key(
                connection, "default", app=f"{n}" + "a" * 60, environment="debug", trusted=False, now=NOON
            )  # fmt: skip
    page = await visit(site, "/setup")
    assert page.text.count("There are more") == 3
    assert "and 188 more" in page.text
