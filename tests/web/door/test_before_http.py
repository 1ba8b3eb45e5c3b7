"""The door before HTTP: with TLS of our own, and behind a balancer that says who comes."""

import json
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.make import issue, neutral
from tests.web.conftest import Site
from tests.web.door.talking import posted, talking, until
from tests.web.test_source import proxy_header

PROXIED = {"proxy_protocol": True, "trusted_proxies": (), "max_connections": 20}


def report(name: str) -> bytes:
    return json.dumps(neutral(event_id=name)).encode()


@pytest.fixture
def chosen(tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    if hasattr(request, "param"):
        return dict(request.param)
    issued = issue("localhost", sans=("localhost",), start=datetime.now(UTC))
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text(issued.pem)
    key.write_bytes(issued.key_pem)
    return {"tls_cert": cert, "tls_key": key, "max_connections": 20}


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_reports_come_in_over_tls(site: Site) -> None:
    async with talking(site, 3, tls=trusting()) as talks:
        for number, talk in enumerate(talks):
            for more in range(3):
                await talk.say(posted(site, report(f"{number} {more}")))
                assert b" 200 " in await talk.answer()
        assert len(site.collector.ingest.door.room) == 3
    await until(lambda: not len(site.collector.ingest.door.room))
    assert (await site.metrics())["pinfall_reports_received_total"] == 9


async def test_a_large_report_over_tls_right_behind_the_handshake(site: Site) -> None:
    async with talking(site, tls=trusting()) as (talk,):
        await talk.say(posted(site, report("large") + b" " * 1_000_000))
        assert b" 200 " in await talk.answer()


async def test_a_handshake_that_does_not_come_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.web.secured.HEAD_SECONDS", 1.0)
    async with talking(site, 2) as (silent, half):
        await half.say(b"\x16\x03\x01")
        assert [await talk.heard() for talk in (silent, half)] == [b"", b""]
    door = site.collector.ingest.door
    assert door.refused == {"too_slow": 2}
    assert len(door.room) == 0


async def test_what_is_no_tls_is_ended(site: Site) -> None:
    async with talking(site, 3) as talks:
        for talk in talks:
            await talk.say(posted(site, report("in clear")))
            assert b"HTTP" not in await talk.heard()
    await until(lambda: not len(site.collector.ingest.door.room))


async def test_a_full_room_makes_no_handshake(site: Site) -> None:
    async with talking(site, 20):
        await until(lambda: len(site.collector.ingest.door.room) == 20)
        site.collector.ingest.door.room._idle = []
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with talking(site, tls=trusting()):
                pass
        assert site.collector.ingest.door.refused == {"crowded": 1}


@pytest.mark.parametrize("chosen", [PROXIED], indirect=True)
async def test_behind_a_balancer_the_told_address_has_the_share(site: Site) -> None:
    door = site.collector.ingest.door
    door.room.share = 3
    async with AsyncExitStack() as stack:
        told = []
        for number in range(14):
            (talk,) = await stack.enter_async_context(talking(site))
            await talk.say(proxy_header("198.51.100.7") + posted(site, report(str(number))))
            told.append(await talk.answer())
        assert [b" 200 " in text for text in told] == [True] * 10 + [False] * 4
        assert b" 503 " in told[-1]
        async with talking(site) as (other,):
            await other.say(proxy_header("2001:db8::8") + posted(site, report("other")))
            assert b" 200 " in await other.answer()
    await until(lambda: not len(door.room))
    assert door.refused == {"crowded": 4}
    assert door.room._sources == {}


@pytest.mark.parametrize("chosen", [PROXIED], indirect=True)
async def test_a_header_that_does_not_come_is_not_waited_for(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.web.proxy_protocol._SECONDS", 0.5)
    async with talking(site, 2) as (silent, half):
        await half.say(proxy_header("198.51.100.7")[:14])
        assert [await talk.heard() for talk in (silent, half)] == [b"", b""]
    assert site.collector.ingest.door.refused == {"too_slow": 2}
