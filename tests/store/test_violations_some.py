"""Pages of violations whose cost does not grow with what is stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from collector.store import violations
from tests.conftest import Clock
from tests.make import NOON, neutral
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]


async def _walk(site: Site, query: str) -> tuple[list[dict[str, Any]], int]:
    found, pages, after = [], 0, ""
    while True:
        told = (await site.call("GET", f"/api/v1/violations?{query}{after}")).json
        found += told["violations"]
        pages += 1
        if told["next"] is None:
            return found, pages
        after = f"&after={told['next']}"


async def test_a_page_looks_at_so_many_rows_and_the_next_goes_on(
    site: Site, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(violations, "SCANNED", 4)
    for n in range(10):
        clock.now = NOON + timedelta(seconds=n)
        version = "rare" if n == 1 else "usual"
        body = neutral(event_id=f"e-{n}", app={"id": "a", "version": version})
        assert (await site.post(body)).json["accepted"] == 1
    rare, pages = await _walk(site, "app_version=rare")
    assert [one["app_version"] for one in rare] == ["rare"]
    assert pages == 3
    none, pages = await _walk(site, "app_version=nobody")
    assert (none, pages) == ([], 3)
    usual, _ = await _walk(site, "app_version=usual&limit=2")
    assert len(usual) == 9
    assert len({one["received_at"] for one in usual}) == 9
    every, _ = await _walk(site, "limit=3")
    assert len(every) == 10
    host, pages = await _walk(site, "project=default&host=api.example.com")
    assert (len(host), pages) == (10, 1)  # found by an index, however many there are
    late, _ = await _walk(
        site,
        f"app_version=usual&since={(NOON + timedelta(seconds=5)).isoformat()}".replace("+", "%2B"),
    )
    assert len(late) == 5
