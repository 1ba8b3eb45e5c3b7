"""Rotations over HTTP: declared by pipelines, shown as one timeline, told to Prometheus."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import NOON, PIN_A, chain, issue
from tests.web.conftest import Site

V1 = "/api/v1"
HOST = "api.example.com"
HOUR = timedelta(hours=1)


async def _wallet(site: Site, *names: str) -> None:
    for name in names or ("wallet",):
        made = await site.call("POST", f"{V1}/projects", {"name": name, "hosts": [HOST]})
        assert made.status == 201


async def _serve(site: Site, leaf: Any, first: Any, last: Any = None) -> None:
    from collector.reports.certificates import certificate_from_der

    own = certificate_from_der(leaf.der)
    await site.pool.execute(
        "INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)"
        " VALUES ($1, $2, 443, $3, $4, true, $5, $6)",
        own.sha256[:16], HOST, [own.der], own.spki_sha256, first, last or first,
    )  # fmt: skip


async def test_from_the_declaration_to_the_metric(site: Site, clock: Clock) -> None:
    await _wallet(site)
    leaf, intermediate, root = chain()
    wanted = {
        "host": "API.example.com.", "at": "2026-11-20T14:00:00+01:00", "note": "change 4711",
        "chain": leaf.key_pem.decode() + leaf.pem + intermediate.pem + root.pem,
    }  # fmt: skip
    made = await site.call("POST", f"{V1}/rotations", wanted)
    assert made.status == 201, made.json
    one = made.json
    assert (one["project"], one["host"], one["state"]) == ("wallet", HOST, "planned")
    assert (one["planned_at"], one["declared_at"]) == ("2026-11-20T13:00:00Z", "2026-11-20T12:00:00Z")  # fmt: skip
    assert one["declared_leaf"] == f"sha256/{leaf.pin}"
    assert [c["role"] for c in one["chain"]] == ["leaf", "intermediate", "root"]
    assert (one["declared_by"], one["note"]) == ("this machine", "change 4711")
    assert one["sources"] == ["declared"]
    (line,) = [
        line
        for line in (await site.call("GET", f"{V1}/audit")).json["audit"]
        if line["action"] == "rotation.declared"
    ]
    assert line["subject"] == HOST
    assert line["details"] == {
        "at": "2026-11-20T13:00:00Z", "leaf": f"sha256/{leaf.pin}", "note": "change 4711", "project": "wallet",
    }  # fmt: skip
    assert "PRIVATE" not in json.dumps(one)

    await _serve(site, issue("old"), NOON - 50 * HOUR, NOON + HOUR)
    await _serve(site, leaf, NOON + 1.1 * HOUR)
    clock.now = NOON + 2 * HOUR
    await site.collector.tick("rotations")
    listed = (await site.call("GET", f"{V1}/rotations?host={HOST}")).json["rotations"]
    assert [(r["id"], r["state"], r["sources"]) for r in listed] == [
        (one["id"], "done", ["declared", "probed"])
    ]
    assert listed[0]["new_leaves"] == [f"sha256/{leaf.pin}"]
    metrics = await site.metrics()
    told = {name: value for name, value in metrics.items() if "rotation_timestamp" in name}
    assert told == {
        f'pinfall_rotation_timestamp_seconds{{host="{HOST}",source="declared"}}': (NOON + HOUR).timestamp(),
        f'pinfall_rotation_timestamp_seconds{{host="{HOST}",source="probed"}}': (NOON + 1.1 * HOUR).timestamp(),
    }  # fmt: skip
    assert metrics['pinfall_background_ticks_total{result="error",task="rotations"}'] == 0


async def test_now_is_when_no_time_is_said(site: Site) -> None:
    await _wallet(site)
    made = await site.call("POST", f"{V1}/rotations", {"host": HOST})
    assert (made.status, made.json["planned_at"]) == (201, "2026-11-20T12:00:00Z")
    assert (made.json["chain"], made.json["declared_leaf"]) == ([], None)


async def test_whose_host_it_is(site: Site) -> None:
    await _wallet(site, "a", "b")
    wild = {"name": "wild", "hosts": ["*.example.net"]}
    await site.call("POST", f"{V1}/projects", wild)
    both = await site.call("POST", f"{V1}/rotations", {"host": HOST})
    assert (both.status, both.json["detail"]) == (
        409, f"'{HOST}' is in several projects: say which of 'a', 'b'",
    )  # fmt: skip
    assert (
        await site.call("POST", f"{V1}/rotations", {"host": HOST, "project": "b"})
    ).status == 201
    made = await site.call("POST", f"{V1}/rotations", {"host": "new.example.net"})
    assert made.json["project"] == "wild"
    for wanted in (
        {"host": "nobody.example"},
        {"host": HOST, "project": "wild"},
        {"host": HOST, "project": "nobody"},
    ):
        assert (await site.call("POST", f"{V1}/rotations", wanted)).status == 404, wanted
    for query, count in (
        ("", 2), ("?project=a", 0), ("?project=b", 1), ("?project=wild", 1), (f"?host={HOST}", 1),
        ("?since=2026-11-20T12:00:00Z", 2), ("?since=2026-11-20T12:00:01Z", 0), ("?limit=1", 1),
    ):  # fmt: skip
        found = (await site.call("GET", f"{V1}/rotations{query}")).json["rotations"]
        assert len(found) == count, query
    assert (await site.call("GET", f"{V1}/rotations?project=nobody")).status == 404


async def test_what_a_probe_saw_is_of_every_project_that_has_the_host(site: Site) -> None:
    await _wallet(site, "a", "b")
    await site.call("POST", f"{V1}/projects", {"name": "c", "hosts": ["c.example"]})
    await _serve(site, issue("old"), NOON - 50 * HOUR, NOON - HOUR)
    await _serve(site, issue("new"), NOON - HOUR)
    await site.collector.tick("rotations")
    for project, count in (("a", 1), ("b", 1), ("c", 0)):
        listed = await site.call("GET", f"{V1}/rotations?project={project}")
        assert len(listed.json["rotations"]) == count
        assert all(row["project"] is None for row in listed.json["rotations"])


async def test_a_renewal_is_told_beside(site: Site, clock: Clock) -> None:
    from dataclasses import replace

    await _wallet(site)
    first = issue("api")
    again = replace(first, certificate=_resigned(first))
    await _serve(site, first, NOON - 50 * HOUR, NOON)
    await _serve(site, again, NOON - HOUR)
    await site.collector.tick("rotations")
    told = (await site.call("GET", f"{V1}/rotations?host={HOST}")).json
    assert told["rotations"] == []
    (renewal,) = told["renewals"]
    assert (renewal["leaf"], renewal["at"]) == (f"sha256/{first.pin}", "2026-11-20T11:00:00Z")
    assert renewal["is_new_certificate"]
    later = await site.call("GET", f"{V1}/rotations?host={HOST}&since=2026-11-20T11:30:00Z")
    assert later.json["renewals"] == []


def _resigned(issued: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    known = issued.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(known.subject)
        .issuer_name(known.issuer)
        .public_key(issued.key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON)
        .not_valid_after(NOON + 90 * 24 * HOUR)
    )
    return builder.sign(issued.key, hashes.SHA256())


async def test_ending(site: Site, clock: Clock) -> None:
    await _wallet(site)
    id_ = (await site.call("POST", f"{V1}/rotations", {"host": HOST})).json["id"]
    clock.now += HOUR
    for _ in range(2):
        ended = await site.call("POST", f"{V1}/rotations/{id_}/end")
        assert (ended.status, ended.json["state"]) == (200, "ended")
        assert ended.json["ended_at"] == "2026-11-20T13:00:00Z"
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [line["action"] for line in lines].count("rotation.ended") == 1
    for wrong in ("999", "x", "-1", "9" * 30, "1.0", "%D9%A1"):
        assert (await site.call("POST", f"{V1}/rotations/{wrong}/end")).status == 404
    clock.now += 9 * HOUR
    await site.collector.tick("rotations")
    (row,) = (await site.call("GET", f"{V1}/rotations")).json["rotations"]
    assert row["state"] == "ended"


@pytest.mark.parametrize(("wanted", "words"), [
    ({}, "host"), ({"host": 5}, "host"), ({"host": "a b"}, "not a host name"), ({"host": f"{HOST}:443"}, "no port"),
    ({"at": "2026-11-20T12:00:00"}, "zone"), ({"at": "tomorrow"}, "zone"), ({"at": 1764500000}, "zone"),
    ({"at": "2026-11-12T12:00:00Z"}, "within"), ({"at": "2028-11-12T12:00:00Z"}, "within"),
    ({"at": "0001-01-01T00:00:00+14:00"}, "within"), ({"at": "9999-12-31T23:59:59-14:00"}, "within"),
    ({"chain": "x"}, "number 1 is no certificate"), ({"chain": 5}, "PEM"), ({"chain": "x" * 60_001}, "at most"),
    ({"chain": chain()[0].pem + "-----BEGIN CERTIFICATE-----\nAAAA"}, "number 2 is no certificate"),
    ({"chain": chain()[1].pem + chain()[0].pem}, "the leaf comes first"),
    ({"chain": chain()[0].pem * 13}, "at most 12"), ({"chain": f"sha256/{PIN_A}"}, "number 1"),
    ({"note": "\x1b[31m"}, "note"), ({"note": "x" * 301}, "note"), ({"note": 5}, "note"), ({"note": "\ud800"}, "note"),
    ({"nonsense": 1}, "nonsense"), ({"project": ""}, "project"),
])  # fmt: skip
async def test_what_cannot_be_declared(site: Site, wanted: dict[str, Any], words: str) -> None:
    await _wallet(site)
    body = wanted if "host" in wanted or not wanted else {"host": HOST, **wanted}
    answer = await site.call("POST", f"{V1}/rotations", body)
    assert answer.status == 400, answer.json
    assert words in answer.json["detail"]
    assert "\n" not in answer.json["detail"]
    assert (await site.call("GET", f"{V1}/rotations")).json["rotations"] == []


async def test_there_is_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from collector.store import rotations

    monkeypatch.setattr(rotations, "WAITING", 2)
    await _wallet(site)
    told = [(await site.call("POST", f"{V1}/rotations", {"host": HOST})).status for _ in range(3)]
    assert told == [201, 201, 409]
