"""Pages looked at by axe-core: empty and in an incident, in both schemes, on a desk and on a phone.

axe-core comes with the package axe-playwright-python, of which nothing else is used. It is let past the
pages' Content-Security-Policy, which forbids scripts: other tests see that it does.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Clock
from tests.tools import needs
from tests.web.conftest import Site
from tests.web.happening import config, happen
from tests.web.test_browser import FIRST, PATHS, PHONE, browsing

pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
DESK = {"width": 1280, "height": 800}
SERIOUS = ("serious", "critical")
_RUN = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .flatMap((v) => v.nodes.map((n) => [v.impact, v.id, n.target.join(' '), n.failureSummary]))"""


async def findings(page: Any) -> list[list[str]]:
    """(scheme, width, impact, rule, element, what to do), in both schemes and sizes."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    found: list[list[str]] = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for size in (DESK, PHONE):
            await page.set_viewport_size(size)
            found += [
                [scheme, str(size["width"]), *told]
                for told in await page.evaluate(_RUN)
                if told[0] in SERIOUS
            ]
    return found


async def test_where_nothing_happened_yet(site: Site) -> None:
    needs("chromium")
    async with browsing(site, bypass_csp=True) as page:
        for path in PATHS:
            await page.goto(site.operator + path)
            assert await findings(page) == [], path


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_signing_in(site: Site, chosen: dict[str, Any]) -> None:
    needs("chromium")
    async with browsing(site, bypass_csp=True) as page:
        await page.goto(site.operator + "/sign-in")
        assert await findings(page) == []


class TestIncident:
    @pytest.fixture
    def chosen(self, tmp_path: Path) -> dict[str, Any]:
        return {"config": config(tmp_path)}

    async def test_in_an_incident(self, site: Site, clock: Clock) -> None:
        needs("chromium")
        places = await happen(site, clock)
        async with browsing(site, bypass_csp=True) as page:
            for path in places.every:
                answer = await page.goto(site.operator + path)
                assert answer.ok, path
                assert await findings(page) == [], path
            await page.goto(site.operator + "/preflight")
            await page.locator("#host").fill(places.given["host"])
            await page.locator("#chain").fill(places.given["chain"])
            await page.get_by_role("button", name="Ask").click()
            await page.get_by_role("heading", name="Somebody breaks").wait_for()
            assert await findings(page) == []
