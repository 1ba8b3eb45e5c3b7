"""Fixtures: a real PostgreSQL a session, a fresh copy of the schema a test, a running collector."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.intake.maintain import AHEAD
from collector.store import violations
from collector.store.migrate import migrate
from tests.make import NOON

settings.register_profile(
    "pinfall",
    deadline=None,  # speed is measured in bench/
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("pinfall")

FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "64MB",  # there is a server for each process of tests
    "max_connections": "200",
}
TEMPLATE = "pinfall_template"


def pytest_configure(config: pytest.Config) -> None:
    # A tool that is missing: reason, with the apt line. See tests/tools.py.
    config.addinivalue_line(
        "markers", "tool(name): needs a program that is not part of the project"
    )


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("PINFALL_") and not name.startswith(
            ("PINFALL_TEST_", "PINFALL_CHECKOUT")
        ):
            monkeypatch.delenv(name)


class Copying(Server):
    """A server whose copies of the schema are made over one connection, in a loop of its own: each new
    connection would read all catalogues again, which takes longer than the copy."""

    admin: asyncpg.Connection
    loop: asyncio.AbstractEventLoop

    async def run(self, statement: str) -> None:
        told = asyncio.run_coroutine_threadsafe(self.admin.execute(statement), self.loop)
        await asyncio.wrap_future(told)

    @contextmanager
    def copying(self) -> Iterator[None]:
        self.loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        try:
            connecting = asyncpg.connect(self.url("postgres"))
            self.admin = asyncio.run_coroutine_threadsafe(connecting, self.loop).result()
            yield
            asyncio.run_coroutine_threadsafe(self.admin.close(), self.loop).result()
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            thread.join()
            self.loop.close()


async def _days(url: str) -> None:
    """Partitions that each collector would make first."""
    connection = await asyncpg.connect(url)
    for day in range(AHEAD):
        await violations.make_partition(connection, NOON.date() + timedelta(days=day))
    await connection.close()


def started(directory: Path, binaries: str | None = None) -> Iterator[Server]:
    """A migrated template in a server that forgets on a power cut, and is fast."""
    with opened(directory, binaries) as data:
        server = Copying(data, FAST)
        try:
            server.start()
            with server.copying():
                asyncio.run(server.run(f"CREATE DATABASE {TEMPLATE}"))
                migrate(server.url(TEMPLATE))
                asyncio.run(_days(server.url(TEMPLATE)))
                yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from started(tmp_path_factory.mktemp("pg"))


@asynccontextmanager
async def fresh_database(server: Server) -> AsyncIterator[str]:
    """A fresh copy of the migrated schema."""
    assert isinstance(server, Copying)
    name = f"test_{uuid.uuid4().hex}"
    await server.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    yield server.url(name)
    await server.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_url(server: Server) -> AsyncIterator[str]:
    async with fresh_database(server) as url:
        yield url


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=8) as opened_pool:
        yield opened_pool


@pytest.fixture
async def connection(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    async with pool.acquire() as acquired:
        yield acquired


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def by_itself() -> bool:
    """Whether a collector's background tasks run: else a test says when."""
    return False
