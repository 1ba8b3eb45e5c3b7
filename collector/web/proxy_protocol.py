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

from collector.web.door import Door
from collector.web.refusal import Refused

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
_SECONDS = 5.0  # for the header
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


class Header(asyncio.Protocol):
    """Reads the header, then hands the connection to HTTP. Until then it takes room, and no one's
    share of it: the balancer speaks for many."""

    def __init__(self, door: Door, http: asyncio.Protocol) -> None:
        self._door = door
        self._http = http
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._began = asyncio.get_running_loop().time()

    def waits_since(self) -> float | None:
        return self._began

    def patience(self) -> tuple[float, bool]:
        return _SECONDS, True

    def end(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass of it
        if not self._door.room.enter(self, None):
            refused = Refused(self._door.lingering)
            self._transport.set_protocol(refused)
            refused.connection_made(self._transport)

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
        self._door.room.leave(self)
        transport = self._transport if peer is None else _Peer(self._transport, peer)
        self._transport.set_protocol(self._http)
        self._http.connection_made(transport)
        # HTTP may have refused it.
        if self._data[length:] and self._transport.get_protocol() is self._http:
            self._http.data_received(self._data[length:])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._door.room.leave(self)
