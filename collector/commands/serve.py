"""The collector on your own PostgreSQL 15 or newer: needs PINFALL_DATABASE_URL.

SIGTERM or Ctrl-C: takes no new requests, finishes those in flight, flushes, exits 0.

Reports are taken by processes of their own, --workers N of them at the one public port: whatever this one
counts, watches or draws holds none of them up. It has the operator listener with one /metrics over all of
them, and starts again a worker that dies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

import structlog

from collector.app import collecting
from collector.background import died, running
from collector.errors import PinfallError, StoreError
from collector.intake import mirror
from collector.logs import set_up_logs
from collector.settings import Settings, load_settings
from collector.store.migrate import head, migrate, revision
from collector.web.descriptors import raise_limit
from collector.workers import cores

EXAMPLES = """examples:
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall serve --migrate
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall serve --workers 4
  PINFALL_DATABASE_URL=postgresql://pinfall@db/pinfall pinfall serve --workers 3 --own-cores
"""
_MOST_WORKERS = 64
# A quarter of a processor is left to this process beside a busy worker, so that it counts and pages also in a
# storm.
_MAKES_WAY = 5
log = structlog.get_logger()
T = TypeVar("T")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--migrate", action="store_true", help="bring the schema up to date first")
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1 if sys.platform == "linux" else 0,
        metavar="N",
        help="processes that take reports, about one a core; 0: this one does, with less memory and longer waits "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--own-cores",
        action="store_true",
        help="each worker has one of the machine's last cores to itself, and this process keeps off them: for a "
        "machine that has nothing else to do than this and its PostgreSQL, which you keep off them, too "
        "(taskset, CPUAffinity=)",
    )


def _workers(text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 0 to {_MOST_WORKERS}")
    return int(text)


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
    own_cores = cores.leave(told.workers) if told.own_cores else []
    try:
        found = asyncio.run(revision(url))
    except StoreError:
        if settings.spool_dir is None or mirror.read(settings.spool_dir) is None:
            raise
        found = head()  # Postgres is away: go on with what was known, into the spool
    else:
        if told.migrate:
            _, found = migrate(url)
    if found != head():
        raise PinfallError(
            f"the database is at revision {found or 'none'}, this pinfall needs {head()}: run 'pinfall migrate'"
        )

    def ready(_: object) -> None:
        if settings.spool_dir is None:
            so = "reports are shed while Postgres is away: set PINFALL_SPOOL_DIR"
            log.warning("spool.none", so=so)

    with ThreadPoolExecutor(1, "starter") as starter:
        if told.workers:
            _make_way(starter)
        collector = collecting(settings, workers=told.workers, starter=starter, own_cores=own_cores)
        return serving(collector, ready)


def _make_way(starter: ThreadPoolExecutor) -> None:
    """From here on the scheduler prefers workers to this process. A thread that began before starts them: on
    Linux each thread has a priority of its own, and only root may take one back."""
    starter.submit(int).result()
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # where that is forbidden, all are equal
            os.nice(_MAKES_WAY)


def serving(
    collector: AbstractAsyncContextManager[T],
    ready: Callable[[T], None],
    beside: Callable[[], Coroutine[None, None, None]] | None = None,
    signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> int:
    """Run until one of the signals. beside: a task for as long."""
    raise_limit()

    async def until_told() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, stop.set)
        async with collector as started:
            gc.freeze()
            # Reports make no cycles: looking for some after each 700 objects is 3 % of their cost.
            gc.set_threshold(100_000, 50, 1000)
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
