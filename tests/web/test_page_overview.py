"""The overview: in a storm it stays as small as any page, and says where the rest is."""

from __future__ import annotations

from datetime import timedelta

from collector.store import hosts, projects
from tests.make import NOON, ios_pem, issue, trustkit_ios
from tests.watch.conftest import tick
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches
from tests.web.reading import look

__all__ = ["nobody_watches"]
_SIGNATURES = """
INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations)
SELECT decode(md5($1 || n), 'hex'), p.id, $1, 'pin_mismatch', $3, $2, $2, 1000000 + n
FROM project p, generate_series(1, 20) n
WHERE p.name = 'default'
"""


async def test_an_empty_one_leads_to_the_set_up(site: Site) -> None:
    page = await look(site, "/")
    assert "/setup#snippets" in page.links


async def test_it_stays_small(site: Site) -> None:
    long = ".".join(["a" * 60] * 3) + ".example.com"
    names = [f"h{n}.{long}" for n in range(100)]
    path = "[" + ", ".join(f'"{n:064x}"' for n in range(6)) + "]"
    async with site.pool.acquire() as connection:
        project = await connection.fetchval("SELECT id FROM project")
        await hosts.register(connection, project, names, NOON)
        for n in range(40):
            await projects.add(connection, f"{n}" + "p" * 60, [], NOON)
        for name in names[:10]:
            await connection.execute(_SIGNATURES, name, NOON - timedelta(hours=1), path)
        await connection.execute(
            "INSERT INTO ledger_delta (hour, project, dialect, result, reason, items)"
            " SELECT $1, id, 'neutral', 'accepted', '', 5 FROM project",
            NOON,
        )
    certificates = [
        issue(f"{n}{'c' * 60}", sans=tuple(f"{m}{'s' * 55}.example.com" for m in range(20)))
        for n in range(8)
    ]
    for n in range(40):
        body = trustkit_ios(
            validated_certificate_chain=[ios_pem(one.der) for one in certificates],
            app_vendor_id=f"7C1B6F0E-6B5D-4A51-9E0C-{n:012X}", app_bundle_id="b" * 300, hostname=names[n],
            known_pins=[f'pin-sha256="{issue(str(m)).pin}"' for m in range(10)],
        )  # fmt: skip
        body |= {f"extra{m}": "e" * 300 for m in range(10)}
        assert (await site.post(body, address=f"198.51.{n}.7")).json["accepted"] == 1
    await tick(site, "fold", "causes")
    for n in range(60):
        await fire(site, id=f"a{n}", summary=f"{n} {'s' * 300}", host=names[n])
    page = await look(site, "/")
    for link in (
        "/alerts",
        "/api/v1/hosts?limit=1000",
        "/api/v1/signatures",
        "/api/v1/violations",
        "/api/v1/totals",
    ):
        assert link in page.links, link
