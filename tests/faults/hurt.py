"""A real PostgreSQL that is killed, stopped, held up, made read-only or left without a disk.

It keeps its promises: fsync and synchronous_commit are on, unlike in the other tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import asyncpg

from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.store import projects
from collector.store.migrate import migrate
from tests.make import NOON

T = TypeVar("T")
PROJECTS = ("one", "two")
_OPTIONS = {
    "max_connections": "30",
    "shared_buffers": "32MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
    "autovacuum_naptime": "20s",
}
_DATABASE = "faults"


def children(pid: int) -> list[int]:
    """Processes that a process started, and that run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if int(parent) == pid and state != "Z":
                    found.append(int(entry.name))
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Database:
    """``keys``: an ingest key of each project, by name. Use it as an async context manager."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.keys: dict[str, str] = {}
        self._stack = contextlib.ExitStack()
        # A server ends with the thread that started it: this one lives as long.
        self._thread = ThreadPoolExecutor(1, "postgres")
        self._held: list[asyncpg.Connection] = []

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def __aenter__(self) -> Self:
        """On a cluster that is there already: a fresh database in it."""

        def make() -> Server:
            server = Server(self._stack.enter_context(opened(self.place, None)), _OPTIONS)
            server.start()
            return server

        self._server = await self._do(make)
        self._stack.callback(self._thread.shutdown)
        try:
            await self._fill()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _fill(self) -> None:
        self._admin = self._server.url("postgres")
        self.url = self._server.url(_DATABASE)
        await self._run(self._admin, f"DROP DATABASE IF EXISTS {_DATABASE} WITH (FORCE)")
        await self._run(self._admin, f"CREATE DATABASE {_DATABASE}")
        await self._do(lambda: migrate(self.url))
        async with self.connected() as connection:
            there = {row["name"] for row in await projects.listed(connection)}
            for name in PROJECTS:
                if name not in there:
                    await projects.add(connection, name, (), NOON)
                self.keys[name] = await projects.add_key(
                    connection,
                    name,
                    app="wallet",
                    environment="production",
                    trusted=False,
                    now=NOON,
                )

    async def __aexit__(self, *_: object) -> None:
        await self.release()
        await self._do(self._server.stop)
        self._stack.close()

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        connection = await asyncpg.connect(self.url, timeout=30)
        try:
            yield connection
        finally:
            await connection.close(timeout=10)

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        async with self.connected() as connection:
            return await connection.fetch(statement, *values)

    async def _run(self, url: str, statement: str) -> None:
        connection = await asyncpg.connect(url, timeout=30)
        try:
            await connection.execute(statement)
        finally:
            await connection.close(timeout=10)

    @property
    def _pid(self) -> int:
        assert self._server._process is not None
        return self._server._process.pid

    def backends(self) -> list[int]:
        return children(self._pid)

    async def start(self) -> None:
        if self._server.poll() is not None:
            await self._do(self._server.start)

    async def stop(self) -> None:
        """Its fast shutdown, as a restart of the service does it."""
        await self._do(self._server._end)

    async def kill(self, *, alone: bool = False) -> None:
        """alone: its children notice by themselves, and may end what they do before they go."""
        process = self._server._process
        assert process is not None
        pids = [] if alone else self.backends()
        send([process.pid], signal.SIGKILL)
        send(pids, signal.SIGKILL)
        await self._do(process.wait)

    def kill_one(self, rng: random.Random) -> None:
        """One process of it that serves a client, or works for all."""
        send([rng.choice(sorted(self.backends()))], signal.SIGKILL)

    async def freeze(self, seconds: float) -> None:
        pids = [self._pid, *self.backends()]
        send(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            send(pids, signal.SIGCONT)

    async def cut(self) -> None:
        """End the connections of all that are not ours."""
        await self._run(
            self._admin,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pinfall%'",
        )

    async def read_only(self, *, on: bool) -> None:
        """For new connections; those that are there stay as they are."""
        change = (
            "SET default_transaction_read_only = on"
            if on
            else "RESET default_transaction_read_only"
        )
        await self._run(self._admin, f"ALTER DATABASE {_DATABASE} {change}")

    async def take_all_connections(self, seconds: float) -> None:
        """Hold every connection that there is, for so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        cut_off = False
        while loop.time() < until:
            try:
                self._held.append(await asyncpg.connect(self._admin, timeout=5))
            except (asyncpg.PostgresError, OSError):
                if not cut_off:  # all that is left is held by whom we are about to turn out
                    await self._held[-1].execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name LIKE 'pinfall%'"
                    )
                    cut_off = True
                await asyncio.sleep(0.01)
        await self.release()

    async def release(self) -> None:
        while self._held:
            connection = self._held.pop()
            connection.terminate()
