"""The public listener's HTTP: aiohttp's own server, without an application on top of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from collector.fingerprint import IPAddress
from collector.web import answers, shortcut
from collector.web.door import Door
from collector.web.ingest import Ingest
from collector.web.proxy_protocol import Header
from collector.web.refusal import Refused
from collector.web.room import HEAD_SECONDS, KEEP_ALIVE
from collector.web.secured import Handshake
from collector.web.short import read_plain
from collector.web.source import peer_of

_IDLE = (
    KEEP_ALIVE + 15.0
)  # aiohttp's own timer, behind the room's: it closes, and may wait for ever
_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": _IDLE,
    "lingering_time": 1.0,  # seconds given to what is left of a body that was refused
    "auto_decompress": False,  # we do it, within limits
}


class Listener(web.Server):
    """One for each address that is listened on.

    tls: handshakes are made here, not by the site. proxied: connections begin with a PROXY v2 header.
    """

    def __init__(
        self,
        ingest: Ingest,
        door: Door,
        tls: ssl.SSLContext | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        handler = cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", ingest.handle)
        super().__init__(handler, handler_cancellation=False, **_OPTIONS)
        self.ingest = ingest
        self.door = door
        self._tls = tls
        self._proxied = proxied

    def __call__(self) -> asyncio.Protocol:  # type: ignore[override]
        door = self.door
        if door.shut or door.room.is_full:  # before anything is made for it
            door.count("overloaded" if door.shut else "crowded")
            return Refused(door.lingering, says=self._tls is None)
        http = _Connection(self, loop=asyncio.get_running_loop(), **_OPTIONS)
        if self._tls is not None:
            return Handshake(door, http, self._tls)
        return Header(door, http) if self._proxied else http


class _Connection(RequestHandler):
    """One that takes room. Reads of aiohttp's own state when it began to wait, so that a request that
    comes at once costs next to nothing here.

    A request goes the short way only where aiohttp's parser holds nothing of one that is not whole: what
    follows half a head is the rest of it, whatever it looks like.
    """

    __slots__ = (
        "_door", "_early", "_fed", "_head", "_head_since", "_ingest", "_is_between", "_is_short", "_peer",
    )  # fmt: skip

    def __init__(self, manager: Listener, **options: Any) -> None:
        super().__init__(manager, **options)
        self._ingest = manager.ingest
        self._door = manager.door
        self._head_since = 0.0  # when a head began that is not whole yet; 0 for none
        self._is_short = False  # a request is on the short way
        self._is_between = (
            True  # the parser got whole requests only, and all of them have their answers
        )
        self._fed = 0  # bytes that the parser got of the request that it works on
        self._head = 0  # of these, its head
        self._early = b""  # what came behind it
        self._peer: IPAddress | None = None

    def waits_since(self) -> float | None:
        waiter = self._waiter
        if self._is_short:
            return None
        if (waiter is None or waiter.done()) and self._task_handler is not None:
            return None  # at work: a body has a pace of its own
        # No task: it is closing, and its peer does not take the last answer.
        return self._head_since or self._next_keepalive_close_time - _IDLE

    def patience(self) -> tuple[float, bool]:
        if self._head_since or not self._request_count:
            return HEAD_SECONDS, True
        return KEEP_ALIVE, False

    def end(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = cast("asyncio.Transport", transport)
        if self._door.room.enter(self, self._door.source(peer)):
            super().connection_made(transport)
            self._peer = peer_of(transport)
        else:
            self._refuse(peer)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.room.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        is_waiting = waiter is not None and not waiter.done()
        if self._is_short:
            self._keep_for_later(data)
        elif is_waiting and self._door.shut:
            self._turn_away()
        elif self._is_between and self._goes_short(data):
            self._is_short = self._request_in_progress = True  # a shutdown waits for it
            self._request_count += 1
        else:
            self._feed(data)
            if is_waiting and waiter is not None:
                if not waiter.done():
                    self._head_since = self._head_since or self._loop.time()
                elif self._head_since:
                    self._head_since = 0.0

    def _feed(self, data: bytes) -> None:
        """The long way."""
        if self._is_between:
            self._is_between = False
            self._fed, self._head = 0, data.find(b"\r\n\r\n") + 4
        self._fed += len(data)
        super().data_received(data)

    async def _handle_request(
        self, request: Any, start_time: float | None, request_handler: Any
    ) -> tuple[web.StreamResponse, bool]:
        """The next request often comes before aiohttp's task is back where it waits for it: after this one
        it may go the short way, if nothing else was behind it."""
        response, reset = await super()._handle_request(request, start_time, request_handler)
        self._is_between = (
            not reset
            and bool(response.keep_alive)
            and self._head > 3
            and self._head + (request.content_length or 0) == self._fed
        )
        return response, reset

    def _goes_short(self, data: bytes) -> bool:
        """For aiohttp this connection goes on waiting meanwhile, or begins to."""
        if self._close or self._force_close or self._peer is None:
            return False
        plain = read_plain(data)
        return plain is not None and shortcut.take(
            self._ingest, plain, self._peer, monotonic(), self._answer
        )

    def _answer(self, told: bytes, closes: bool) -> None:
        """Of the short way."""
        self._is_short = self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        transport.write(told)
        self._next_keepalive_close_time = self._loop.time() + _IDLE
        if closes:
            self.force_close()
        elif self._early:
            early, self._early = self._early, b""
            transport.resume_reading()
            self.data_received(early)

    def _keep_for_later(self, data: bytes) -> None:
        """One answer after the other; a peer that does not wait for them is not read meanwhile."""
        if not self._early and self.transport is not None:
            self.transport.pause_reading()
        self._early += data

    def pause_writing(self) -> None:
        """A peer that asks on and on and reads no answer, so that they pile up in memory."""
        super().pause_writing()
        self._door.count("too_slow")
        self.end()

    def _turn_away(self) -> None:
        """A request, before it is parsed."""
        self._door.count("overloaded")
        transport, self.transport = self.transport, None
        self.connection_lost(None)
        if transport is not None:
            self._refuse(transport)

    def _refuse(self, transport: asyncio.Transport) -> None:
        refused = Refused(self._door.lingering)
        transport.set_protocol(refused)
        refused.connection_made(transport)

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 (aiohttp's signature)
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002 (it quotes the request: not passed on)
    ) -> web.StreamResponse:
        if status < 500:
            self._door.count("not_http")
            answer = answers.problem(
                400, detail="No request of HTTP/1.1 that can be read.", closes=True
            )
        else:
            answer = answers.problem(500, closes=True)
        return cast("web.StreamResponse", answer)
