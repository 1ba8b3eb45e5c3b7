"""Lint of what was registered, over HTTP."""

from typing import Any

import pytest

from collector.store import served
from tests.conftest import Clock
from tests.make import issue
from tests.pins.chains import Path, path
from tests.pins.samples import ONE, own_set
from tests.web.conftest import Site

V1 = "/api/v1"


async def _import(site: Site, *sets: dict[str, Any], project: str = "default") -> None:
    answer = await site.call("POST", f"{V1}/pin-sets", {"project": project, "sets": list(sets)})
    assert answer.status == 201, answer.json


async def _found(site: Site, query: str = "") -> list[tuple[str, str, str]]:
    answer = await site.call("GET", f"{V1}/pins/lint{query}")
    assert answer.status == 200, answer.json
    return [(one["project"], one["host"], one["code"]) for one in answer.json["findings"]]


async def test_findings_of_a_project_and_of_a_host(site: Site) -> None:
    await site.call("POST", f"{V1}/projects", {"name": "other"})
    await _import(
        site, own_set(host="example.com", include_subdomains=True, pins=[f"sha256/{ONE}"])
    )
    await _import(site, own_set(expires="2026-11-22", app="com.example.wallet"), project="other")
    unproven = ("other", "api.example.com", "backup_unproven")
    assert await _found(site, "?project=other") == [
        ("other", "api.example.com", "expires_soon"),
        unproven,
    ]
    single = ("default", "example.com", "single_pin")
    assert set(await _found(site)) == {
        single,
        ("other", "api.example.com", "expires_soon"),
        unproven,
    }
    assert await _found(site, "?host=deep.example.com") == [single]
    assert await _found(site, "?host=example.net") == []
    assert (await site.call("GET", f"{V1}/pins/lint?project=nobody")).status == 404
    assert (await site.call("GET", f"{V1}/pins/lint?host=a%20b")).status == 400


async def test_what_a_finding_says(site: Site) -> None:
    await _import(
        site,
        own_set(expires="2026-11-19", app="com.example.wallet", platform="ios", version_from="8.0"),
    )
    answer = await site.call("GET", f"{V1}/pins/lint?host=api.example.com")
    assert answer.json["pin_sets"] == 1
    one = answer.json["findings"][0]
    assert (one["code"], one["severity"], one["expires"]) == (
        "expired", "error", "2026-11-19T00:00:00Z",
    )  # fmt: skip
    assert one["releases"] == "com.example.wallet IOS 8.0 to newest"
    assert one["reason"].startswith("The set expired on 2026-11-19")


async def test_a_proven_key_is_no_finding(site: Site) -> None:
    backup = issue("backup.example.com")
    await _import(site, own_set(pins=[f"sha256/{ONE}", f"sha256/{backup.pin}"]))
    assert [code for *_, code in await _found(site)] == ["backup_unproven"]
    body = {"project": "default", "pem": backup.pem}
    assert (await site.call("POST", f"{V1}/pins/proofs", body)).status == 201
    assert await _found(site) == []


@pytest.mark.parametrize(("pinned", "codes"), [
    ("intermediate", {"volatile_issuer", "backup_unproven"}),
    ("root", {"never_served", "backup_unproven"}),  # in no list of public ones: nobody knows whose it is
    ("leaf", {"leaf_only", "backup_unproven"}),
])  # fmt: skip
async def test_beside_what_the_hosts_served(
    site: Site, clock: Clock, pinned: str, codes: set[str]
) -> None:
    made: Path = path("Let's Encrypt")
    chain = [made.leaf.certificate, made.intermediate.certificate]
    async with site.pool.acquire() as connection:
        await served.keep(connection, "api.example.com", 443, chain, problem=None, at=clock())
    await _import(site, own_set(pins=[str(getattr(made, pinned).pin), f"sha256/{ONE}"]))
    for query in ("", "?host=api.example.com"):
        assert {code for *_, code in await _found(site, query)} == codes
