"""Each alert that rules can fire leads to a page that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collector.web.runbooks import RUNBOOKS
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
RULES = Path(__file__).parents[2] / "dashboards" / "prometheus" / "alerts.yml"


def test_rules_point_at_runbooks_that_there_are() -> None:
    named = set(re.findall(r"/runbooks/(\w+)", RULES.read_text()))
    assert len(named) >= 9
    assert named <= set(RUNBOOKS)


@pytest.mark.parametrize("kind", list(RUNBOOKS))
def test_it_says_what_to_do(kind: str) -> None:
    book = RUNBOOKS[kind]
    assert book.look
    assert book.do
    for line in (book.means, *book.look, *book.do):
        assert line.count("`") % 2 == 0
        assert line.endswith((".", "?"))


async def test_pages_show_one_or_all(site: Site) -> None:
    status, page = await site.get("/runbooks/pin_failure_spike")
    assert status == 200
    assert "Serve the previous certificate again" in page
    assert "<code>pinfall probe HOST</code>" in page
    status, page = await site.get("/runbooks")
    assert status == 200
    assert all(f'id="{kind}"' in page for kind in RUNBOOKS)
    assert (await site.get("/runbooks/nothing"))[0] == 404
