"""What SECURITY.md says was tried against the listener, tried again over raw sockets."""

from __future__ import annotations

import asyncio
import html
import io
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from collector.logs import set_up_logs
from collector.web.bodies import Pace
from collector.web.shown import shown as seen
from tests.make import neutral
from tests.web.conftest import Site
from tests.web.listener_bytes import HOSTILE, hostile, post
from tests.web.listener_cases import GROUPS, SLOW, Case

SECURITY = Path(__file__).parents[2] / "SECURITY.md"
DIRECT = pytest.mark.parametrize("chosen", [{"trusted_proxies": ()}])
PATIENCE = 20.0  # s, for a machine that does much else
_COUNTS = ("accepted", "duplicates", "ignored", "rejected", "shed")


async def talk(site: Site, case: Case) -> str:
    """Send it and tell what comes back, in the words of the table."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    try:
        try:
            for part in case.sent(site.key):
                if isinstance(part, float):
                    await asyncio.sleep(part)
                else:
                    writer.write(part)
                    await writer.drain()
            if case.ends:
                writer.write_eof()
        except ConnectionError:
            pass  # refused before all of it was read
        answers = [await _answer(reader, case) for _ in range(case.gets.count(" then ") + 1)]
        told = " then ".join(answer for answer in answers if answer)
        return told + await _after(reader, writer, told)
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader, case: Case) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = lines[0].split(" ")[1]
            headers = {
                k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])
            }
            content = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
    except TimeoutError:
        return "nothing"
    return status if case.by_parser else status + _said(status, content, headers)


def _said(status: str, content: bytes, headers: dict[str, str]) -> str:
    if "json" not in headers.get("content-type", ""):
        return ""
    told: dict[str, Any] = json.loads(content)
    if status == "200":
        found = [f"{told[n]} {n}" for n in _COUNTS if told[n]]
        return ": " + ", ".join(found).replace("1 duplicates", "1 duplicate")
    assert headers["content-type"].startswith("application/problem+json")
    assert told["status"] == int(status)
    place, _, reason = told["type"].rpartition("/")
    return f" {reason}" if place == "/problems" else ""


async def _after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, told: str) -> str:
    """Whether the connection takes another request."""
    try:
        async with asyncio.timeout(PATIENCE):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            await writer.drain()
            more = await reader.read(65_536)
    except (ConnectionError, RuntimeError):
        more = b""
    except TimeoutError:
        return ", open and silent"
    if more.startswith(b"HTTP/1.1 200 "):
        return ""
    closed = "closed" if not more else f"then {more[:40]!r}"
    return f", {closed}" if told else closed


def impatient(site: Site) -> None:
    site.collector.ingest.pace = Pace(seconds=1.0, grace=0.3, bytes_a_second=1000)


@DIRECT
@pytest.mark.parametrize("title", GROUPS)
async def test_what_each_gets(site: Site, chosen: dict[str, Any], title: str) -> None:
    if title == SLOW:
        impatient(site)
    found = {case.what: (await talk(site, case), case.gets) for case in GROUPS[title]}
    assert {what: told for what, told in found.items() if told[0] != told[1]} == {}


def test_security_md_says_the_same() -> None:
    """Every row is a case and every case a row, in the same order and words."""
    text = SECURITY.read_text().partition("## Tried against the listener")[2].partition("\n## ")[0]
    told: dict[str, list[tuple[str, str]]] = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("### "):
            title = line[4:]
            told[title] = []
        elif line.startswith("| ") and line != "| sent | gets |":
            what, gets = (cell.strip() for cell in line.strip("|").split("|"))
            told[title].append((what, gets))
    assert told == {name: [(c.what, c.gets) for c in cases] for name, cases in GROUPS.items()}
    whats = [case.what for cases in GROUPS.values() for case in cases]
    assert len(whats) == len(set(whats)) >= 60


@DIRECT
async def test_after_the_storm(
    site: Site, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it at once: then it answers, its books balance, and its log has said nothing."""
    site.collector.ingest.taking.intake.known.budget.most = 10_000  # each of them is to be found
    logs = io.StringIO()
    monkeypatch.setattr(sys, "stderr", logs)
    set_up_logs(json=True, level="debug")
    few = asyncio.Semaphore(16)

    async def try_it(case: Case) -> str:
        async with few:
            return await talk(site, case)

    cases = [case for title, cases in GROUPS.items() if title != SLOW for case in cases]
    answers = await asyncio.gather(*map(try_it, cases))
    for case, answer in zip(cases, answers, strict=True):
        assert not re.match(r"5\d\d|nothing", answer), (case.what, answer)
    honest = Case("honest", "", post(json.dumps(neutral(event_id="honest")).encode()))
    assert await talk(site, honest) == "200: 1 accepted"

    ledger = await site.ledger()
    metrics = await site.metrics()
    results: Counter[str] = Counter()
    for project in ledger.values():
        results.update(project)
    received = results.pop("received")
    assert received == results.total() == metrics["pinfall_reports_received_total"]
    stored = await site.pool.fetchval("SELECT count(*) FROM violation")
    assert stored == results["accepted"] > 1000
    assert metrics["pinfall_waiting_reports"] == 0

    lines = logs.getvalue()
    for secret in (site.key, "127.0.0.1", "203.0.113.", "api.example.com", "DROP TABLE", "owned"):
        assert secret not in lines, secret
    assert "request.crashed" not in lines
    for line in lines.splitlines():
        assert json.loads(line)["event"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(" ".join([tag, *(name for name, _ in attrs)]))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("what", HOSTILE)
async def test_text_that_would_act_is_stored_as_text_and_shown_escaped(
    site: Site, what: str
) -> None:
    text = HOSTILE[what]
    before = _Page()
    before.feed((await site.get("/"))[1])
    assert (await site.post(hostile(text), address="127.0.0.1")).json["accepted"] == 1

    row = await site.pool.fetchrow("SELECT app_id, details::text FROM violation")
    assert row is not None
    if "://" not in text:  # of a URL only its host is kept
        assert row["app_id"] == text
        assert text in json.loads(row["details"])["extra"].values()

    page = (await site.get("/"))[1]
    shown = _Page()
    shown.feed(page)
    told = text if "://" not in text else "{{7*7}} ${jndi:evil.example %n%s #{7*7}"
    assert seen(told) in shown.text
    assert not {tag for tag in shown.found if re.search(r"\bon\w+|^script$|src=x", tag)} - set(
        before.found
    )
    assert "<script>alert" not in page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", html.unescape(page))

    for line in (await site.get("/metrics"))[1].splitlines():
        assert re.fullmatch(r"#.*|[a-z_]+(\{[^{}\x00-\x1f]*\})? [-+.0-9a-z]+", line), line
        assert not line.startswith("pinfall_up")


@DIRECT
@pytest.mark.parametrize("title", [title for title in GROUPS if title != SLOW])
async def test_what_comes_in_two_pieces_gets_the_same(
    site: Site, chosen: dict[str, Any], title: str
) -> None:
    """A request that comes whole may go the short way; one whose head is cut never does."""

    def cut(case: Case) -> Case:
        def sent(key: str) -> list[bytes | float]:
            first, *others = case.sent(key)
            assert isinstance(first, bytes)
            return [first[:9], 0.02, first[9:], *others]

        return replace(case, sent=sent)

    found = {case.what: (await talk(site, cut(case)), case.gets) for case in GROUPS[title]}
    assert {what: told for what, told in found.items() if told[0] != told[1]} == {}
