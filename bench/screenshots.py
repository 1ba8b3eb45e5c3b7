"""`./pinfall screenshots`: pictures of the pages in an incident, and the Slack message of its alert.

A collector with an embedded Postgres goes through a quiet day and a botched rotation, in seconds; then the
system's Chromium looks at it: light and dark, on a desk (1280 px) and on a phone (390 px). Needs
`apt-get install chromium`.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import ipaddress
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import aiohttp
import asyncpg

from bench.database import Postgres, postgres
from bench.incident import HOST, TOML, Incident
from collector.alert import Event, Message, from_json
from collector.app import collecting
from collector.errors import PinfallError
from collector.logs import set_up_logs
from collector.notify import slack
from collector.settings import Address, Settings
from collector.store import projects
from collector.store.connect import Connection
from collector.store.migrate import migrate

EXAMPLES = """examples:
  ./pinfall screenshots out
  ./pinfall screenshots .github/pictures --readme
"""
PROJECT = "wallet"
PAGES = "https://pinfall.example.net"
DESK, PHONE = (1280, 800), (390, 844)  # as large as a screen, so that pictures stay small
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
README = ("overview", "host", "signature")  # what it shows, on a desk
_LOCAL = Address("127.0.0.1", 0)
_PROXIES = (ipaddress.ip_network("127.0.0.0/8"),)
_LINK = re.compile(r"<([^|>]+)\|([^>]+)>")  # of Slack's markup
_MINUTE = timedelta(minutes=1)
_QUIET = 26  # hours before the rotation
_SINCE = 75  # minutes since it


class Clock:
    """The collector's, which goes through a day in seconds. It ends at what the machine's clock says."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pinfall screenshots", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("directory", type=Path, metavar="DIR", help="where they go")
    parser.add_argument("--readme", action="store_true", help="only those that the README shows")
    told = parser.parse_args(arguments)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        print("pinfall screenshots: needs chromium: apt-get install chromium", file=sys.stderr)
        return 1
    set_up_logs(json=False, level="error")
    try:
        told.directory.mkdir(parents=True, exist_ok=True)
        with postgres(None) as server:
            url = server.database("pictures")
            migrate(url)
            asyncio.run(_take(server, url, told.directory, chromium, only_readme=told.readme))
    except (PinfallError, OSError) as error:
        print(f"pinfall screenshots: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for path in sorted(told.directory.iterdir()):
        print(f"{path} {path.stat().st_size / 1000:.0f} kB")
    return 0


async def _take(
    server: Postgres, url: str, directory: Path, chromium: str, *, only_readme: bool
) -> None:
    clock = Clock(datetime.now(UTC) - timedelta(hours=_QUIET, minutes=_SINCE))
    config = server.directory / "pinfall.toml"
    config.write_text(TOML)
    settings = Settings(
        database_url=url, public_address=_LOCAL, operator_address=_LOCAL, trusted_proxies=_PROXIES,
        pages_url=PAGES, config=config,
    )  # fmt: skip
    key = await _project(url, clock.now)
    async with (
        collecting(settings, clock) as collector,
        asyncpg.create_pool(url, min_size=0, max_size=2) as pool,
        aiohttp.ClientSession() as session,
    ):
        incident = Incident(collector, pool, session, clock, key, project=PROJECT)
        await happen(incident, clock)
        paths = await _paths(incident)
        if not only_readme:
            (directory / "slack.txt").write_text(await slack_message(incident))
        sizes = {"": DESK} if only_readme else {"": DESK, "-phone": PHONE}
        names = README if only_readme else tuple(paths)
        shown = {name: collector.operator_url() + paths[name] for name in names}
        await _pictures(shown, sizes, directory, chromium)


async def _project(url: str, now: datetime) -> str:
    connection: Connection = await asyncpg.connect(url)
    try:
        await projects.add(connection, PROJECT, [], now)
        return await projects.add_key(
            connection, PROJECT, app=PROJECT, environment="production", trusted=False, now=now
        )
    finally:
        await connection.close()


async def happen(incident: Incident, clock: Clock) -> None:
    """A quiet day with an office behind a proxy, then a rotation to a key that few installs pin."""
    await incident.begin(expires=timedelta(days=120))
    for hour in range(_QUIET):
        clock.now += timedelta(hours=1)
        await incident.tick("keys")
        await incident.probe()
        await incident.intercept(1 + hour % 3 if 6 <= hour % 24 < 16 else 0)
        await incident.connect(9_000 + 700 * (hour % 12), 2 + hour % 3, minutes=55)
        await incident.look()
    await incident.rotate()
    for minute in range(_SINCE):
        clock.now += _MINUTE
        await incident.fail(min(9, minute))
        if minute % 5 == 4:
            await incident.probe()
            await incident.connect(700, min(260, 20 * minute))
        await incident.look()


async def _paths(incident: Incident) -> dict[str, str]:
    signature = await incident.pool.fetchval(
        "SELECT encode(s.id, 'hex') FROM signature s JOIN counted_install c ON c.signature = s.id"
        " WHERE s.host = $1 AND c.class = 'self' GROUP BY s.id ORDER BY count(*) DESC LIMIT 1",
        HOST,
    )
    return {
        "overview": "/",
        "host": f"/hosts/{PROJECT}/{HOST}?days=1",
        "signature": f"/signatures/{signature}",
        "alert": f"/alerts/{(await _page(incident))['id']}",
    }


async def _page(incident: Incident) -> Mapping[str, Any]:
    found = [row for row in await incident.alerts() if row["kind"] == "pin_failure_spike"]
    if not found:
        raise PinfallError("the rotation paged nobody: the pictures would show no incident")
    return dict(found[0])


async def slack_message(incident: Incident) -> str:
    """What a person reads there: blocks as lines, markup undone."""
    alert = from_json((await _page(incident))["body"])
    blocks: Any = slack.payload(Message("1", Event.FIRED, alert, alert.dedup_key))["blocks"]
    lines: list[str] = []
    for block in blocks:
        for text in [block["text"]] if "text" in block else block["fields"]:
            links = _LINK.sub(r"\2: \1", text["text"]).replace("  ·  ", "\n")
            plain = text["type"] == "plain_text"
            lines.append(html.unescape(text["text"].replace("\n", ": ") if plain else links))
        lines.append("")
    return "\n".join(lines).strip() + "\n"


async def _pictures(
    shown: Mapping[str, str], sizes: Mapping[str, tuple[int, int]], directory: Path, chromium: str
) -> None:
    from playwright.async_api import async_playwright

    async with async_playwright() as running:
        browser = await running.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            for suffix, (width, height) in sizes.items():
                for scheme in SCHEMES:
                    context = await browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    page = await context.new_page()
                    for name, url in shown.items():
                        answer = await page.goto(url)
                        if answer is None or not answer.ok:
                            raise PinfallError(f"{name}: the page did not answer")
                        await page.screenshot(path=directory / f"{name}-{scheme}{suffix}.png")
                    await context.close()
        finally:
            await browser.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
