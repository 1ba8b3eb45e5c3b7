"""Everything on one machine: embedded PostgreSQL, migrations, collector and pages.

Ctrl-C stops all of it; a second start finds the data again.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path

import asyncpg
import structlog

from collector.app import Collector, collecting, utc_now
from collector.commands import running
from collector.commands.dumps import make_database
from collector.commands.options import add_data, data_directory
from collector.commands.serve import serving, set_up
from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.errors import PinfallError, StoreError
from collector.reports.line import utc
from collector.settings import Address, load_settings
from collector.store import projects
from collector.store.migrate import migrate

log = structlog.get_logger()

EXAMPLES = """examples:
  pinfall up
  pinfall up --data ./data --port 9080 --operator-port 9081
"""
PROJECT, APP = "default", "app"
_WATCH = 0.5  # seconds


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port from 0 (any) to 65535")
    return int(text)


def arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--port", type=_port, metavar="N", help="for reports (default: 8080)")
    parser.add_argument(
        "--operator-port", type=_port, metavar="N", help="for the pages (default: 8081)"
    )


def run(told: argparse.Namespace) -> int:
    began = time.monotonic()
    settings = load_settings()
    set_up(settings)
    if settings.database_url:
        raise PinfallError(
            "PINFALL_DATABASE_URL is set: use 'pinfall serve' for your own PostgreSQL, "
            "or unset it for the embedded one"
        )
    public, operator = settings.public_address, settings.operator_address
    if told.port is not None:
        public = Address(public.host, told.port)
    if told.operator_port is not None:
        operator = Address(operator.host, told.operator_port)
    if public.port == operator.port != 0:
        raise PinfallError(
            f"reports and pages cannot share port {public.port}: say --operator-port"
        )
    settings = dataclasses.replace(settings, public_address=public, operator_address=operator)
    data = data_directory(told)
    # A polite end also where a supervisor asks for it before the loop runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with opened(data, settings.postgres_bin) as directory:
        server = Server(directory)
        try:
            if directory.is_new:
                print(f"pinfall: making a database in {data}", file=sys.stderr, flush=True)
            server.start()
            asyncio.run(make_database(server.url("postgres")))
            migrate(server.url())
            key = asyncio.run(_first_key(server.url()))

            def ready(collector: Collector) -> None:
                _publish(collector, server, data, key)
                _tell(collector, data, key, directory.binaries.major, time.monotonic() - began)

            spool = settings.spool_dir or data / "spool"
            settings = dataclasses.replace(settings, database_url=server.url(), spool_dir=spool)
            return serving(collecting(settings), ready, lambda: _keep_up(server))
        finally:
            running.withdraw(data)
            server.stop()


async def _first_key(url: str) -> str | None:
    """A project and a key, where there is no project; else the oldest key in use, if any."""
    connection = await asyncpg.connect(url)
    try:
        if not await projects.listed(connection):
            now = utc_now()
            async with connection.transaction():
                await projects.add(connection, PROJECT, [], now)
                return await projects.add_key(
                    connection, PROJECT, app=APP, environment="production", trusted=False, now=now
                )
        in_use = [row for row in await projects.keys(connection) if row["disabled_at"] is None]
        oldest = min(in_use, key=lambda row: row["created_at"], default=None)
        return oldest["key"] if oldest else None
    finally:
        await connection.close()


async def _keep_up(server: Server) -> None:
    """Start PostgreSQL again when it dies; the pool finds it by itself."""
    while True:
        await asyncio.sleep(_WATCH)
        if server.poll() is None:
            continue
        log.error("postgres.died", exit_code=server.poll())
        try:
            await asyncio.to_thread(server.start)
        except StoreError as error:
            log.error("postgres.not_started", error=str(error))
            await asyncio.sleep(5)
        else:
            log.warning("postgres.restarted")


def _publish(collector: Collector, server: Server, data: Path, key: str | None) -> None:
    told = running.Running(
        pid=os.getpid(),
        operator_url=collector.operator_url(),
        ingest_url=f"{collector.public_url()}/r/{key or ''}",
        database_url=server.url(),
        token=collector.settings.operator_token,
    )
    running.publish(data, told)


def _example(event: str) -> str:
    return json.dumps(
        {
            "schema": "pin-report/1",
            "event_id": event,
            "observed_at": utc(utc_now()),
            "host": "api.example.com",
            "outcome": "pin_mismatch",
            "enforced": True,
            "pins": {
                "kind": "spki-sha256",
                "expected": ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="],
                "served": ["LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="],
            },
            "app": {"id": "com.example.app", "version": "1.0"},
            "os": {"name": "ios", "version": "18.1"},
        },
        separators=(",", ":"),
    )


def _tell(collector: Collector, data: Path, key: str | None, major: int, seconds: float) -> None:
    url = f"{collector.public_url()}/r/{key}" if key else None
    print(f"pinfall is ready after {seconds:.1f} s (PostgreSQL {major}, data in {data})")
    if url:
        print(f"  reports to  {url}")
    else:
        print("  reports to  no key is in use: make one with 'pinfall key add'")
    print(f"  pages       {collector.operator_url()}/")
    if url:
        # A new event id each start: the first paste is accepted, the second is a duplicate.
        print(f"  try it      curl -sS -d '{_example('try-' + secrets.token_hex(6))}' {url}")
    print("  stop        Ctrl-C", flush=True)
