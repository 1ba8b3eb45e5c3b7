"""PROXY protocol version 2: a load balancer that does not speak HTTP says who the client is.

Without TLS: balancers send the header before the handshake, and terminate TLS themselves. Only where
it was asked for: then every connection must begin with a header, so that nobody can
leave it out; what does not is closed.
Source: haproxy.org, proxy-protocol.txt, section 2.2.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any, cast

from aiohttp import web

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
_MOST = 536  # bytes of addresses and TLVs
_LOCAL, _PROXY = 0x20, 0x21
_SIZES = {0x11: 4, 0x12: 4, 0x21: 16, 0x22: 16}  # TCP and UDP over IPv4 and IPv6


def parse(data: bytes) -> tuple[int, tuple[str, int] | None] | None:
    """(length of the header, source address and port, or None for the proxy itself).

    None: more bytes are needed. Raises ValueError where it is no such header.
    """
    if not data.startswith(_SIGNATURE[: len(data)]):
        raise ValueError("no PROXY v2 signature")
    if len(data) < _FIXED:
        return None
    command, family = data[12], data[13]
    size = int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY) or size > _MOST:
        raise ValueError("not PROXY v2")
    if len(data) < _FIXED + size:
        return None
    length = _SIZES.get(family)
    if command == _LOCAL or length is None:
        return _FIXED + size, None
    if size < 2 * length + 4:
        raise ValueError("PROXY v2 addresses are cut")
    address = ipaddress.ip_address(data[_FIXED : _FIXED + length])
    at = _FIXED + 2 * length
    return _FIXED + size, (str(address), int.from_bytes(data[at : at + 2], "big"))


class _Peer(asyncio.Transport):
    """The transport, with the client's address as its peer."""

    def __init__(self, transport: asyncio.Transport, peer: tuple[str, int]) -> None:
        super().__init__()
        self._transport = transport
        self._peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._peer if name == "peername" else self._transport.get_extra_info(name, default)

    def __getattribute__(self, name: str) -> Any:
        if name in ("get_extra_info", "_transport", "_peer", "__class__"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_transport"), name)


class _Header(asyncio.Protocol):
    """Reads the header, then hands the connection to HTTP."""

    def __init__(self, http: asyncio.Protocol) -> None:
        self._http = http
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass of it
        self._timer = asyncio.get_running_loop().call_later(5.0, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._data += data
        try:
            found = parse(self._data)
        except ValueError:
            self._transport.abort()
            return
        if found is None:
            return
        length, peer = found
        if self._timer:
            self._timer.cancel()
        transport = self._transport if peer is None else _Peer(self._transport, peer)
        self._transport.set_protocol(self._http)
        self._http.connection_made(transport)
        if self._data[length:]:
            self._http.data_received(self._data[length:])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        if self._timer:
            self._timer.cancel()


def accept_proxy_protocol(runner: web.BaseRunner) -> None:
    """Make every connection of a set-up runner begin with a PROXY v2 header."""
    server = runner.server
    assert server is not None
    make = type(server).__call__

    class Proxied(type(server)):  # type: ignore[misc]
        def __call__(self) -> asyncio.Protocol:
            return _Header(make(self))

    server.__class__ = Proxied
