"""Who takes part in `bench ingest`: each a process of its own, all on one PostgreSQL."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bench.database import Postgres
from bench.mix import HOSTS
from bench.processes import ROOT, collector_settings, free_port, start, stop, wait_for

BARE, INSERTS, PIPELINE, DURABLE, TWO = (
    "bare",
    "naive",
    "pipeline",
    "durable",
    "durable, 2 workers",
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """database: of a collector, its URL. keeps: what it accepts has to be there afterwards."""

    name: str
    port: int
    path: str
    process: subprocess.Popen[str]
    database: str | None = None
    keeps: bool = False


@contextlib.contextmanager
def running(
    name: str,
    arguments: list[str],
    port: int,
    path: str = "/",
    database: str | None = None,
    *,
    keeps: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[Contestant]:
    process = start(*arguments, env=env)
    try:
        wait_for(port, process, name)
        yield Contestant(name, port, path, process, database, keeps)
    finally:
        stop(process)


def takes_workers() -> bool:
    """Whether `serve` of this version can run as several processes."""
    told = subprocess.run(
        [sys.executable, "-m", "collector", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return "--workers" in told.stdout


def collector(
    postgres: Postgres,
    name: str,
    database: str,
    arguments: list[str],
    *,
    keeps: bool,
    whole: bool = False,
) -> contextlib.AbstractContextManager[Contestant]:
    """A collector on a database of its own. whole: it has no row budget."""
    url, key = postgres.collector_database(database, HOSTS)
    port = free_port()
    data = postgres.directory / database
    data.mkdir()
    budget = {"PINFALL_ROW_BUDGET": "1000000000"} if whole else {}
    return running(
        name,
        arguments,
        port,
        f"/r/{key}",
        url,
        keeps=keeps,
        env=collector_settings(url, port, free_port(), data) | budget,
    )


@contextlib.contextmanager
def all_of_them(
    postgres: Postgres, *, whole: bool = False, own_cores: bool = False
) -> Iterator[list[Contestant]]:
    with contextlib.ExitStack() as stack:
        port = free_port()
        arguments = ["-m", "bench.servers", "bare", str(port)]
        found = [stack.enter_context(running(BARE, arguments, port))]
        port = free_port()
        url = postgres.database("naive")
        arguments = ["-m", "bench.servers", "naive", str(port), url]
        found.append(stack.enter_context(running(INSERTS, arguments, port)))
        serve = ["-m", "collector", "serve"]
        for name, database, arguments, keeps in (
            (PIPELINE, "pipeline", ["-m", "bench.servers", "pipeline"], False),
            (DURABLE, "durable", [*serve, *(["--own-cores"] if own_cores else [])], True),
            (TWO, "two", [*serve, "--workers", "2"], True),
        ):
            if name != TWO or takes_workers():
                made = collector(postgres, name, database, arguments, keeps=keeps, whole=whole)
                found.append(stack.enter_context(made))
        yield found
