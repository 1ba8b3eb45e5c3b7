"""The pages in a real browser: from the set-up to the first report, on a phone, in both schemes.

Chromium is the system's, asked over playwright; where it is missing the tests skip.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Clock
from tests.make import chain, neutral
from tests.pins.samples import SAMPLES, own_set
from tests.tools import needs
from tests.web.conftest import Site

playwright = pytest.importorskip("playwright.async_api", reason="needs playwright")
FIRST = "the first operator's own token"
PATHS = ("/", "/alerts", "/rotations", "/pins", "/preflight", "/runbooks", "/setup", "/setup/watch")
PHONE = {"width": 390, "height": 844}
# Foreground and background, as they are drawn: WCAG's contrast of text.
_CONTRAST = """() => {
  const shades = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (colour) => shades(colour).map((c) => c / 255)
    .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const paper = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)' && colour !== 'transparent') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  return [...document.querySelectorAll('body *')]
    .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) && !e.closest('svg'))
    .map((e) => [light(getComputedStyle(e).color), light(paper(e)), e.outerHTML.slice(0, 80)])
    .map(([a, b, told]) => [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), told])
    .filter(([contrast]) => contrast < 4.5);
}"""


@asynccontextmanager
async def browsing(site: Site, **options: Any) -> AsyncIterator[Any]:
    """A page; afterwards nothing was complained of, and nobody else was asked for anything."""
    program = needs("chromium")
    complaints: list[str] = []
    async with playwright.async_playwright() as running:
        # No sandbox: containers have no room for one, and all that is looked at is our own.
        browser = await running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = await browser.new_context(**options)
        context.set_default_timeout(30_000)
        page = await context.new_page()
        page.on("console", lambda told: _told(told.type, told.text, complaints))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _asked(site, request.url, complaints))
        try:
            yield page
        finally:
            await browser.close()
    assert complaints == []


def _told(kind: str, text: str, complaints: list[str]) -> None:
    if kind in ("error", "warning"):
        complaints.append(f"{kind}: {text}")


def _asked(site: Site, url: str, complaints: list[str]) -> None:
    if urlsplit(url).netloc != urlsplit(site.operator).netloc:
        complaints.append(f"asked {url}")


async def _is_fine(page: Any, path: str) -> None:
    over = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0, f"{path} is {over} pixels too wide"
    assert await page.evaluate(_CONTRAST) == [], path
    nameless = await page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden]), select, textarea')]"
        ".filter((e) => !e.labels.length).map((e) => e.outerHTML)"
    )
    assert nameless == [], path


async def fill_up(site: Site) -> None:
    leaf, intermediate, _ = chain()
    sets = [own_set(app="com.example.wallet", platform="ios", expires="2026-12-20")]
    told: list[tuple[str, dict[str, Any]]] = [
        ("pin-sets", {"project": "default", "sets": sets}),
        ("rotations", {"host": "api.example.com", "at": "2026-12-03T08:00:00Z", "chain": leaf.pem + intermediate.pem}),
        ("adoption", {"project": "default", "rows": [
            {"day": f"2026-11-{day}", "app": "com.example.wallet", "platform": "ios", "version": version, "uses": uses}
            for day, old in ((17, 4000), (18, 2000), (19, 1000))
            for version, uses in (("1.0", old), ("2.0", 10_000 - old))
        ]}),
    ]  # fmt: skip
    for path, body in told:
        answer = await site.call("POST", f"/api/v1/{path}", body)
        assert answer.status in (200, 201), answer.json


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_on_a_phone(site: Site, scheme: str) -> None:
    needs("chromium")
    await fill_up(site)
    async with browsing(site, viewport=PHONE, color_scheme=scheme) as page:
        for path in PATHS:
            await page.goto(site.operator + path)
            await _is_fine(page, path)
            dark = await page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


async def test_from_the_set_up_to_the_first_report(site: Site, clock: Clock) -> None:
    async with browsing(site, viewport=PHONE) as page:
        await page.goto(site.operator + "/setup")
        snippet = await page.locator("pre", has_text="curl -sS").inner_text()
        assert f"{site.public}/r/{site.key}" in snippet
        await page.get_by_role("button", name="Send a test report").click()
        await page.get_by_role("heading", name="It arrived").wait_for()
        assert await page.get_by_text("marked as test traffic").count() >= 1
        clock.now += timedelta(minutes=1)
        await page.get_by_role("link", name="watch for its first report").click()
        await page.get_by_role("heading", name="Waiting for a report").wait_for()
        # The page looks again by itself.
        assert (await site.post(neutral(), address="127.0.0.1")).status == 200
        await page.get_by_role("heading", name="It arrived").wait_for()


async def test_forms_of_a_browser(site: Site) -> None:
    """What a browser makes of our forms: a file, a time without a zone, a text of many lines."""
    leaf, intermediate, _ = chain()
    async with browsing(site, viewport=PHONE) as page:
        await page.goto(site.operator + "/pins")
        await page.get_by_label("File").set_input_files(
            {"name": "pins.json", "mimeType": "application/json", "buffer": SAMPLES["pinfall"]}
        )
        await page.get_by_role("button", name="Import").click()
        await page.get_by_role("heading", name="Imported into default").wait_for()
        await page.get_by_label("Or its text").fill(SAMPLES["pinfall"].decode())
        await page.get_by_role("button", name="Import").click()
        await page.get_by_text("was known already").first.wait_for()

        await page.goto(site.operator + "/preflight")
        await page.locator("#host").fill("api.example.com")
        await page.get_by_label("Chain or certificate request (PEM)").fill(
            leaf.pem + intermediate.pem
        )
        await page.get_by_role("button", name="Ask").click()
        await page.get_by_role("heading", name="Somebody breaks if api.example.com").wait_for()
        await _is_fine(page, "/preflight")

        await site.call("POST", "/api/v1/hosts", {"project": "default", "host": "api.example.com"})
        await page.goto(site.operator + "/rotations")
        await page.locator("#host").fill("api.example.com")
        await page.get_by_label("Time, in UTC").fill("2026-12-03T08:00")
        await page.get_by_role("button", name="Declare").click()
        await page.get_by_role("heading", name="Week of 2026-11-30").wait_for()
        await page.get_by_role("button", name="End").click()
        await page.get_by_text("ended 2026-11-20").wait_for()


@pytest.mark.parametrize("chosen", [{"operator_token": FIRST}], ids=["token"])
async def test_signing_in_by_keyboard(site: Site, chosen: dict[str, Any]) -> None:
    needs("chromium")
    async with browsing(site) as page:
        await page.goto(site.operator + "/pins")
        await page.get_by_role("heading", name="Sign in").wait_for()
        await _is_fine(page, "/sign-in")
        await page.get_by_label("Token").press_sequentially(FIRST)  # it has the focus already
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Registered pin sets").wait_for()
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            "[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert focused == ["Skip to the content", "solid"]
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("heading", name="Sign in").wait_for()
