"""What keeps others out must not: slow peers, idle ones, one with a thousand connections."""

import asyncio
import json
import resource
import time
from typing import Any

import pytest

from collector.web import room as rooms
from collector.web.bodies import Pace
from collector.web.pressure import Pressure
from tests.make import neutral
from tests.web.conftest import Site
from tests.web.door.talking import posted, talking, until

BUSY = "503 Service Unavailable"
HEAD = b"POST /r/x HTTP/1.1\r\nHost: x\r\n"


def report(name: str) -> bytes:
    return json.dumps(neutral(event_id=name)).encode()


async def refusals(site: Site) -> dict[str, float]:
    """By reason, without zeros; the door and /metrics say the same."""
    start = "pinfall_connections_refused_total"
    told = {
        name.split('"')[1]: value
        for name, value in (await site.metrics()).items()
        if name.startswith(start) and value
    }
    assert told == dict(site.collector.ingest.door.refused)
    return told


async def is_as_before(site: Site) -> None:
    """All that was held is given back, and a report is taken."""
    door = site.collector.ingest.door
    await until(lambda: not len(door.lingering) and not door.in_flight)
    assert (door.bodies.used, door.bodies.claims, door.bodies._sources) == (0, {}, {})
    assert not door.shut
    async with talking(site, address="127.0.9.9") as (talk,):
        await talk.say(posted(site, report("as before")))
        assert b" 200 " in await talk.answer()
    own = len(site.session.connector._conns)  # kept by the test's client
    await until(lambda: len(door.room) <= own)
    assert sum(door.room._sources.values()) == sum(
        by is not None for by in door.room._open.values()
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heads must be there within a second, and who waits half a second may be sent away."""
    monkeypatch.setattr(rooms, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr("collector.web.listener.HEAD_SECONDS", 1.0)
    monkeypatch.setattr("collector.web.secured.HEAD_SECONDS", 1.0)
    monkeypatch.setattr(rooms, "_SETTLED", 0.5)


@pytest.mark.usefixtures("quick")
async def test_heads_that_do_not_come_are_not_waited_for(site: Site) -> None:
    async with talking(site, 3) as (silent, drips, later):
        await drips.say(HEAD)
        await later.say(posted(site, report("first")))
        assert b" 200 " in await later.answer()
        await later.say(HEAD)  # the second request's
        assert [await talk.heard() for talk in (silent, drips, later)] == [b"", b"", b""]
    assert await refusals(site) == {"too_slow": 3}
    await is_as_before(site)


@pytest.mark.usefixtures("quick")
async def test_a_head_that_drips_is_not_waited_for(site: Site) -> None:
    async def drip(talk: Any) -> None:
        for byte in HEAD + b"X: " + b"x" * 4000:
            await talk.say(bytes([byte]))
            await asyncio.sleep(0.05)

    async with talking(site) as (talk,):
        task = asyncio.create_task(drip(talk))
        assert await talk.heard() == b""
        task.cancel()
    assert await refusals(site) == {"too_slow": 1}


async def test_who_has_asked_once_may_wait_for_longer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with talking(site) as (talk,):
        await talk.say(posted(site, report("1")))
        assert b" 200 " in await talk.answer()
        monkeypatch.setattr("collector.web.listener.HEAD_SECONDS", 0.0)
        door = site.collector.ingest.door
        door.look(asyncio.get_running_loop().time() + 60)
        await talk.say(posted(site, report("2")))
        assert b" 200 " in await talk.answer()
        door.look(asyncio.get_running_loop().time() + rooms.KEEP_ALIVE + 1)
        assert await talk.heard() == b""
    assert await refusals(site) == {}


async def test_a_byte_a_second_gets_408_and_others_are_served(site: Site) -> None:
    site.collector.ingest.pace = Pace(seconds=6.0, grace=2.0, bytes_a_second=1000)
    async with talking(site, 20) as slow:
        for talk in slow:
            await talk.say(posted(site, b"{", announced=5000))
        served = 0
        answers = asyncio.gather(*(talk.heard() for talk in slow))
        while not answers.done():
            assert (await site.post(report(str(served)))).json["accepted"] == 1
            served += 1
            for talk in slow:
                await talk.say(b" ")
            await asyncio.wait([answers], timeout=0.5)
        assert [b" 408 " in told for told in await answers] == [True] * 20
        assert served > 0
    assert (await site.metrics())['pinfall_reports_rejected_total{reason="too_slow"}'] == 20
    await is_as_before(site)


@pytest.mark.parametrize("chosen", [{"max_connections": 50}])
@pytest.mark.usefixtures("quick")
async def test_a_full_room_turns_away_and_then_the_idle_make_room(
    site: Site, chosen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.web.listener.HEAD_SECONDS", 60.0)
    monkeypatch.setattr(rooms, "HEAD_SECONDS", 60.0)
    door = site.collector.ingest.door
    assert door.room.most == 50
    monkeypatch.setattr(rooms, "_SETTLED", 60.0)
    async with talking(site, 50) as idle, talking(site, address="127.0.0.2") as (late,):
        assert BUSY.encode() in await late.heard()  # at once: nobody has been idle for long
        assert (await refusals(site))["crowded"] == 1
        monkeypatch.setattr(rooms, "_SETTLED", 0.5)
        await until(lambda: bool(door.room._idle))
        for number in range(20):
            async with talking(site, address="127.0.0.2") as (talk,):
                await talk.say(posted(site, report(str(number))))
                assert b" 200 " in await talk.answer()
            assert len(door.room) <= 50
        # The first that came waited longest.
        assert not idle[0].is_open
        assert idle[-1].is_open
        status, text = await site.get("/readyz")
        told = json.loads(text)
        assert (status, told["connections"]["room"]) == (200, 50)
        assert any(warning.startswith("overloaded") for warning in told["warnings"])
    await is_as_before(site)


@pytest.mark.parametrize("chosen", [{"max_connections": 2000}])
async def test_two_thousand_idle_connections_keep_nobody_out(
    site: Site, chosen: dict[str, Any]
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 5000:
        pytest.skip("needs 5,000 descriptors")
    door = site.collector.ingest.door
    async with talking(site, 2000):
        await until(lambda: bool(door.room._idle), 60)
        for number in range(20):
            async with talking(site, address="127.0.0.2") as (talk,):
                await talk.say(posted(site, report(str(number))))
                assert b" 200 " in await talk.answer()
    await is_as_before(site)


@pytest.mark.parametrize("chosen", [{"max_connections": 40, "trusted_proxies": ()}])
async def test_one_address_has_no_more_than_its_share(site: Site, chosen: dict[str, Any]) -> None:
    door = site.collector.ingest.door
    door.room.share = 5
    async with talking(site, 25, address="127.0.0.2") as many:
        # Half of the room is anybody's; the rest is shared.
        assert [BUSY.encode() in await talk.heard() for talk in many[20:]] == [True] * 5
        assert all(talk.is_open for talk in many[:20])
        async with talking(site, 5, address="127.0.0.3") as others:
            for number, talk in enumerate(others):
                await talk.say(posted(site, report(str(number))))
                assert b" 200 " in await talk.answer()
    assert await refusals(site) == {"crowded": 5}
    await is_as_before(site)


@pytest.mark.parametrize("chosen", [{"max_connections": 40}])
async def test_a_trusted_proxy_speaks_for_many(site: Site, chosen: dict[str, Any]) -> None:
    site.collector.ingest.door.room.share = 5
    async with talking(site, 35) as many:
        for number, talk in enumerate(many):
            await talk.say(posted(site, report(str(number))))
            assert b" 200 " in await talk.answer()
    assert await refusals(site) == {}


async def test_requests_in_flight_are_bounded(site: Site) -> None:
    door = site.collector.ingest.door
    door.most = 3
    async with talking(site, 6) as talks:
        for talk in talks[:3]:
            await talk.say(posted(site, b"{", announced=100))
        await until(lambda: door.in_flight == 3)
        assert door.shut
        assert door.pressure is Pressure.SHED
        for talk in talks[3:]:  # connections that were open
            await talk.say(posted(site, report("one too many")))
            told = await talk.heard()
            assert BUSY.encode() in told
            assert b"Retry-After: 5" in told
            assert b"Connection: close" in told
        async with talking(site) as (new,):
            await new.say(posted(site, report("one too many")))
            assert BUSY.encode() in await new.heard()
        assert await refusals(site) == {"overloaded": 4}
        for talk in talks[:3]:
            await talk.say(b" " * 98 + b"}")
            assert b" 422 " in await talk.answer()
    assert (await site.metrics())["pinfall_reports_received_total"] == 3
    await is_as_before(site)


async def test_pipelined_requests_are_turned_away_too(site: Site) -> None:
    door = site.collector.ingest.door
    async with talking(site, 2) as (piped, other):
        await piped.say(posted(site, b"{", announced=100))
        await until(lambda: door.in_flight == 1)
        await other.say(posted(site, b"{", announced=100))
        await until(lambda: door.in_flight == 2)
        door.most = 2
        door._behind = True  # stays so until a sample says otherwise
        door._decide()
        door.sample = lambda late: None  # type: ignore[method-assign]
        await piped.say(b" " * 98 + b"}" + posted(site, report("2")))
        told = await piped.heard()
        assert (told.count(b" 422 "), told.count(b" 503 ")) == (1, 1)
        del door.sample
    await until(lambda: not door.shut)
    assert await refusals(site) == {"overloaded": 1}


async def test_large_slow_bodies_do_not_stop_small_ones(site: Site) -> None:
    door = site.collector.ingest.door
    door.bodies.most = 400_000
    site.collector.ingest.pace = Pace(seconds=3.0, grace=2.0)
    async with talking(site, 12) as talks:
        for talk in talks:
            await talk.say(posted(site, b"[" + b" " * 59_999, announced=200_000))
        # 60,000 each: six fit, where one address could hold that much.
        await until(lambda: door.bodies.used > 0 and door.refused["overloaded"] > 0)
        for number in range(10):
            assert (await site.post(report(str(number)))).json["accepted"] == 1
        large = report("large")
        told = await asyncio.gather(*(talk.heard() for talk in talks))
        refused = sum(BUSY.encode() in text for text in told)
        assert refused == door.refused["overloaded"] > 0
        assert refused + sum(b" 408 " in text for text in told) == 12
    await is_as_before(site)
    padded = large + b" " * 100_000
    assert (await site.post(padded)).json["accepted"] == 1
    assert door.bodies.used == 0


async def test_one_address_does_not_hold_all_memory_for_bodies(site: Site) -> None:
    door = site.collector.ingest.door
    door.bodies.most = 480_000  # a share is 60,000
    site.collector.ingest.pace = Pace(seconds=120.0, bytes_a_second=1)
    some = b"[" + b" " * 39_999
    async with talking(site, 12) as slow, talking(site, 4) as others:
        for talk in slow:
            await talk.say(posted(site, some, announced=200_000))
        # Up to half it is whoever comes; then four bodies, or 60,000 bytes, are the most.
        await until(lambda: door.refused["overloaded"] == 5)
        assert door.bodies.used == 7 * 40_000
        for number, talk in enumerate(others):
            forwarded = f"\r\nX-Forwarded-For: 198.51.100.{number}\r\nContent-Length".encode()
            request = posted(site, some, announced=200_000)
            await talk.say(request.replace(b"\r\nContent-Length", forwarded))
        await until(lambda: len(door.bodies.claims) == 11)
        assert door.bodies.used == 11 * 40_000
    await is_as_before(site)
    assert await refusals(site) == {"overloaded": 5}


async def test_a_loop_that_is_late_takes_nothing_new_until_it_is_not(site: Site) -> None:
    door = site.collector.ingest.door
    async with talking(site) as (talk,):
        for _ in range(200):
            time.sleep(1.2)
            await asyncio.sleep(0)
            if door.shut:
                break
            await asyncio.sleep(0.01)
        assert door.shut
        door.sample = lambda late: None  # type: ignore[method-assign]  # or it may be over too soon
        assert door.pressure is Pressure.SHED
        await talk.say(posted(site, report("late")))
        assert BUSY.encode() in await talk.heard()
        del door.sample
    assert (await refusals(site))["overloaded"] >= 1
    assert "overloaded" in (await site.get("/readyz"))[1]
    await until(lambda: not door.shut)
    await until(lambda: door.pressure is Pressure.NORMAL)
    await is_as_before(site)
    await until(lambda: door.warning is None)
    assert json.loads((await site.get("/readyz"))[1])["warnings"] == []


async def test_a_full_queue_shuts_the_door(site: Site) -> None:
    door = site.collector.ingest.door
    intake = site.collector.ingest.taking.intake
    intake._queued = intake.most
    await until(lambda: door.shut)
    async with talking(site) as (talk,):
        assert BUSY.encode() in await talk.heard()
    intake._queued = 0
    await until(lambda: not door.shut)
    await is_as_before(site)


async def test_answers_that_nobody_reads_do_not_pile_up(site: Site) -> None:
    door = site.collector.ingest.door
    async with talking(site) as (talk,):
        talk.writer.transport.pause_reading()  # type: ignore[attr-defined]
        request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 500
        async with asyncio.timeout(120):
            while not door.refused["too_slow"]:
                talk.writer.write(request)
                if talk.writer.transport.get_write_buffer_size() > 1_000_000:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0)
                if talk.writer.transport.is_closing():
                    break
        await until(lambda: not len(door.room))
    assert await refusals(site) == {"too_slow": 1}
