"""Public keys of our own: told by pipelines, known to every process, shown as they were told."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from yarl import URL

from collector.model import ProjectId
from collector.store import own_keys
from tests.make import PIN_A, PIN_B, chain, issue
from tests.web.conftest import Answer, Site

V1 = "/api/v1"
PIN = f"sha256/{PIN_A}"


async def _remove(site: Site, pin: str, query: str = "") -> Answer:
    url = URL(f"{site.operator}{V1}/certs/{quote(pin, safe='')}{query}", encoded=True)
    async with site.session.delete(url) as response:
        return Answer(response.status, await response.json(content_type=None), response.headers)


async def _listed(site: Site, query: str = "") -> list[tuple[Any, ...]]:
    rows = (await site.call("GET", f"{V1}/certs{query}")).json["certs"]
    return [(row["pin"], row["project"], row["subject"], row["note"]) for row in rows]


async def _id(site: Site, project: str) -> ProjectId:
    return ProjectId(await site.pool.fetchval("SELECT id FROM project WHERE name = $1", project))


async def test_a_chain_is_registered_by_its_leaf(site: Site) -> None:
    leaf, intermediate, root = chain()
    text = leaf.pem + leaf.key_pem.decode() + intermediate.pem + root.pem
    answer = await site.call("POST", f"{V1}/certs", {"certificates": [text], "note": "live"})
    assert answer.status == 201, answer.json
    (made,) = answer.json["certs"]
    assert made["pin"] == f"sha256/{leaf.pin}"
    assert made["is_new"]
    assert [told["pin"] for told in answer.json["issuers"]] == [
        f"sha256/{intermediate.pin}", f"sha256/{root.pin}",
    ]  # fmt: skip
    assert await _listed(site) == [
        (f"sha256/{leaf.pin}", None, "O=Pinfall Test,CN=api.example.com", "live")
    ]
    keyring = site.collector.ingest.keyring
    assert keyring.owns(ProjectId(99), base64.b64decode(leaf.pin))
    assert not keyring.owns(ProjectId(99), base64.b64decode(intermediate.pin))


async def test_several_certificates_and_pins_at_once(site: Site) -> None:
    own = issue("self.example", ca=True)  # as openssl makes it: its own authority
    others = [issue(f"{n}.example", chain()[1]) for n in range(3)]
    wanted = {
        "certificates": [own.pem, "".join(other.pem for other in others)],
        "pins": [PIN, PIN_B, f'pin-sha256="{own.pin}"', "00" * 32],
    }
    answer = await site.call("POST", f"{V1}/certs", wanted)
    assert answer.status == 201, answer.json
    assert answer.json["issuers"] == []
    zeros = base64.b64encode(bytes(32)).decode()
    assert {cert["pin"] for cert in answer.json["certs"]} == {
        f"sha256/{pin}" for pin in (own.pin, *(other.pin for other in others), PIN_A, PIN_B, zeros)
    }
    assert len(await _listed(site)) == 7


async def test_a_key_counts_where_it_was_registered(site: Site) -> None:
    for name in ("a", "b"):
        await site.call("POST", f"{V1}/projects", {"name": name})
    a, b = await _id(site, "a"), await _id(site, "b")
    digest, everywhere = base64.b64decode(PIN_A), base64.b64decode(PIN_B)
    await site.call("POST", f"{V1}/certs", {"pins": [PIN], "project": "a"})
    await site.call("POST", f"{V1}/certs", {"pins": [f"sha256/{PIN_B}"]})
    keyring = site.collector.ingest.keyring
    assert [keyring.owns(p, d) for d in (digest, everywhere) for p in (a, b)] == [
        True,
        False,
        True,
        True,
    ]
    assert [row[:2] for row in await _listed(site)] == [(f"sha256/{PIN_B}", None), (PIN, "a")]
    assert len(await _listed(site, "?project=a")) == 2
    assert len(await _listed(site, "?project=b")) == 1
    assert (await site.call("GET", f"{V1}/certs?project=nobody")).status == 404
    assert (await _remove(site, PIN, "?project=b")).status == 404
    assert (await site.call("DELETE", f"{V1}/projects/a")).status == 200
    assert not keyring.owns(a, digest)
    assert keyring.owns(a, everywhere)
    assert len(await _listed(site)) == 1


async def test_a_key_told_again_adds_to_what_is_known(site: Site) -> None:
    leaf = chain()[0]
    pin = f"sha256/{leaf.pin}"
    steps: list[tuple[dict[str, Any], bool, tuple[Any, Any]]] = [
        ({"pins": [pin]}, True, (None, "")),
        ({"pins": [pin]}, False, (None, "")),
        ({"pins": [pin], "note": "next"}, True, (None, "next")),
        ({"certificates": [leaf.pem]}, True, ("O=Pinfall Test,CN=api.example.com", "next")),
        ({"certificates": [leaf.pem], "pins": [pin]}, False, ("O=Pinfall Test,CN=api.example.com", "next")),
        ({"pins": [pin], "note": "live"}, True, ("O=Pinfall Test,CN=api.example.com", "live")),
    ]  # fmt: skip
    for wanted, is_new, told in steps:
        answer = await site.call("POST", f"{V1}/certs", wanted)
        assert [cert["is_new"] for cert in answer.json["certs"]] == [is_new], wanted
        assert await _listed(site) == [(pin, None, *told)]
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [line["action"] for line in lines] == ["cert.added"] * 4
    assert lines[-1]["details"] == {"note": "", "pins": [pin]}
    assert lines[-1]["subject"] == "all projects"


@pytest.mark.parametrize(
    "spelling", [PIN, PIN_A, f'pin-sha256="{PIN_A}"', base64.b64decode(PIN_A).hex()]
)
async def test_a_key_is_removed_in_any_spelling(site: Site, spelling: str) -> None:
    await site.call("POST", f"{V1}/certs", {"pins": [PIN]})
    await site.call("POST", f"{V1}/certs", {"pins": [PIN], "project": "default"})
    answer = await _remove(site, spelling)
    assert (answer.status, answer.json) == (200, {"removed": PIN, "registrations": 2})
    assert not site.collector.ingest.keyring.own
    assert (await _remove(site, spelling)).status == 404
    lines = (await site.call("GET", f"{V1}/audit")).json["audit"]
    assert [line["action"] for line in lines] == ["cert.removed", "cert.added", "cert.added"]
    assert lines[0]["details"] == {"pins": [PIN]}


@pytest.mark.parametrize("wanted", [
    {}, {"certificates": [], "pins": None}, {"certificates": ["x"]}, {"certificates": ["-----BEGIN CERTIFICATE-----"]},
    {"certificates": "x"}, {"certificates": [5]}, {"pins": PIN}, {"pins": ["sha1/" + "A" * 27 + "="]},
    {"pins": ["sha256/short"]}, {"pins": [PIN] * 101}, {"pins": [PIN], "note": 5}, {"pins": [PIN], "note": "\x1b[31m"},
    {"pins": [PIN], "note": "x" * 301}, {"pins": [PIN], "project": ""}, {"pins": [PIN], "nonsense": 1},
    {"pins": ["\ud800"]}, {"certificates": ["\ud800"]}, {"pins": [PIN], "note": "\ud800"},
])  # fmt: skip
async def test_what_cannot_be_registered(site: Site, wanted: dict[str, Any]) -> None:
    answer = await site.call("POST", f"{V1}/certs", wanted)
    assert answer.status == 400, answer.json
    assert "\n" not in answer.json["detail"]
    assert await _listed(site) == []
    assert (await site.call("GET", f"{V1}/audit")).json["audit"] == []


async def test_one_that_is_wrong_keeps_out_the_others(site: Site) -> None:
    wanted = {
        "certificates": [chain()[0].pem, chain()[0].pem + "-----BEGIN CERTIFICATE-----\nAAAA"]
    }
    answer = await site.call("POST", f"{V1}/certs", wanted)
    assert answer.json["detail"] == "certificates: number 3 is no certificate in PEM"
    assert (
        await site.call("POST", f"{V1}/certs", {"pins": [PIN], "project": "nobody"})
    ).status == 404
    assert await _listed(site) == []


async def test_there_is_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_keys, "MOST", 1)
    assert (await site.call("POST", f"{V1}/certs", {"pins": [PIN]})).status == 201
    answer = await site.call("POST", f"{V1}/certs", {"pins": [f"sha256/{PIN_B}"]})
    assert answer.status == 400
    assert "at most 1 " in answer.json["detail"]
