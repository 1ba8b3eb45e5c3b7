"""A fleet over real HTTP into a real database."""

from __future__ import annotations

import json

from collector.cli import main
from collector.simulate.fleet import Fleet
from collector.simulate.play import play
from collector.simulate.scenarios import BY_NAME
from tests.make import NOON
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]


async def test_all_that_is_sent_arrives_and_is_counted_once(site: Site) -> None:
    fleet = Fleet(BY_NAME["bad-rotation"], "api.example.com", 60, 60.0, 1, NOON)
    told = await play(fleet, f"{site.public}/r/{site.key}", 200)
    sent = sum(fleet.truth.reports.values())
    assert sent > 30
    assert told.answers == {"200": sent}
    assert told.items["accepted"] + told.items["duplicates"] == sent
    rows = await site.pool.fetchrow(
        "SELECT count(*) AS sightings, count(DISTINCT network) AS networks FROM sighting"
    )
    assert rows["sightings"] == told.items["accepted"]
    assert rows["networks"] > 20


def test_it_says_what_there_is(capsys: object) -> None:
    assert main(["simulate", "--list"]) == 0
    assert main(["simulate"]) == 2


def test_mistakes_are_one_line(capsys: object) -> None:
    for wrong in (["nothing"], ["quiet", "--installs", "0"], ["quiet", "--host", "no host"],
                  ["quiet", "--url", "ftp://x"]):  # fmt: skip
        assert main(["simulate", *wrong]) == 1
        told = capsys.readouterr()  # type: ignore[attr-defined]
        assert told.err.count("\n") == 1
        assert told.err.startswith("pinfall: ")


async def test_a_summary_is_json(site: Site) -> None:
    from collector.commands.simulate import summary

    fleet = Fleet(BY_NAME["quiet"], "api.example.com", 20, 6.0, 1, NOON)
    told = await play(fleet, f"{site.public}/r/{site.key}", 100)
    assert json.loads(json.dumps(summary(fleet, told)))["scenario"] == "quiet"
