"""A PostgreSQL as `pinfall up` has it (fsync on), with a project of the mix's hosts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.errors import PinfallError
from collector.store import hosts as host_table
from collector.store import projects
from collector.store.connect import Connection
from collector.store.migrate import migrate

PROJECT = "bench"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server in a directory of its own, removed afterwards."""

    server: Server
    directory: Path

    @property
    def pid(self) -> int:
        return int((self.server.directory.cluster / "postmaster.pid").read_text().split()[0])

    def database(self, name: str) -> str:
        """Make one; its URL."""
        asyncio.run(_execute(self.server.url("postgres"), f"CREATE DATABASE {name}"))
        return self.server.url(name)

    def collector_database(self, name: str, hosts: Sequence[str]) -> tuple[str, str]:
        """(URL, ingest key) of a migrated database with a project that names these hosts."""
        url = self.database(name)
        migrate(url)
        return url, asyncio.run(_project(url, hosts))


@contextlib.contextmanager
def postgres(beside: Path | None) -> Iterator[Postgres]:
    """beside: a directory on the disk to be measured; by default that of temporary files."""
    directory = Path(tempfile.mkdtemp(prefix="pinfall-bench-", dir=beside))
    try:
        with opened(directory / "data", None) as data:
            server = Server(data)
            try:
                server.start()
                if asyncio.run(_value(server.url("postgres"), "SHOW fsync")) != "on":
                    raise PinfallError("fsync is off in this PostgreSQL: nothing would be durable")
                yield Postgres(server, directory)
            finally:
                server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def sync_milliseconds(directory: Path) -> float:
    """What one fdatasync of a page costs there: the median of 20. Under 0.05 it is no disk."""
    took = []
    path = directory / "sync"
    with path.open("wb", buffering=0) as file:
        for _ in range(20):
            file.write(b"x" * 8192)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - began))
    path.unlink()
    return statistics.median(took)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database holds: rows, and the ledger's sums. whole: violations that are rows of their own."""

    rows: int
    accepted: int
    duplicates: int
    whole: int = 0


# Every violation leaves a sighting, also one that is over its signature's budget of rows; what is over
# the caps on new things waits as bytes.
_ROWS = """
SELECT (SELECT count(*) FROM sighting) + (SELECT count(*) FROM connection_window)
    + (SELECT count(*) FROM deferred)
"""
_LEDGER = """
SELECT coalesce(sum(items) FILTER (WHERE result = 'accepted'), 0)::bigint AS accepted,
    coalesce(sum(items) FILTER (WHERE result = 'duplicate'), 0)::bigint AS duplicates
FROM (SELECT result, items FROM ledger UNION ALL SELECT result, items FROM ledger_delta) AS all_of_it
"""


async def _kept(url: str) -> Kept:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            sums = await connection.fetchrow(_LEDGER)
            assert sums is not None
            whole = await connection.fetchval("SELECT count(*) FROM violation")
            rows = await connection.fetchval(_ROWS)
            return Kept(rows, sums["accepted"], sums["duplicates"], whole)
    finally:
        await connection.close()


def kept(url: str) -> Kept:
    return asyncio.run(_kept(url))


async def _project(url: str, hosts: Sequence[str]) -> str:
    now = datetime.now(UTC)
    connection: Connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            project = await projects.add(connection, PROJECT, hosts, now)
            await host_table.register(connection, project, hosts, now)
            return await projects.add_key(
                connection, PROJECT, app="wallet", environment="production", trusted=False, now=now
            )
    finally:
        await connection.close()


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()
