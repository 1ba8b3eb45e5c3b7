"""/api/v1: its document, and what it answers."""

import asyncio
import csv
import io
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from openapi_spec_validator import validate
from yarl import URL

from collector.intake.frames import Frame, frame
from collector.store import violations
from collector.web.api.asked import cursor, cursor_of
from collector.web.api.export import cell
from collector.web.api.openapi import openapi
from tests.conftest import Clock
from tests.make import (
    INSTALL,
    PIN_A,
    chain,
    nel,
    neutral,
    okhttp_text,
    row,
    trustkit_android,
    trustkit_ios,
    window,
)
from tests.web.conftest import Site

V1 = "/api/v1"


async def filled(site: Site, token: str | None = None) -> None:
    """A bit of everything."""
    made = {"name": "wallet", "hosts": ["*.example.com"]}
    await site.call("POST", f"{V1}/projects", made, token=token)
    for report in (
        trustkit_ios(),
        trustkit_android(),
        okhttp_text(),
        neutral(),
        window(),
        nel("ok"),
    ):
        assert (await site.post(report, address="127.0.0.1")).json["accepted"] == 1
    await site.token("ada", "viewer", by=token)


def test_the_document_is_openapi() -> None:
    validate(openapi())


async def test_the_document_has_every_route_and_no_other(site: Site) -> None:
    app = site.collector.operator
    real = {
        (route.method.lower(), route.resource.canonical.removeprefix(V1))
        for route in app.router.routes()
        if route.resource and route.resource.canonical.startswith(V1) and route.method != "HEAD"
    }
    told = {(method, path) for path, methods in openapi()["paths"].items() for method in methods}
    assert told == real
    assert (await site.call("GET", f"{V1}/openapi.json")).json == openapi()


FIRST = "the first operator's own token"


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_schemathesis(site: Site, chosen: dict[str, Any], tmp_path: Path) -> None:
    """The document against the running server: what it takes, refuses and answers."""
    await filled(site, FIRST)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{site.operator}{V1}/openapi.json"),
        *("--max-examples", "25", "--seed", "1", "--generation-database", "none", "--no-color"),
        *("--phases", "examples,coverage,fuzzing", "--request-timeout", "60"),
        # What a host name is, or the place where a page ended, no schema can say.
        *("--exclude-checks", "positive_data_acceptance"),
        *("--header", f"Authorization: Bearer {FIRST}"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()


async def test_violations_by_every_filter(site: Site, clock: Clock) -> None:
    await filled(site)
    rows = (await site.call("GET", f"{V1}/violations")).json["violations"]
    assert len(rows) == 4
    one = rows[0]
    for name in ("project", "app", "environment", "host", "kind", "dialect", "app_id", "app_version",
                 "platform", "signature"):  # fmt: skip
        value = next(row[name] for row in rows if row[name])
        found = (await site.call("GET", f"{V1}/violations?{name}={value}")).json["violations"]
        assert found == [row for row in rows if row[name] == value], name
    for query, count in (
        (f"since={one['received_at']}", 4), (f"until={one['received_at']}", 0),
        ("since=2026-11-20T13:00:00%2B01:00", 4), ("host=nobody.example", 0), ("kind=expired", 0),
    ):  # fmt: skip
        found = (await site.call("GET", f"{V1}/violations?{query}")).json["violations"]
        assert len(found) == count, query


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=x", "limit=1&limit=2", "nonsense=1", "kind=nonsense", "since=yesterday",
    "signature=zz", "after=!!", "after=W10", "after=" + cursor("x", 1), "format=xml", "environment=moon",
    "host=%00", "project=" + "x" * 400, "since=9", "after=" + cursor(None, None),
])  # fmt: skip
async def test_a_query_that_is_wrong_is_one_line(site: Site, query: str) -> None:
    answer = await site.call("GET", f"{V1}/violations?{query}")
    assert answer.status == 400
    assert query.partition("=")[0] in answer.json["detail"]


@pytest.mark.parametrize("name", ["violations", "signatures", "certificates", "connections"])
async def test_pages_are_all_there_is_once_each(site: Site, clock: Clock, name: str) -> None:
    for number in range(7):
        clock.now += timedelta(minutes=number % 3)  # several at the same time
        await site.post(okhttp_text(f"h{number}.example.com"), address="127.0.0.1")
        await site.post(neutral(event_id=str(number), host="h.example.com"), address="127.0.0.1")
        await site.post(
            window(id=str(number), host=f"h{number % 4}.example.com"), address="127.0.0.1"
        )
    await site.post(trustkit_ios())
    whole = (await site.call("GET", f"{V1}/{name}?limit=1000")).json
    assert whole["next"] is None
    pages: list[Any] = []
    after = ""
    while True:
        page = (await site.call("GET", f"{V1}/{name}?limit=2{after}")).json
        pages += page[name]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert pages == whole[name]
    assert len(pages) > 2
    exported = (await site.call("GET", f"{V1}/{name}?format=ndjson")).json
    assert [json.loads(line) for line in exported.splitlines()] == pages
    short = (await site.call("GET", f"{V1}/{name}?format=ndjson&limit=3")).json
    assert len(short.splitlines()) == 3


async def test_certificates_and_chains(site: Site) -> None:
    await site.post(trustkit_ios())
    await site.post(okhttp_text())
    leaf = chain()[0]
    (violation,) = (await site.call("GET", f"{V1}/violations?dialect=trustkit-ios")).json[
        "violations"
    ]
    told = (await site.call("GET", f"{V1}/chains/{violation['validated_chain']}")).json
    assert [slot["pin"] for slot in told["slots"]] == [f"sha256/{c.pin}" for c in chain()]
    (certificate,) = [
        c
        for c in (await site.call("GET", f"{V1}/certificates")).json["certificates"]
        if c["pin"] == f"sha256/{leaf.pin}"
    ]
    by_key = await site.call("GET", f"{V1}/certificates?spki={certificate['spki_sha256']}")
    assert by_key.json["certificates"] == [certificate]
    one = (await site.call("GET", f"{V1}/certificates/{certificate['sha256']}")).json
    assert one["sans"] == ["api.example.com"]
    pem = await site.call("GET", f"{V1}/certificates/{certificate['sha256']}?format=pem")
    assert pem.json.split() == one["pem"].split() == leaf.pem.split()
    (text,) = (await site.call("GET", f"{V1}/violations?dialect=okhttp-message")).json["violations"]
    told = (await site.call("GET", f"{V1}/chains/{text['validated_chain']}")).json
    assert told["slots"][0]["pin"] == f"sha256/{leaf.pin}"
    for path in ("certificates/" + "0" * 64, "chains/" + "0" * 32, "chains/x", "certificates/é"):
        assert (await site.call("GET", f"{V1}/{path}")).status == 404


async def test_csv_is_for_spreadsheets_and_computes_nothing(site: Site) -> None:
    formula = '=HYPERLINK("evil","x")'
    await site.post(
        neutral(app={"id": formula, "version": "@SUM(1)"}, os={"name": "ios", "version": "-1+1"})
    )
    answer = await site.call("GET", f"{V1}/violations?format=csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.json))
    assert row["app_id"] == "'" + formula
    assert (row["app_version"], row["os_version"], row["host"]) == (
        "'@SUM(1)",
        "'-1+1",
        "api.example.com",
    )
    empty = await site.call("GET", f"{V1}/violations?format=csv&host=nobody.example")
    assert empty.json == ""


@pytest.mark.parametrize(("value", "told"), [
    ("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\tx", "'\tx"), ("\rx", "'\rx"), ("  =1", "'  =1"),
    ("plain", "plain"), (-1, "-1"), (1.5, "1.5"), (True, "true"), (None, ""), ([], "[]"), ({"a": "=1"}, '{"a": "=1"}'),
])  # fmt: skip
def test_a_cell(value: object, told: str) -> None:
    assert cell(value) == told


def test_a_cursor_is_read_as_it_was_written() -> None:
    place = (datetime(2026, 1, 1, 1, 2, 3, 456789, tzinfo=UTC), b"\x00\xff")
    assert cursor_of(datetime, bytes)(cursor(*place)) == place
    with pytest.raises(ValueError, match="next"):
        cursor_of(datetime, bytes)(cursor("a", "b"))


async def test_forgetting_an_install(site: Site) -> None:
    for report in (trustkit_ios(app_vendor_id=INSTALL.upper()), neutral(install_id=INSTALL, os={"name": "ios"}),
                   neutral(install_id=INSTALL), window(install_id=INSTALL), trustkit_android(),
                   window(id="2", install_id="another")):  # fmt: skip
        assert (await site.post(report)).json["accepted"] == 1
    key = site.collector.ingest.keyring.known(site.key)
    assert key is not None
    for install in (INSTALL, "another"):
        late = row(neutral(event_id="late", install_id=install), key=key)
        await site.pool.execute(
            "INSERT INTO deferred (received_at, project, delivery, network, frame)"
            " VALUES ($1, $2, $3, '', $4)",
            late.received_at, key.project, late.delivery.key, frame(Frame(uuid4(), [late], {})),
        )  # fmt: skip
        await site.pool.execute(
            "INSERT INTO delivery (key, received_at, batch, weak) VALUES ($1, $2, $3, false)",
            late.delivery.key, late.received_at, uuid4(),
        )  # fmt: skip
    answer = await site.call("POST", f"{V1}/forget", {"install": f" {INSTALL.lower()} "})
    assert answer.json == {"violations": 3, "windows": 1}
    left = [await site.pool.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("violation", "sighting", "connection_window", "deferred", "delivery")]  # fmt: skip
    assert left == [1, 1, 1, 1, 3]
    again = await site.call("POST", f"{V1}/forget", {"install": INSTALL, "project": "default"})
    assert again.json == {"violations": 0, "windows": 0}
    assert (
        await site.call("POST", f"{V1}/forget", {"install": "x", "project": "no"})
    ).status == 404


async def test_forgetting_a_project(site: Site) -> None:
    await filled(site)
    made = await site.call("POST", f"{V1}/keys", {"project": "wallet", "app": "ios"})
    assert (await site.post(neutral(), path=f"/r/{made.json['key']}")).json["accepted"] == 1
    id_ = await site.pool.fetchval("SELECT id FROM project WHERE name = 'default'")
    own = {"pins": [f"sha256/{PIN_A}"], "project": "default"}
    assert (await site.call("POST", f"{V1}/certs", own)).status == 201
    await site.pool.execute(
        "INSERT INTO deferred (received_at, project, delivery, network, frame)"
        " VALUES (now(), $1, 'late', '', ''), (now(), $1 + 1, 'other', '', '')",
        id_,
    )
    assert (await site.call("DELETE", f"{V1}/projects/default")).status == 200
    tables = await site.pool.fetch(
        "SELECT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'project'"
    )
    assert len(tables) > 10
    assert await site.pool.fetchval("SELECT count(*) FROM project") == 1
    for table in tables:
        found = await site.pool.fetchval(f"SELECT count(*) FROM {table[0]} WHERE project = $1", id_)
        assert found == 0, table[0]
    assert (await site.post(neutral())).status == 403
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1
    assert await site.pool.fetchval("SELECT count(*) FROM delivery") == 1
    assert await site.pool.fetchval("SELECT count(*) FROM deferred") == 1
    assert (await site.call("DELETE", f"{V1}/projects/default")).status == 404


async def test_what_comes_for_a_project_that_was_just_deleted(site: Site) -> None:
    """Another process may not know yet: nothing of it stays, and nobody else waits for it."""
    await site.post(trustkit_ios())
    known = site.collector.ingest.keyring._keys[site.key]
    made = await site.call("POST", f"{V1}/projects", {"name": "other"})
    other = (await site.call("POST", f"{V1}/keys", {"project": "other", "app": "a"})).json["key"]
    assert made.status == 201
    assert (await site.call("DELETE", f"{V1}/projects/default")).status == 200
    late: list[Any] = [
        trustkit_ios(date_time="2026-11-20T11:58:30Z"),
        window(),
        neutral(),
        okhttp_text(),
    ]
    for report in late:
        site.collector.ingest.keyring._keys[site.key] = (
            known  # as a process that did not hear of it
        )
        answer = await site.post(report)
        assert (answer.status, answer.json["type"]) == (403, "/problems/unknown_key")
    assert (await site.post(neutral(), path=f"/r/{other}")).json["accepted"] == 1
    for table in (
        "violation",
        "sighting",
        "connection_window",
        "delivery",
        "quarantine",
        "proposal",
    ):
        left = await site.pool.fetch(f"SELECT * FROM {table}")
        assert len(left) == (table in ("violation", "sighting", "delivery", "proposal")), table
    totals = await site.ledger()
    assert totals["unknown"] == {"received": 4, "rejected": 4}


async def test_a_name_is_free_again(site: Site) -> None:
    for _ in range(3):
        assert (await site.call("POST", f"{V1}/projects", {"name": "again"})).status == 201
        assert (await site.call("DELETE", f"{V1}/projects/again")).status == 200


@pytest.mark.parametrize("name", ["{oops}", "a b", "ü%41", "x?y#z", "a;b&c=d", "..."])
async def test_whatever_can_be_named_can_be_taken_away(site: Site, name: str) -> None:
    from urllib.parse import quote

    for path, body in (("projects", {"name": name}), ("tokens", {"name": name, "role": "viewer"})):
        assert (await site.call("POST", f"{V1}/{path}", body)).status == 201
        url = f"{site.operator}{V1}/{path}/{quote(name, safe='')}"
        async with site.session.delete(URL(url, encoded=True)) as response:
            assert response.status == 200, path


async def test_forgetting_when_only_the_sighting_is_left(site: Site, clock: Clock) -> None:
    await site.post(trustkit_ios())
    await site.pool.execute("DELETE FROM violation")
    await site.call("POST", f"{V1}/forget", {"install": INSTALL})
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 0


async def test_an_export_that_fails_does_not_look_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collector.web.api import export

    monkeypatch.setattr(export, "_PAGE", 2)
    for number in range(5):
        await site.post(neutral(event_id=str(number)))
    real, asked = violations.page, 0

    async def page(*arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise ConnectionResetError
        return await real(*arguments)

    monkeypatch.setattr(violations, "page", page)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await site.call("GET", f"{V1}/violations?format=csv")
