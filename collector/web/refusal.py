"""A connection that is turned away: one answer that is always the same, then the end."""

from __future__ import annotations

import asyncio
from typing import cast

from collector.web import answers

_POLITE = 1.0  # seconds that the peer gets to read the answer
_MOST = 128  # that get them at a time: each holds a descriptor

OVERLOADED = answers.problem(
    503, detail="More than can be taken now.", more="Retry-After: 5\r\n", closes=True
)
_RAW = OVERLOADED.raw()


class Lingering:
    """Peers that have their answer and are heard out, so that a reset does not overtake it."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Transport, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def take(self, transport: asyncio.Transport) -> bool:
        if len(self._since) >= _MOST:
            return False
        self._since[transport] = asyncio.get_running_loop().time()
        return True

    def leave(self, transport: asyncio.Transport) -> None:
        self._since.pop(transport, None)

    def sweep(self, now: float) -> None:
        for transport in [t for t, since in self._since.items() if now - since >= _POLITE]:
            self.leave(transport)
            transport.abort()


class Refused(asyncio.Protocol):
    """says: False where the peer does not understand us yet: it waits for a TLS handshake."""

    def __init__(self, lingering: Lingering, *, says: bool = True) -> None:
        self._lingering = lingering
        self._says = says
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._says:
            self._transport.abort()
            return
        self._transport.write(_RAW)
        if self._transport.can_write_eof() and self._lingering.take(self._transport):
            self._transport.write_eof()
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Not of interest."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        if self._transport is not None:
            self._lingering.leave(self._transport)
