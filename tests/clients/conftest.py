"""An app that uses OkHttp, a TLS server that it calls, and a recorder in the collector's place."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.clients.jars import VERSIONS, compiled, java
from tests.conftest import Clock
from tests.make import Issued, issue
from tests.web.conftest import LOCAL

ROOT = Path(__file__).parents[2]
SOURCES = (
    ROOT / "docs" / "okhttp" / "PinfallReporter.java",
    Path(__file__).with_name("Drive.java"),
)
PINNED, GOOD, OTHER = "api.pinned.test", "good.pinned.test", "other.test"
PATIENCE = 300  # seconds; reached only by what hangs


@dataclass(frozen=True)
class App:
    """Drive.java with one OkHttp."""

    version: str
    classpath: str

    async def __call__(self, *steps: object) -> list[str]:
        """Do the steps; how its calls ended, one line each."""
        process = await asyncio.create_subprocess_exec(
            java(), "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", self.classpath, "Drive", *map(str, steps),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, err.decode()
        return out.decode().splitlines()


@pytest.fixture(scope="session", params=VERSIONS)
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> App:
    place = tmp_path_factory.mktemp(f"okhttp-{request.param}")
    return App(request.param, compiled(request.param, place, *SOURCES))


@pytest.fixture
def clock() -> Clock:
    """The real time: the JVM checks certificates by it."""
    return Clock(datetime.now(UTC))


@dataclass(frozen=True)
class Served:
    """A TLS server of real certificates, and what an app needs to call it."""

    leaf: Issued
    root: Path
    port: int

    def url(self, host: str, path: str = "/") -> str:
        return f"https://{host}:{self.port}{path}"


@pytest.fixture
async def served(tmp_path: Path, clock: Clock) -> AsyncIterator[Served]:
    """Leaf and intermediate for the hosts' names, but not for OTHER; `/to/<host>` redirects."""
    start = clock.now - timedelta(days=1)
    root = issue("Pinfall Test Root", ca=True, start=start)
    intermediate = issue("Pinfall Test Intermediate", root, ca=True, start=start)
    leaf = issue(PINNED, intermediate, sans=(PINNED, GOOD), start=start)
    chain, key, anchor = (tmp_path / name for name in ("chain.pem", "key.pem", "root.pem"))
    chain.write_text(leaf.pem + intermediate.pem)
    key.write_bytes(leaf.key_pem)
    anchor.write_text(root.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    async def answer(request: web.Request) -> web.Response:
        _, _, host = request.path.partition("/to/")
        if host:
            raise web.HTTPFound(f"https://{host}:{request.url.port}/")
        return web.Response(text="ok")

    async for port in _serving(answer, context):
        yield Served(leaf, anchor, port)


@dataclass
class Recorder:
    """Takes what a collector would take, and keeps it."""

    url: str = ""
    status: int = 200
    reports: list[dict[str, Any]] = field(default_factory=list)
    connections: list[list[dict[str, Any]]] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        if (request.method, request.path, request.content_type) == (
            "POST", "/r/KEY", "application/json",
        ):  # fmt: skip
            self.reports.append(await request.json())
        elif (request.method, request.path) == ("POST", "/r/KEY/connections"):
            self.connections.append(await request.json())
        else:
            self.unexpected.append(f"{request.method} {request.path} {request.content_type}")
        return web.json_response({"accepted": 1}, status=self.status)


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    made = Recorder()
    async for port in _serving(made.answer):
        made.url = f"http://{LOCAL.host}:{port}/r/KEY"
        yield made
    assert not made.unexpected


async def _serving(answer: Any, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOCAL.host, 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
