"""What the operator's pages and API queries cost as violations grow tenfold.

Fills a database a size, starts a collector on each, and asks every page and query twenty times, one at a
time, of each size in turn. Queries are those that the OpenAPI document
lists; pages are those that the overview links to: of hosts, signatures and alerts one each, and a host
also over a month.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from statistics import median

from bench import fill, machine, report, targets
from bench.asking import Asked, Site, ask
from bench.contestants import running
from bench.database import PROJECT, Postgres, postgres
from bench.mix import HOSTS
from bench.processes import collector_settings, free_port
from bench.rounds import until_rested
from bench.targets import Verdict
from collector.errors import PinfallError

EXAMPLES = """examples:
  ./pinfall bench queries                               1 and 10 million violations, about 20 minutes
  ./pinfall bench queries --rows 100000,1000000
"""
_REST = 120.0  # seconds that collectors and Postgres are given to come to rest
_FLOOR = 5.0  # ms: what is faster at both sizes is not judged by its ratio, which is noise


def _sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",")]
    if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1000:
        raise argparse.ArgumentTypeError("sizes from 1000 on, each larger than the one before")
    return sizes


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", type=_sizes, default=[1_000_000, 10_000_000], metavar="N,N",
        help="violations at which to ask (default: 1000000,10000000)",
    )  # fmt: skip


def growth(by_size: Sequence[Asked]) -> float | None:
    """How many times slower at the last size than at the first. None: no answer came."""
    first, last = by_size[0], by_size[-1]
    if first.median is None or last.median is None:
        return None
    if max(first.median, last.median) < _FLOOR:
        return 1.0
    return max(last.median, _FLOOR) / max(first.median, _FLOOR)


def run(told: argparse.Namespace) -> int:
    def said(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with postgres(told.data) as database, contextlib.ExitStack() as serving:
        about = machine.describe(database)
        said(machine.line(about))
        urls = {rows: _filled(database, rows, said) for rows in told.rows}
        sizes = {
            rows: serving.enter_context(_serving(database, url, rows)) for rows, url in urls.items()
        }
        until_rested(_REST)
        places = _places(sizes[told.rows[0]][0])
        asked: list[list[Asked]] = []
        for path in places:
            asked.append(ask(sizes, path))
            took = ", ".join("-" if a.median is None else f"{a.median:.1f}" for a in asked[-1])
            said(f"{len(asked):>3} of {len(places)}  {took} ms  {_short(path)}")
    whole = {some[0].path: some for some in asked}
    ratios = {path: growth(some) for path, some in whole.items()}
    print(machine.line(about))
    print(table(whole, ratios, told.rows))
    missing = [path for path, ratio in ratios.items() if ratio is None]
    worst = max(((r, p) for p, r in ratios.items() if r is not None), default=(None, "none"))
    value = None if missing or len(told.rows) < 2 else worst[0]
    note = f"no answer: {', '.join(missing)}" if missing else _short(str(worst[1]))
    bad = sum(r is None or r > (targets.GROWTH.must or 0) for r in ratios.values())
    print(f"{len(ratios) - bad} of {len(ratios)} grow no more than {targets.GROWTH.must}x")
    every = [a for some in asked for a in some]
    print(f"foreign load meanwhile: {median(a.foreign for a in every):.2f} cores (median)")
    content = {
        "machine": about,
        "rows": told.rows,
        "asked": [asdict(a) for a in every],
    }
    bars = [
        report.Bar(_short(path)[:60], ratio) for path, ratio in ratios.items() if ratio is not None
    ]
    title = f"Times slower from {told.rows[0]:,} to {told.rows[-1]:,} violations"
    picture = report.bars(title, "x", bars, left=430)
    return report.finish(
        told.out, "queries", [Verdict(targets.GROWTH, value, note)], content, picture
    )


def _filled(database: Postgres, rows: int, said: Callable[[str], None]) -> str:
    """A database with so many violations; its URL."""
    began = time.monotonic()
    url, _ = database.collector_database(f"queries_{rows}", HOSTS)
    fill.fill_now(url, PROJECT, 0, rows, said)
    said(f"{rows:,} violations are there after {time.monotonic() - began:.0f} s")
    return url


@contextlib.contextmanager
def _serving(database: Postgres, url: str, rows: int) -> Iterator[tuple[Site, Sequence[int]]]:
    """A collector on it: its site, and whose CPU an answer costs."""
    port, operator = free_port(), free_port()
    data = database.directory / f"serve-{rows}"
    data.mkdir()
    env = collector_settings(url, port, operator, data)
    with running("serve", ["-m", "collector", "serve"], port, env=env) as serving:
        yield Site(operator), [database.pid, serving.process.pid]


def _places(site: Site) -> list[str]:
    places = site.places()
    if not places:
        raise PinfallError("no page answers")
    return places


def _short(path: str) -> str:
    return path if len(path) <= 100 else path[:99] + "…"


def table(
    whole: dict[str, list[Asked]], ratios: dict[str, float | None], sizes: Sequence[int]
) -> str:
    """A line a place: median, p95 and CPU in ms at each size, bytes at the last, the ratio."""
    head = "".join(f"{f'{size:,}: ms':>18} {'p95':>8} {'CPU':>8}" for size in sizes)
    lines = [f"\n{head} {'bytes':>10} {'ratio':>7}"]
    for path, some in whole.items():
        cells = "".join(
            f"{'-' if a.median is None else f'{a.median:.1f}':>18} "
            f"{'-' if a.p95 is None else f'{a.p95:.1f}':>8} {a.cpu:>8.1f}"
            for a in some
        )
        ratio = ratios[path]
        told = "-" if ratio is None else f"{ratio:.2f}"
        lines.append(f"{cells} {some[-1].bytes:>10,} {told:>7}  {_short(path)}")
    return "\n".join(lines) + "\n"
