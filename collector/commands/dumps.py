"""pg_dump and pg_restore over the embedded database, or over PINFALL_DATABASE_URL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg

from collector.commands import running
from collector.embedded.binaries import Binaries, all_binaries, choose
from collector.embedded.directory import opened
from collector.embedded.server import DATABASE, Server
from collector.errors import PinfallError, StoreError
from collector.settings import Settings
from collector.store.connect import STORE_DOWN, no_password

_ENVIRONMENT = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD",
                "dbname": "PGDATABASE", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT",
                "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}  # fmt: skip


@contextlib.contextmanager
def database(
    settings: Settings, data: Path, *, fresh: bool
) -> Iterator[tuple[str, list[Binaries]]]:
    """(URL, programs that fit, the first first). fresh: one that is to be filled, made where it is
    embedded."""
    if settings.database_url:
        yield settings.database_url, _for_server(settings)
        return
    found = running.find(data)
    if found is not None and not fresh:
        yield found.database_url, [choose(settings.postgres_bin)]
        return
    if not fresh and not (data / "postgres").exists():
        raise StoreError(f"no data in {data}")
    with opened(data, settings.postgres_bin, same_major=not fresh) as directory:
        server = Server(directory)
        try:
            server.start()
            if fresh:
                asyncio.run(make_database(server.url("postgres")))
            yield server.url(), [directory.binaries]
        finally:
            server.stop()


def _for_server(settings: Settings) -> list[Binaries]:
    """Programs of the system before the wheel's: the wheel's speak no TLS."""
    assert settings.database_url is not None
    major = asyncio.run(_major(settings.database_url))
    fitting = [b for b in all_binaries(settings.postgres_bin) if b.major >= major]
    if not fitting:
        raise StoreError(
            f"needs pg_dump of PostgreSQL {major} or newer: install PostgreSQL's client programs"
        )
    return sorted(fitting, key=lambda b: (b.source == "wheel", b.major))


async def _major(url: str) -> int:
    connection = await _connect(url)
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close()


async def _connect(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=10)
    except (*STORE_DOWN, ValueError) as error:
        raise StoreError(f"Postgres does not answer: {no_password(error, url)}") from None


async def make_database(url: str) -> None:
    """The database of pinfall, if it is not there; ``url``: of any other database."""
    connection = await _connect(url)
    try:
        if not await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1", DATABASE
        ):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


async def is_empty(url: str) -> bool:
    connection = await _connect(url)
    try:
        tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        return await connection.fetchval(tables) == 0  # type: ignore[no-any-return]
    finally:
        await connection.close()


def environment(url: str) -> dict[str, str]:
    """libpq's variables for a URL: a password belongs in no command line."""
    parts = urlsplit(url)
    told = {
        "host": parts.hostname,
        "port": str(parts.port) if parts.port else None,
        "user": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "dbname": unquote(parts.path[1:]) or None,
        **dict(parse_qsl(parts.query)),
    }
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "PINFALL_"))}
    return env | {
        _ENVIRONMENT[name]: value for name, value in told.items() if value and name in _ENVIRONMENT
    }


def program(
    binaries: Binaries, name: str, arguments: list[str], url: str
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [binaries.program(name), *arguments],
            env=environment(url),
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise PinfallError(f"{name}: {error.strerror}") from error
