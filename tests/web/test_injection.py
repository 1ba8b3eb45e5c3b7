"""Each field of each dialect as somebody else may fill it: text on pages, text in exports, and no more."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import Clock
from tests.make import EVERY_DIALECT
from tests.watch.conftest import tick
from tests.web.conftest import Site
from tests.web.firing import nobody_watches
from tests.web.reading import look

__all__ = ["nobody_watches"]
MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}[a](javascript:b)<!here>"
HIDING = "\u202e\x1b[31m\r\nSet-Cookie: a=b\r\n\r\n"
#: What a spreadsheet takes for a formula, before what a browser takes for a script.
PLANTED = tuple(first + "1" + MARKUP + HIDING for first in ("=", "+", "-", "@", "\t=", "\r="))
_TOGETHER = 5  # as many as a page that waits shows whole


def names() -> list[str]:
    return [f"{n}-{next(iter(report))}" for n, report in enumerate(EVERY_DIALECT)]


def mutants(report: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The report with one text replaced, or with one more field, at each place."""
    for number, place in enumerate(_places(report)):
        made = copy.deepcopy(report)
        holder: Any = made
        for key in place[:-1]:
            holder = holder[key]
        text = PLANTED[number % len(PLANTED)]
        if place[-1] is None:
            holder[text] = text
        else:
            holder[place[-1]] = text
        yield made


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all texts; one that ends with None is of a field that nobody knows."""
    if isinstance(value, dict):
        yield (*at, None)
    if isinstance(value, str):
        yield at
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from _places(inner, (*at, key))


@pytest.mark.parametrize("report", EVERY_DIALECT, ids=names())
async def test_no_field_acts(site: Site, clock: Clock, report: dict[str, Any]) -> None:
    made = list(mutants(report))
    stored = 0
    for first in range(0, len(made), _TOGETHER):
        clock.now += timedelta(minutes=20)
        for number, one in enumerate(made[first : first + _TOGETHER]):
            answer = await site.post(one, address=f"198.51.{first}.{number}", User_Agent=MARKUP)
            assert answer.status in (200, 400, 422), answer.json
            stored += answer.json.get("accepted", 0)
        since = clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        await look(site, f"/setup/watch?at={since}")
    await tick(site, "fold", "causes")
    for path in ("/", "/setup", "/pins", "/alerts"):
        await look(site, path)
    for signature, host in await site.pool.fetch("SELECT encode(id, 'hex'), host FROM signature"):
        await look(site, f"/signatures/{signature}")
        await look(site, f"/hosts/default/{host}")
    await _exports(site)
    if stored and await site.pool.fetchval("SELECT count(*) FROM violation"):
        assert any(MARKUP[:8] in text for text in await _texts(site))  # it was not only refused


async def _exports(site: Site) -> None:
    for name in ("violations", "signatures", "certificates", "connections"):
        answer = await site.call("GET", f"/api/v1/{name}?format=csv")
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert "attachment" in answer.headers["Content-Disposition"]
        for row in csv.reader(io.StringIO(answer.json)):
            for told in row:
                assert not told.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")), told
        answer = await site.call("GET", f"/api/v1/{name}")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"].startswith("application/json")


async def _texts(site: Site) -> list[str]:
    rows = (await site.call("GET", "/api/v1/violations?limit=1000")).json["violations"]
    return [json.dumps(row, ensure_ascii=False) for row in rows]
