"""TLS of our own: asked for only after the door let the connection in.

asyncio's own way makes the handshake first, which costs more than a report, and shows nothing of a
connection that does not finish it.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from collector.web.door import Door
from collector.web.refusal import Refused
from collector.web.room import HEAD_SECONDS


class Handshake(asyncio.Protocol):
    """Lets the connection in, then hands it to HTTP.

    It is what stands where TLS will be, and then, until the handshake is over, where HTTP will be: what
    is read meanwhile is kept for the one that comes.
    """

    def __init__(self, door: Door, http: asyncio.Protocol, context: ssl.SSLContext) -> None:
        self._door = door
        self._http = http
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = b""
        self._lost = False

    def waits_since(self) -> float | None:
        return self._began

    def patience(self) -> tuple[float, bool]:
        return HEAD_SECONDS, True

    def end(self) -> None:
        assert self._transport is not None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass of it
        if not self._door.room.enter(self, self._door.source(self._transport)):
            refused = Refused(self._door.lingering, says=False)
            self._transport.set_protocol(refused)
            refused.connection_made(self._transport)
            return
        # Two turns of the loop from now TLS is there, and takes what came before it.
        self._task = self._loop.create_task(self._secure(self._transport))
        self._loop.call_soon(self._loop.call_soon, self._feed)

    async def _secure(self, plain: asyncio.Transport) -> None:
        try:
            transport = await self._loop.start_tls(
                plain,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HEAD_SECONDS + 1,  # the sweep comes first, and counts it
            )
        except OSError:  # ssl.SSLError is one, and so is a timeout
            plain.abort()
            transport = None
        self._door.room.leave(self)
        # One that was lost meanwhile is no error to every loop: then TLS is there, over nothing.
        if transport is None or self._lost or plain.is_closing():
            return
        transport.set_protocol(self._http)
        self._http.connection_made(transport)
        if self._early and transport.get_protocol() is self._http:  # which may have refused it
            self._http.data_received(self._early)

    def _feed(self) -> None:
        assert self._transport is not None
        early, self._early = self._early, b""
        tls = self._transport.get_protocol()
        while early and tls is not self and not self._transport.is_closing():
            into = cast("asyncio.BufferedProtocol", tls)
            buffer = memoryview(into.get_buffer(len(early)))
            size = min(len(buffer), len(early))
            buffer[:size] = early[:size]
            early = early[size:]
            into.buffer_updated(size)

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._lost = True
        self._door.room.leave(self)
