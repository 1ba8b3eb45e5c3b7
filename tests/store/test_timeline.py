"""What a host's page counts."""

from __future__ import annotations

from datetime import timedelta

from collector.model import ProjectId
from collector.store import timeline
from tests.make import NOON, neutral
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
HOST = "api.example.com"


async def _project(site: Site) -> ProjectId:
    return ProjectId(await site.pool.fetchval("SELECT id FROM project"))


async def test_failures_are_told_apart_by_the_cause_of_their_signature(site: Site) -> None:
    for n in range(3):
        await site.post(neutral(install_id=f"i-{n}", event_id=f"e-{n}"), address=f"10.0.{n}.1")
    await site.post(
        neutral(outcome="chain_untrusted", install_id="i-9", event_id="e-9"), address="10.0.9.1"
    )
    since, until = NOON - timedelta(days=400), NOON + timedelta(days=4000)
    project = await _project(site)
    async with site.pool.acquire() as connection:

        async def told() -> dict[str, int]:
            rows = await timeline.by_cause(connection, project, HOST, since, until)
            found: dict[str, int] = {}
            for row in rows:
                found[row["label"]] = found.get(row["label"], 0) + row["violations"]
            return found

        assert await told() == {timeline.NO_CAUSE: 4}
        await site.collector.tick("fold")
        assert await told() == {timeline.NO_CAUSE: 4}
        await connection.execute(
            """UPDATE signature SET cause = '{"label": "own_rotation"}' WHERE kind = 'pin_mismatch'"""
        )
        assert await told() == {"own_rotation": 3, timeline.NO_CAUSE: 1}
        await connection.execute(
            "INSERT INTO relabel (signature, label, note, at, who)"
            " SELECT id, 'wrong_pins', '', now(), 'me' FROM signature WHERE kind = 'pin_mismatch'"
        )
        assert await told() == {"wrong_pins": 3, timeline.NO_CAUSE: 1}


async def test_reach_counts_installs_and_networks_once(site: Site) -> None:
    for n in range(6):
        body = neutral(
            install_id=f"i-{n % 3}", event_id=f"e-{n}", app={"id": "a", "version": f"8.{n % 2}"}
        )
        await site.post(body, address=f"10.{n % 2}.7.1")
    project = await _project(site)
    since = NOON - timedelta(days=400)
    async with site.pool.acquire() as connection:
        reach = await timeline.reach(connection, project, HOST, since)
        assert (reach["installs"], reach["networks"], reach["operators"]) == (3, 2, 2)
        assert (reach["sightings"], reach["estimated"]) == (6, 0)
        versions = await timeline.shares(connection, project, HOST, since, "app_version")
        assert {row["name"]: row["installs"] for row in versions} == {"8.0": 3, "8.1": 3}
        networks = await timeline.networks(connection, project, HOST, since)
        assert [row["installs"] for row in networks] == [3, 3]
        nothing = await timeline.reach(connection, project, "b.example.com", since)
        assert nothing["installs"] == 0
