"""What the page and the API show of sums, of the row budget, and of what was counted up to a bound."""

import re
from datetime import timedelta

import pytest

from collector.store import hosts
from tests.conftest import Clock
from tests.make import INSTALL, neutral
from tests.web.conftest import Site


def cells(page: str, row: str) -> list[str]:
    """Of the first table row that has this text: what each cell says, without tags."""
    found = next(part for part in re.findall(r"<tr>(.*?)</tr>", page, re.S) if row in part)
    return [
        " ".join(re.sub(r"<[^>]+>", " ", cell).split())
        for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", found, re.S)
    ]


@pytest.mark.parametrize("chosen", [{"row_budget": 3}])
async def test_how_many_are_stored_whole_is_shown(site: Site) -> None:
    for number in range(5):
        posted = await site.post(neutral(event_id=str(number)), address="127.0.0.1")
        assert posted.json["accepted"] == 1
    for _ in range(2):
        _, page = await site.get("/")
        assert cells(page, "pin_mismatch")[5] == "5 3 of them stored whole"
        assert cells(page, "api.example.com")[2] == "5"
        await site.collector.tick("fold")
    (found,) = (await site.call("GET", "/api/v1/signatures")).json["signatures"]
    assert (found["violations"], found["whole"]) == (5, 3)
    assert len((await site.call("GET", "/api/v1/violations")).json["violations"]) == 3
    assert (await site.call("GET", "/api/v1/totals")).json["projects"]["default"]["accepted"] == 5


async def test_the_page_says_nothing_where_all_are_whole(site: Site) -> None:
    await site.post(neutral(), address="127.0.0.1")
    assert "stored whole" not in (await site.get("/"))[1]


async def test_installs_and_networks_are_counted_up_to_a_bound(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        sender = f"198.51.{number}.1"
        report = neutral(event_id=str(number), install_id=f"{number}{INSTALL[1:]}")
        assert (await site.post(report, address=sender)).json["accepted"] == 1
    _, page = await site.get("/")
    assert cells(page, "api.example.com")[2:5] == ["6", "6", "6"]
    monkeypatch.setattr(hosts, "SIGHTINGS", 4)
    _, page = await site.get("/")
    assert cells(page, "api.example.com")[2:5] == ["6", "at least 4", "at least 4"]


async def test_a_day_is_a_day_to_the_minute(site: Site, clock: Clock) -> None:
    """Over the edges of hours, folded or not; and a host that was last seen long ago says when."""
    start = clock.now
    for minutes in (0, 29, 31, 90):
        clock.now = start + timedelta(minutes=minutes)
        await site.collector.tick("keys")
        assert (await site.post(neutral(event_id=str(minutes)), address="127.0.0.1")).status == 200
    clock.now = start + timedelta(days=1, minutes=30)
    for _ in range(2):
        _, page = await site.get("/")
        assert cells(page, "api.example.com")[2] == "2"
        await site.collector.tick("fold")
    clock.now = start + timedelta(days=9, hours=2)
    await site.collector.tick("maintain")
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 0
    _, page = await site.get("/")
    told = cells(page, "api.example.com")
    assert (told[2], told[-1]) == ("0", "9 d ago")


async def test_hosts_that_are_not_admitted_are_counted_from_sums(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        report = neutral(event_id=str(number), host=f"h{number}.example.com")
        assert (await site.post(report, address="198.51.100.1")).json["accepted"] == 1
    _, page = await site.get("/")
    assert "4 violations in 24 h, all for hosts that are not admitted" in page
    monkeypatch.setattr(hosts, "_ROLLUPS", 2)
    _, page = await site.get("/")
    assert "at least 2</span> violations in 24 h" in page


@pytest.mark.parametrize("chosen", [{"row_budget": 1}])
async def test_forgetting_an_install_leaves_sums_and_no_trace_of_it(site: Site) -> None:
    for number in range(3):
        report = neutral(event_id=str(number), install_id=INSTALL)
        assert (await site.post(report, address="127.0.0.1")).json["accepted"] == 1
    await site.collector.tick("fold")
    told = await site.call("POST", "/api/v1/forget", {"install": INSTALL})
    assert told.json == {"violations": 1, "windows": 0}
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 0
    assert await site.pool.fetchval("SELECT count(*) FROM sighting") == 0
    assert await site.pool.fetchval("SELECT sum(violations) FROM rollup_hour") == 3
