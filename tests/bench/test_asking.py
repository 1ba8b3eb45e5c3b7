"""Which places of a running collector are asked."""

from __future__ import annotations

import asyncio
import os

from bench.asking import Site as Asked
from bench.asking import ask
from tests.make import neutral
from tests.web.conftest import Site, chosen, site
from tests.web.firing import fire, nobody_watches

__all__ = ["chosen", "nobody_watches", "site"]


async def test_one_page_of_each_kind_is_asked(site: Site) -> None:
    for host in ("a.example.com", "b.example.com"):
        assert (await site.post(neutral(host=host), address="127.0.0.1")).json["accepted"] == 1
    for n in "12":
        await fire(site, id=f"a{n}", host=f"h{n}.example.com")
    places = await asyncio.to_thread(Asked(site.collector.operator_port).places)
    for start, count in (("/hosts/", 2), ("/signatures/", 1), ("/alerts/", 1)):
        assert len([p for p in places if p.startswith(start)]) == count, places
    (month,) = (p for p in places if p.endswith("?days=30"))
    assert month.removesuffix("?days=30") in places
    for place in (
        "/",
        "/alerts",
        "/setup",
        "/api/v1/alerts",
        "/api/v1/silences",
        "/api/v1/violations",
    ):
        assert place in places


def test_who_does_not_answer_once_is_not_waited_for_again() -> None:
    class Fake(Asked):
        def __init__(self, answers: int) -> None:
            self.left = answers

        def get(self, path: str) -> tuple[int, bytes]:
            self.left -= 1
            if self.left < 0:
                raise TimeoutError
            return 200, b"told"

    sites = {rows: (Fake(answers), [os.getpid()]) for rows, answers in ((1, 99), (2, 3), (3, 0))}
    told = ask(sites, "/")
    assert [(one.rows, one.times) for one in told] == [(1, 20), (2, 2), (3, 0)]
    assert told[2].median is None
    assert [site.left for site, _ in sites.values()] == [78, -1, -1]
