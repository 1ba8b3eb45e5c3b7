"""A real HTTP server that plays a receiver, and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SECRET = "hunter2"  # in the path of each address: no error may hold it


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """``answers``: one for each request, the last one for all that follow."""

    port: int
    answers: list[str] = field(default_factory=lambda: ["200"])
    asked: list[Asked] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)  # ends what is "held"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        headers = dict(request.headers)
        self.asked.append(Asked(request.method, request.path, headers, await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        words, _, more = answer.partition(" ")
        match words:
            case "held":
                await self.release.wait()
            case "slow":
                await asyncio.sleep(3600)
            case "huge":
                return await self._huge(request)
            case "cut":
                assert request.transport is not None
                request.transport.abort()
            case "redirect":
                return web.Response(status=302, headers={"Location": f"{self.url}/elsewhere"})
            case _:
                told = {"Retry-After": more} if more else {}
                return web.Response(status=int(words), text=f"no, {SECRET}!", headers=told)
        return web.Response()

    async def _huge(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:  # until somebody hangs up
                await response.write(b"x" * 65536)
        return response


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver(0)
    runner = web.ServerRunner(web.Server(receiver.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def nobody() -> int:
    """A port of this machine where nobody listens."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
