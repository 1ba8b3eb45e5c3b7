import ipaddress
import socket
import struct
from typing import Any

import pytest

from collector.intake.prepare import canonical
from collector.web.proxy_protocol import parse
from collector.web.source import OneAddress, client_address
from tests.make import neutral, okhttp_text
from tests.web.conftest import Site

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:ff::/48"))


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "forwarded", "client"),
    [
        pytest.param("198.51.100.1", ["203.0.113.9"], [], "198.51.100.1", id="direct forgery"),
        pytest.param("10.0.0.1", ["203.0.113.9"], [], "203.0.113.9", id="one proxy"),
        pytest.param(
            "10.0.0.1",
            ["1.2.3.4, 203.0.113.9"],
            [],
            "203.0.113.9",
            id="what the client wrote is left",
        ),
        pytest.param("10.0.0.1", ["203.0.113.9, 10.0.0.2"], [], "203.0.113.9", id="two hops"),
        pytest.param(
            "10.0.0.1", ["203.0.113.9", "10.0.0.2"], [], "203.0.113.9", id="two header lines"
        ),
        pytest.param("10.0.0.1", [], [], "10.0.0.1", id="the proxy itself"),
        pytest.param("10.0.0.1", ["10.0.0.3, 10.0.0.2"], [], "10.0.0.3", id="only proxies"),
        pytest.param("2001:db8:ff::1", ["2001:db8:1::9"], [], "2001:db8:1::9", id="IPv6"),
        pytest.param("10.0.0.1", ["[2001:db8:1::9]:443"], [], "2001:db8:1::9", id="IPv6 with port"),
        pytest.param("10.0.0.1", ["203.0.113.9:4711"], [], "203.0.113.9", id="IPv4 with port"),
        pytest.param("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], [], "203.0.113.9", id="mapped"),
        pytest.param(
            "10.0.0.1", ["203.0.113.9, unknown"], [], "10.0.0.1", id="malformed ends the walk"
        ),
        pytest.param("10.0.0.1", ["203.0.113.9, , "], [], "10.0.0.1", id="empty entries"),
        pytest.param("10.0.0.1", ["x" * 9000], [], "10.0.0.1", id="garbage"),
        pytest.param(
            "10.0.0.1",
            [],
            ['for="[2001:db8:1::9]:4711";proto=https'],
            "2001:db8:1::9",
            id="Forwarded",
        ),
        pytest.param(
            "10.0.0.1",
            [],
            ["for=1.2.3.4, For=203.0.113.9;by=x"],
            "203.0.113.9",
            id="Forwarded, rightmost",
        ),
        pytest.param("10.0.0.1", [], ["for=_hidden"], "10.0.0.1", id="an obfuscated name"),
        pytest.param(
            "10.0.0.1", ["203.0.113.9"], ["for=1.2.3.4"], "10.0.0.1", id="the two disagree"
        ),
        pytest.param(
            "10.0.0.1", ["203.0.113.9"], ["for=203.0.113.9"], "203.0.113.9", id="the two agree"
        ),
    ],
)
def test_who_sent_it(
    peer: str, forwarded_for: list[str], forwarded: list[str], client: str
) -> None:
    assert str(client_address(canonical(peer), forwarded_for, forwarded, TRUSTED)) == client


def test_without_proxies_headers_say_nothing() -> None:
    assert (
        str(client_address(canonical("127.0.0.1"), ["1.2.3.4"], ["for=1.2.3.4"], ())) == "127.0.0.1"
    )


def test_all_from_one_address_is_noticed() -> None:
    watch = OneAddress()
    watch.saw(canonical("198.51.100.1"), 999)
    assert watch.warning is None
    watch.saw(canonical("198.51.100.200"))
    assert watch.warning == "all reports come from one address: set PINFALL_TRUSTED_PROXIES"
    watch.saw(canonical("203.0.113.1"), 51)
    assert watch.warning is None


@pytest.mark.parametrize("chosen", [{"trusted_proxies": ()}])
async def test_the_warning_is_shown(site: Site, chosen: dict[str, Any]) -> None:
    await site.post([neutral(event_id=str(i)) for i in range(1000)])
    status, text = await site.get("/readyz")
    assert status == 200
    assert "PINFALL_TRUSTED_PROXIES" in text
    assert "PINFALL_TRUSTED_PROXIES" in (await site.get("/"))[1]


async def test_the_same_text_counts_by_sender(site: Site) -> None:
    answers = [await site.post(okhttp_text(), address=f"198.51.100.{i}") for i in (1, 2, 1)]
    assert [a.json["accepted"] for a in answers] == [1, 1, 0]
    assert answers[2].json["duplicates"] == 1


def proxy_header(source: str, *, command: int = 0x21) -> bytes:
    address = ipaddress.ip_address(source)
    family = 0x11 if address.version == 4 else 0x21
    other = address.packed
    body = address.packed + other + struct.pack("!HH", 4711, 443)
    return (
        b"\r\n\r\n\x00\r\nQUIT\n" + bytes([command, family]) + struct.pack("!H", len(body)) + body
    )


def test_proxy_protocolproxy_header() -> None:
    header = proxy_header("198.51.100.7")
    assert parse(header + b"POST") == (28, ("198.51.100.7", 4711))
    assert parse(proxy_header("2001:db8::7")) == (52, ("2001:db8::7", 4711))
    assert parse(proxy_header("198.51.100.7", command=0x20)) == (28, None)
    assert [parse(header[:cut]) for cut in range(28)] == [None] * 28
    for bad in (
        b"POST / HTTP/1.1",
        header[:12] + b"\x31" + header[13:],
        header[:14] + b"\xff\xff",
        b"PROXY TCP4",
    ):
        with pytest.raises(ValueError, match="PROXY"):
            parse(bad)


def _talk(port: int, sent: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(sent)
        try:
            return connection.recv(65536)
        except ConnectionError:
            return b""


@pytest.mark.parametrize("chosen", [{"proxy_protocol": True, "trusted_proxies": ()}])
async def test_proxy_protocol(site: Site, chosen: dict[str, Any]) -> None:
    import asyncio

    text = okhttp_text().encode()
    head = f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(text)}\r\n\r\n"
    request = head.encode() + text
    port = site.collector.public_port
    answers = [
        await asyncio.to_thread(_talk, port, proxy_header(source) + request)
        for source in ("198.51.100.7", "198.51.100.8", "2001:db8::7", "198.51.100.7")
    ]
    assert [b'"accepted":1' in a for a in answers] == [True, True, True, False]
    assert await asyncio.to_thread(_talk, port, request) == b""  # nobody may leave it out
    assert await asyncio.to_thread(_talk, port, b"\r\n\r\n\x00\r\nQUIT\nXXXXXXXX") == b""
