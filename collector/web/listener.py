"""The public listener's HTTP: aiohttp's own server, without an application on top of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from collector.web import answers
from collector.web.ingest import Ingest

KEEP_ALIVE = 75  # seconds that a connection may wait for its next request
_OPTIONS: dict[str, Any] = {
    "access_log": None,
    "keepalive_timeout": KEEP_ALIVE,
    "lingering_time": 1.0,  # seconds given to what is left of a body that was refused
    "auto_decompress": False,  # we do it, within limits
}


class Listener(web.Server):
    """One for each address that is listened on."""

    def __init__(self, ingest: Ingest) -> None:
        handler = cast("Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]", ingest.handle)
        super().__init__(handler, handler_cancellation=False, **_OPTIONS)
        self.ingest = ingest

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **_OPTIONS)


class _Connection(RequestHandler):
    """What is no HTTP is answered like everything else, and counted."""

    __slots__ = ("_ingest",)

    def __init__(self, manager: Listener, **options: Any) -> None:
        super().__init__(manager, **options)
        self._ingest = manager.ingest

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 (aiohttp's signature)
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002
        message: str | None = None,  # noqa: ARG002 (it quotes the request: not passed on)
    ) -> web.StreamResponse:
        if status < 500:
            self._ingest.metrics.refused.labels(reason="not_http").inc()
            answer = answers.problem(
                400, detail="No request of HTTP/1.1 that can be read.", closes=True
            )
        else:
            answer = answers.problem(500, closes=True)
        return cast("web.StreamResponse", answer)
