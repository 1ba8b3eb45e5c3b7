"""Pages of alerts, of a host and of a signature in a real browser, on a phone, in both schemes."""

from __future__ import annotations

import pytest

from tests.make import chain, trustkit_ios
from tests.watch.conftest import serve, tick
from tests.web.conftest import Site
from tests.web.firing import fire, nobody_watches
from tests.web.test_browser import PHONE, _is_fine, browsing

__all__ = ["nobody_watches"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone(site: Site, scheme: str) -> None:
    await serve(site.pool, "api.example.com", chain()[:2])
    await site.post(trustkit_ios(), address="127.0.0.1")
    await tick(site, "fold", "causes")
    await fire(site)
    signature = await site.pool.fetchval("SELECT encode(id, 'hex') FROM signature")
    async with browsing(site, viewport=PHONE, color_scheme=scheme) as page:
        for path in (
            "/",
            "/alerts",
            "/alerts/a1",
            "/hosts/default/api.example.com",
            f"/signatures/{signature}",
        ):
            await page.goto(site.operator + path)
            await _is_fine(page, path)
