"""The collector on your own PostgreSQL 15 or newer: needs PINFALL_DATABASE_URL.

SIGTERM or Ctrl-C: takes no new requests, finishes those in flight, flushes, exits 0.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager

import structlog

from collector.app import Collector, collecting
from collector.background import died, running
from collector.errors import PinfallError
from collector.logs import set_up_logs
from collector.settings import Settings, load_settings
from collector.store.migrate import head, migrate, revision
from collector.web.descriptors import raise_limit

EXAMPLES = """examples:
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall serve --migrate
"""
log = structlog.get_logger()


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--migrate", action="store_true", help="bring the schema up to date first")


def database_url(settings: Settings) -> str:
    if not settings.database_url:
        raise PinfallError(
            "PINFALL_DATABASE_URL is not set (or use 'pinfall up', which brings a PostgreSQL)"
        )
    return settings.database_url


def set_up(settings: Settings) -> None:
    """Logs as the settings say."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    set_up_logs(json=as_json, level=settings.log_level)


def run(told: argparse.Namespace) -> int:
    settings = load_settings()
    set_up(settings)
    url = database_url(settings)
    if told.migrate:
        migrate(url)
    found = asyncio.run(revision(url))
    if found != head():
        raise PinfallError(
            f"the database is at revision {found or 'none'}, this pinfall needs {head()}: run 'pinfall migrate'"
        )
    return serving(collecting(settings), lambda _: None)


def serving(
    collector: AbstractAsyncContextManager[Collector],
    ready: Callable[[Collector], None],
    beside: Callable[[], Coroutine[None, None, None]] | None = None,
) -> int:
    """Run until SIGTERM or SIGINT. beside: a task for as long."""
    raise_limit()

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        async with collector as started:
            gc.freeze()
            ready(started)
            if beside is None:
                await stop.wait()
            else:
                async with running("beside", beside()):
                    await stop.wait()

    loop_factory = None
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:  # not on every platform
        log.debug("loop.standard")
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(until_told())
    return 1 if died else 0
