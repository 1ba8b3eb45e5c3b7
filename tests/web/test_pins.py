"""The registry over HTTP: imports, hosts that become the project's own, proofs, and the audit."""

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector.model import ProjectId
from collector.probing.roots import public_certificates
from tests.make import chain, ios_pem, issue, name
from tests.pins.samples import ONE, SAMPLES, THREE, TWO, own_set, plist, trustkit, trustkit_policy
from tests.web.conftest import Site

V1 = "/api/v1"


async def _import(site: Site, status: int = 201, /, **body: Any) -> dict[str, Any]:
    answer = await site.call("POST", f"{V1}/pin-sets", {"project": "default", **body})
    assert answer.status == status, answer.json
    told: dict[str, Any] = answer.json
    return told


async def _listed(site: Site, query: str = "") -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await site.call("GET", f"{V1}/pin-sets{query}")).json["pin_sets"]
    return told


async def _actions(site: Site) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = (await site.call("GET", f"{V1}/audit")).json["audit"]
    return told


async def test_a_file_is_imported_once(site: Site) -> None:
    data = plist(trustkit({"example.com": trustkit_policy(), "none.example.com": {}}))
    body = {
        "file": base64.b64encode(data).decode(),
        "name": "Info.plist",
        "app": "com.example.wallet",
    }
    release: dict[str, Any] = {
        "version_from": "8.0",
        "version_to": "8.24",
        "starts": "2026-11-01T00:00:00Z",
    }
    first = await _import(site, **body, **release)
    assert first["pin_sets"] == [
        {
            "host": "example.com", "pins": sorted([f"sha256/{ONE}", f"sha256/{TWO}"]), "include_subdomains": True,
            "app": "com.example.wallet", "platform": "IOS", "version_from": "8.0", "version_to": "8.24",
            "result": "new",
        }
    ]  # fmt: skip
    assert first["registered"] == ["example.com", "*.example.com"]
    assert first["warnings"] == ["none.example.com: has no pin, and was left out"]
    again = await _import(site, **body, **release)
    assert [one["result"] for one in again["pin_sets"]] == ["known"]
    assert again["registered"] == []
    (row,) = await _listed(site)
    assert (row["expires"], row["starts"]) == ("2027-03-01T00:00:00Z", "2026-11-01T00:00:00Z")
    assert (row["source"], row["format"], row["imported_by"]) == (
        "Info.plist", "trustkit-ios", "this machine",
    )  # fmt: skip
    (line,) = await _actions(site)
    assert (line["action"], line["subject"]) == ("pins.imported", "default")
    assert line["details"]["hosts"] == ["example.com"]
    assert line["details"]["version_to"] == "8.24"


async def test_pinned_hosts_become_the_projects_own(site: Site) -> None:
    sets = [
        own_set(host="a.example.com"),
        own_set(host="*.cdn.example.com"),
        own_set(host="b.example.com", include_subdomains=True),
        own_set(host="open.b.example.com", pins=[]),
    ]
    await _import(site, sets=sets)
    (project,) = (await site.call("GET", f"{V1}/projects")).json["projects"]
    wanted = ["a.example.com", "*.cdn.example.com", "b.example.com", "*.b.example.com"]
    assert project["hosts"] == wanted
    known = (await site.call("GET", f"{V1}/hosts")).json["hosts"]
    assert {(row["host"], row["state"]) for row in known} == {
        ("a.example.com", "registered"), ("b.example.com", "registered"),
    }  # fmt: skip
    own = ProjectId(await site.pool.fetchval("SELECT id FROM project"))
    assert (own, "a.example.com") in site.collector.ingest.taking.intake.known.admitted


async def test_what_the_request_says_comes_before_what_a_set_says(site: Site) -> None:
    told = await _import(
        site, sets=[own_set(app="com.example.a")], app="com.example.b", platform="ios"
    )
    assert told["pin_sets"][0]["app"] == "com.example.b"
    assert told["pin_sets"][0]["platform"] == "IOS"


@pytest.mark.parametrize("sample", SAMPLES)
async def test_every_format(site: Site, sample: str) -> None:
    told = await _import(site, file=base64.b64encode(SAMPLES[sample]).decode(), name=sample)
    assert {one["result"] for one in told["pin_sets"]} == {"new"}


@pytest.mark.parametrize(("body", "words"), [
    ({}, "say sets, or file"),
    ({"sets": []}, "at least one"),
    ({"sets": [own_set()], "file": "eA=="}, "not both"),
    ({"sets": [own_set()] * 501}, "at most 500"),
    ({"sets": [own_set(pins=["sha256/x"])]}, "api.example.com: pin 1"),
    ({"sets": {}}, "list of pin sets"),
    ({"sets": [5]}, "should be an object"),
    ({"file": "no base64!"}, "should be base64"),
    ({"file": "eA==", "name": 5}, "name a text"),
    ({"file": "eA==", "name": "x.txt"}, "x.txt: is no file with pins"),
    ({"sets": [own_set()], "platform": "moon"}, "platform: 'moon'"),
    ({"sets": [own_set()], "version_from": "9", "version_to": "8"}, "comes after"),
    ({"sets": [own_set()], "starts": 5}, "starts: should be a time"),
    ({"sets": [own_set()], "app": ""}, "app: should be a text"),
    ({"sets": [own_set()], "release": "x"}, "no such field"),
    ({"sets": [own_set(host="com", include_subdomains=True)]}, "a wildcard needs a domain"),
    ({"sets": [own_set(host="other")]}, "stands for hosts that are not admitted"),
])  # fmt: skip
async def test_imports_that_are_refused(site: Site, body: dict[str, Any], words: str) -> None:
    assert words in (await _import(site, 400, **body))["detail"]
    assert await _listed(site) == []
    assert await _actions(site) == []


async def test_an_import_is_whole_or_nothing(site: Site) -> None:
    many = [own_set(host=f"h{n}.example.com") for n in range(400)]
    for start in (0, 400):
        named = [{**one, "host": f"x{start}.{one['host']}"} for one in many]
        status = 201 if start == 0 else 400
        await _import(site, status, sets=[*named, own_set(host="same.example.com")])
        if start == 0:  # room for 599 patterns is left
            patterns = [f"p{n}.example.net" for n in range(500)]
            kept = (await site.call("GET", f"{V1}/projects")).json["projects"][0]["hosts"]
            await site.call("PATCH", f"{V1}/projects/default", {"hosts": [*kept, *patterns]})
    assert len(await _listed(site, "?limit=1000")) == 401


async def test_filters_of_the_list(site: Site) -> None:
    await _import(site, sets=[own_set(app="a"), own_set(app="b", host="b.example.net")])
    for query, count in (
        ("?project=default", 2), ("?app=b", 1), ("?host=api.example.com", 1), ("?host=x.example.com", 0),
        ("?limit=1", 1),
    ):  # fmt: skip
        assert len(await _listed(site, query)) == count, query
    assert (await site.call("GET", f"{V1}/pin-sets?project=nobody")).status == 404
    assert (await site.call("GET", f"{V1}/pin-sets?host=a%20b")).status == 400


async def test_removing(site: Site) -> None:
    await _import(site, sets=[own_set()])
    (row,) = await _listed(site)
    answer = await site.call("DELETE", f"{V1}/pin-sets/{row['id']}")
    assert (answer.status, answer.json["host"]) == (200, "api.example.com")
    assert await _listed(site) == []
    assert (await site.call("DELETE", f"{V1}/pin-sets/{row['id']}")).status == 404
    for wrong in ("x", "-1", "9" * 19):
        assert (await site.call("DELETE", f"{V1}/pin-sets/{wrong}")).status == 400
    assert [line["action"] for line in await _actions(site)] == ["pins.removed", "pins.imported"]


def _request(key: ec.EllipticCurvePrivateKey) -> str:
    made = x509.CertificateSigningRequestBuilder().subject_name(name("backup.example.com"))
    return made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


async def test_a_backup_key_is_proven_by_a_request_or_a_certificate(site: Site) -> None:
    backup, leaf = issue("backup.example.com"), chain()[0]
    await _import(site, sets=[own_set(pins=[f"sha256/{backup.pin}", f"sha256/{leaf.pin}"])])
    for text, how, is_new in (
        (_request(backup.key), "csr", True),
        (_request(backup.key), "csr", False),
        (ios_pem(leaf.der) + "\n" + chain()[1].pem, "certificate", True),
    ):
        answer = await site.call("POST", f"{V1}/pins/proofs", {"project": "default", "pem": text})
        assert answer.status == 201, answer.json
        (one,) = answer.json["proven"]
        assert (one["how"], one["is_new"]) == (how, is_new)
    (row,) = await _listed(site)
    assert row["proven"] == sorted(row["pins"])
    actions = [line["action"] for line in await _actions(site)]
    assert actions == ["pins.proven", "pins.proven", "pins.imported"]


async def test_what_proves_nothing(site: Site) -> None:
    root, stranger = public_certificates()[0], issue("stranger.example.com")
    pinned = base64.b64encode(root.spki_sha256).decode()
    await _import(site, sets=[own_set(pins=[f"sha256/{pinned}", f"sha256/{chain()[1].pin}"])])
    forged = _request(stranger.key).splitlines()
    forged[-3] = forged[-3][::-1]
    for text, words in (
        ("x", "no certificate and no certificate request"),
        (ios_pem(root.der), "only authorities' certificates"),
        (chain()[1].pem, "only authorities' certificates"),
        (_request(stranger.key), "in no pin set"),
        ("\n".join(forged), "certificate request in it"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "cannot be read"),
        (stranger.pem * 21, "more than 20"),
    ):
        answer = await site.call("POST", f"{V1}/pins/proofs", {"project": "default", "pem": text})
        assert answer.status in (400, 404), answer.json
        assert words in answer.json["detail"], answer.json
    assert [row["proven"] for row in await _listed(site)] == [[]]


async def test_what_is_shown_of_text_in_files(site: Site) -> None:
    told = await _import(
        site, file=base64.b64encode(SAMPLES["pinfall"]).decode(), name="p\x1b[31m\u202e.json"
    )
    assert told["pin_sets"][0]["result"] == "new"
    (row,) = await _listed(site)
    assert row["source"] == "p[31m.json"
    assert THREE not in str(row)


async def test_when_pins_expire_is_a_metric(site: Site) -> None:
    name = "pinfall_pin_set_expiry_timestamp_seconds{"

    async def told() -> list[str]:
        await site.collector.tick("pin_expiries")
        async with site.session.get(f"{site.operator}/metrics") as response:
            lines = (await response.text()).splitlines()
        return [line for line in lines if line.startswith(name)]

    assert await told() == []
    await _import(site, sets=[own_set(expires="2027-03-01"), own_set(host="never.example.com")])
    assert await told() == [name + 'host="api.example.com",project="default"} 1.8038592e+09']
    (row, _) = await _listed(site)
    await site.call("DELETE", f"{V1}/pin-sets/{row['id']}")
    assert await told() == []


async def test_what_was_learned_stands_beside_the_registry(site: Site) -> None:
    await site.pool.execute(
        """
        INSERT INTO learned_pin_set SELECT id, 'api.example.com', 'com.example.wallet', '8.24.1', 'IOS', $1, 20, 10,
            '2026-11-18T12:00:00Z', '2026-11-20T12:00:00Z' FROM project
        """,
        [f"sha256/{ONE}"],
    )
    answer = (await site.call("GET", f"{V1}/pin-sets?project=default&host=api.example.com")).json
    assert answer["pin_sets"] == []
    assert answer["learned"] == [
        {
            "host": "api.example.com", "app": "com.example.wallet", "app_version": "8.24.1", "platform": "IOS",
            "pins": [f"sha256/{ONE}"], "installs": 20, "networks": 10, "first_seen": "2026-11-18T12:00:00Z",
            "last_seen": "2026-11-20T12:00:00Z",
        }
    ]  # fmt: skip
    assert (await site.call("GET", f"{V1}/pin-sets?project=default&host=example.com")).json[
        "learned"
    ] == []
