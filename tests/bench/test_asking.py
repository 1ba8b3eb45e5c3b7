"""Which places of a running collector are asked."""

from __future__ import annotations

import asyncio

from bench.asking import Site as Asked
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
