"""Every link of every page in an incident leads somewhere, and numbers to as much as they say."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from bench.incident import HOST
from tests.conftest import Clock
from tests.web.conftest import Site
from tests.web.happening import BROKEN, OFFICE, config, happen
from tests.web.reading import Seen, look

_COUNTED = re.compile(r'<a href="(/api/v1/violations\?[^"]*)"[^>]*>(?:<b>)?(\d+)\b')
_CELL = re.compile(r'<td class="n">(?!<a )[^<]*\d')


@pytest.fixture
def chosen(tmp_path: Path) -> dict[str, Any]:
    return {"config": config(tmp_path)}


async def test_every_link_leads_somewhere(site: Site, clock: Clock) -> None:
    places = await happen(site, clock)
    left, pages, apart = list(places.every), dict[str, Seen](), set[tuple[str, str]]()
    other: set[str] = set()
    while left:
        path = left.pop()
        if path in pages:
            continue
        pages[path] = page = await look(site, path)
        for link in page.links:
            to = urlsplit(urljoin(path, link))
            assert not to.netloc
            where = f"{to.path}?{to.query}" if to.query else to.path
            if to.fragment:
                apart.add((where, to.fragment))
            if to.path.startswith(("/api/", "/readyz")):
                other.add(where)
            else:
                left.append(where)
    assert places.signature in pages
    for where in other:
        assert (await site.get(where))[0] == 200, where
    for where, fragment in apart:
        assert fragment in pages[where].ids, (where, fragment)


async def test_numbers_link_to_what_they_count(site: Site, clock: Clock) -> None:
    """In the incident each install reported once."""
    places = await happen(site, clock)
    found = set()
    for path in ("/", places.host, places.signature, places.alert):
        page = await look(site, path)
        for link, number in _COUNTED.findall(page.html):
            told = (await site.call("GET", html.unescape(link) + "&limit=1000")).json
            assert len(told["violations"]) == int(number), (path, link)
            found.add((path, int(number)))
    for path in ("/", places.host):
        assert {(path, BROKEN), (path, OFFICE)} <= found
    assert ("/", BROKEN + OFFICE) in found
    overview = await look(site, "/")
    hosts = overview.html.partition('id="hosts"')[2].partition("</section>")[0]
    assert HOST in hosts
    assert not _CELL.findall(hosts)
