"""The short way: what goes it, what does not, and that a connection on it is like any other."""

import asyncio

import pytest

from collector.web.short import Plain, read_plain
from tests.make import body, neutral
from tests.web.conftest import Site

KEY = "abcDEF_-0123456789"
LINES = (f"POST /r/{KEY} HTTP/1.1", "Host: x", "Content-Length: 2")


def request(*lines: str, raw: bytes = b"{}") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + raw


def test_a_plain_request_is_read() -> None:
    told = request(
        *LINES,
        "x-forwarded-for:203.0.113.7 ",
        "User-Agent: Wallet/8 (iPhone; iOS 17)",
        "Content-Type: application/json",
        "Accept-Encoding:",
        "connection: Keep-Alive",
    )
    expected = Plain(KEY, "203.0.113.7", "Wallet/8 (iPhone; iOS 17)", b"{}")
    assert read_plain(told) == expected


@pytest.mark.parametrize(
    "line",
    [
        "Host: y",
        "Content-Length: 2",
        "Transfer-Encoding: chunked",
        "transfer-encoding: identity",
        "Connection: close",
        "Connection: keep-alive, upgrade",
        "Upgrade: h2c",
        "Expect: 100-continue",
        "Forwarded: for=203.0.113.7",
        "Origin: null",
        "Sec-Fetch-Mode: cors",
        "X: a\x00b",
        "X: a\tb",
        "X: a\xe9b",
        "X: a\rY: b",
        "X: a\nY: b",
        " folded",
        "X",
        ": x",
        "X : x",
        "X(y): x",
        "X: " + "y" * 5000,
    ],
)
def test_one_odd_header_is_enough_to_go_the_long_way(line: str) -> None:
    assert read_plain(request(*LINES, "X-Plain: x")) is not None
    assert read_plain(request(*LINES, line)) is None


@pytest.mark.parametrize(
    "told",
    [
        request(*LINES, raw=b""),
        request(*LINES, raw=b"{"),
        request(*LINES, raw=b"{}POST"),
        request(*LINES)[:-1],
        request(LINES[0], LINES[2]),
        request(*LINES[:2]),
        request(*LINES[:2], "Content-Length: +2"),
        request(*LINES[:2], "Content-Length: 0x2"),
        request(*LINES[:2], "Content-Length: 2, 2"),
        request(*LINES[:2], "Content-Length: \xb2"),
        request(*LINES[:2], "Content-Length: 0000002"),
        request("GET" + LINES[0][4:], *LINES[1:]),
        request(LINES[0][:-1] + "0", *LINES[1:]),
        request(LINES[0] + " ", *LINES[1:]),
        request(LINES[0].replace(KEY, KEY + "?key=x"), *LINES[1:]),
        request(LINES[0].replace(KEY, KEY + "/connections"), *LINES[1:]),
        request(LINES[0].replace(KEY, "%41"), *LINES[1:]),
        request(LINES[0].replace(KEY, ""), *LINES[1:]),
        request(*LINES, *("X: y" for _ in range(60))),
        b"\r\n" + request(*LINES),
        b"",
    ],
)
def test_what_is_not_whole_or_not_plain_goes_the_long_way(told: bytes) -> None:
    assert read_plain(told) is None


@pytest.mark.parametrize("name", ["X-Forwarded-For: ", "x-forwarded-for: ", "X-FORWARDED-FOR:"])
@pytest.mark.parametrize("place", [1, 2, 3])
def test_heads_that_are_alike_but_for_the_address(name: str, place: int) -> None:
    for address in ("203.0.113.7", "198.51.100.9", ""):
        lines = [*LINES[:place], name + address, *LINES[place:]]
        assert read_plain(request(*lines)) == Plain(KEY, address, None, b"{}")
    assert read_plain(request(*LINES)) == Plain(KEY, None, None, b"{}")


@pytest.mark.parametrize(
    "more",
    [
        ["X-Forwarded-For: 198.51.100.9"],
        ["x-forwarded-for: 198.51.100.9"],
        ["X-Forwarded-For:"],
        [" folded"],
        ["Transfer-Encoding: chunked"],
    ],
)
def test_a_plain_address_makes_nothing_plain_that_stands_beside_it(more: list[str]) -> None:
    told = "X-Forwarded-For: 203.0.113.7"
    assert read_plain(request(*LINES, told)) is not None
    assert read_plain(request(*LINES, told, *more)) is None
    assert read_plain(request(*LINES, *more, told)) is None


@pytest.mark.parametrize("value", ["a\rY: b", "a\nY: b", "a\x00", "\xe9", "a\tb"])
def test_an_odd_address_goes_the_long_way(value: str) -> None:
    for name in ("X-Forwarded-For: ", "x-forwarded-for: "):
        assert read_plain(request(*LINES, name + value)) is None


def report(key: str, number: str) -> bytes:
    raw = body(neutral(event_id=number))
    lines = (f"POST /r/{key} HTTP/1.1", "Host: x", f"Content-Length: {len(raw)}")
    return request(*lines, raw=raw)


async def answers(reader: asyncio.StreamReader, count: int) -> list[bytes]:
    found = []
    async with asyncio.timeout(20):
        for _ in range(count):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            found.append(head[9:12] + b" " + await reader.readexactly(length))
    return found


async def test_requests_that_do_not_wait_are_answered_in_their_order(site: Site) -> None:
    """What comes while another is on the short way waits, in one piece or in many, odd or plain."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    unknown = report("unknown-key-of-22-chars", "3").replace(b"Host", b"Connection: close\r\nHost")
    for told in (report(site.key, "1"), report(site.key, "1"), report(site.key, "2"), unknown):
        writer.write(told[:100])
        await writer.drain()
        writer.write(told[100:])
        await writer.drain()
    one, again, two, refused = await answers(reader, 4)
    assert one.startswith(b'200 {"accepted":1,"duplicates":0,')
    assert again.startswith(b'200 {"accepted":0,"duplicates":1,')
    assert two == one
    assert refused.startswith(b"403 ")
    assert await reader.read() == b""
    writer.close()


async def test_pieces_of_many_requests(site: Site) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    told = b"".join(report(site.key, f"many {i}") for i in range(40))
    for at in range(0, len(told), 777):
        writer.write(told[at : at + 777])
        await writer.drain()
        await asyncio.sleep(0)
    found = await answers(reader, 40)
    assert {a.partition(b",")[0] for a in found} == {b'200 {"accepted":1'}
    writer.close()
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 40


async def test_who_goes_away_is_counted_all_the_same(site: Site) -> None:
    door = site.collector.ingest.door
    for number in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
        writer.write(report(site.key, f"gone {number}"))
        await writer.drain()
        if number % 2:
            writer.transport.abort()
        else:
            writer.close()
    async with asyncio.timeout(20):
        while door.in_flight or len(door.room):
            await asyncio.sleep(0.02)
    metrics = await site.metrics()
    assert metrics["pinfall_waiting_reports"] == 0
    stored = await site.pool.fetchval("SELECT count(*) FROM violation")
    assert stored == metrics["pinfall_reports_received_total"]
    assert metrics["pinfall_ingest_seconds_count"] >= stored


async def test_a_shutdown_waits_for_the_answer(site: Site) -> None:
    """It holds a lock that the commit waits for, and lets go after the shutdown began."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    (server,) = {held._manager for held in await _held(site)}  # type: ignore[attr-defined]
    async with site.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("LOCK TABLE sighting IN SHARE MODE")
        writer.write(report(site.key, "last"))
        async with asyncio.timeout(20):
            while not site.collector.ingest.door.in_flight:
                await asyncio.sleep(0.01)
        server.pre_shutdown()
        stopping = asyncio.create_task(server.shutdown(15.0))
        await asyncio.sleep(0.1)
        assert not stopping.done()
        await transaction.rollback()
    (told,) = await answers(reader, 1)
    assert told.startswith(b'200 {"accepted":1')
    await stopping
    assert await reader.read() == b""
    writer.close()


async def _held(site: Site) -> list[object]:
    room = site.collector.ingest.door.room
    async with asyncio.timeout(20):
        while not len(room):
            await asyncio.sleep(0.01)
    return list(room._open)


@pytest.mark.parametrize(
    ("more", "times"), [("X: y", 0), ("Connection: keep-alive", 0), ("TE: trailers", 1)]
)
async def test_a_plain_request_is_nothing_to_aiohttp(site: Site, more: str, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    (server,) = {held._manager for held in await _held(site)}  # type: ignore[attr-defined]
    writer.write(report(site.key, "plain").replace(b"Host", more.encode() + b"\r\nHost", 1))
    (told,) = await answers(reader, 1)
    assert told.startswith(b'200 {"accepted":1')
    assert server.requests_count == times
    writer.close()


async def test_the_rest_of_half_a_head_is_no_request_whatever_it_looks_like(site: Site) -> None:
    """Else whoever can choose where a head is cut sends requests that a proxy in front never saw."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    half = f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nX-Plain: ".encode()
    writer.write(report(site.key, "1") + half)
    (one,) = await answers(reader, 1)
    assert one.startswith(b'200 {"accepted":1')
    await asyncio.sleep(0.1)  # the server waits for the rest by now
    writer.write(report(site.key, "2"))
    (other,) = await answers(reader, 1)
    assert other.startswith(b"400 ")  # two of the lines that there may be one of
    assert await site.pool.fetchval("SELECT count(*) FROM violation") == 1
    writer.close()


async def test_a_connection_whose_first_request_was_odd_comes_back_to_the_short_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: list[bytes] = []

    def noting(data: bytes) -> Plain | None:
        found = read_plain(data)
        plain.append(b"" if found is None else found.body)
        return found

    monkeypatch.setattr("collector.web.listener.read_plain", noting)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.collector.public_port)
    odd = report(site.key, "1").replace(b"Host", b"Expect: 100-continue\r\nHost")
    writer.write(odd)
    async with asyncio.timeout(20):
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
    await answers(reader, 1)
    writer.write(report(site.key, "2"))
    await answers(reader, 1)
    assert plain[0] == b""
    assert b'"2"' in plain[1]
    writer.close()
