"""Import success counts: CSV of a CDN, a gateway or a load balancer, as trusted connections.

With a column of counts, a row is a window. Without one, a row is a request, and they are summed up
by host and --interval. Rows that were imported before count once: import the same file again at
will. A request log has to be whole intervals: import finished hours or days.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.reports.line import utc
from collector.reports.times import parse_time
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall connections import hours.csv --project wallet
      a header of host, window_start, window_end, successes, pin_failures
  pinfall connections import access.csv --host-column cs-host --time-column timestamp
      a row a request, summed up by 5 minutes
  pinfall connections import hits.csv --host api.example.com --time-column hour --interval 60 \\
      --count-column requests
"""
_HOSTS = ("host", "hostname", "cs-host", "x-host-header", "clientrequesthost", "domain")
_STARTS = ("window_start", "start", "timestamp", "time", "datetime", "date", "hour")
_ENDS = ("window_end", "end")
_COUNTS = ("successes", "connections", "requests", "count", "hits")
_FAILURES = ("pin_failures", "failures")
_BATCH = 500  # windows a request
_LAST_YEAR = 9000
_MOST = 1_000_000  # windows that are held while a log is summed up


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help="read a CSV file with a header", epilog=EXAMPLES,
                             formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add.add_argument("file", metavar="FILE", help="'-': standard input")
    add.add_argument("--project", default="default", metavar="NAME", help="(default: default)")
    add.add_argument("--host", metavar="HOST", help="where no column says it")
    add.add_argument(
        "--host-column", metavar="C", help=f"(default: the first of {', '.join(_HOSTS)})"
    )
    add.add_argument(
        "--time-column", metavar="C", help=f"(default: the first of {', '.join(_STARTS)})"
    )
    add.add_argument(
        "--count-column", metavar="C", help=f"(default: the first of {', '.join(_COUNTS)})"
    )
    add.add_argument(
        "--failure-column", metavar="C", help=f"(default: the first of {', '.join(_FAILURES)})"
    )
    add.add_argument(
        "--interval", type=int, default=5, metavar="MIN", help="minutes of a window (default: 5)"
    )
    add.add_argument("--delimiter", default=",", metavar="D", help="(default: ,)")
    add_data(add)


def _column(fields: list[str], wanted: str | None, usual: Iterable[str]) -> str | None:
    """The header's own spelling. Raises PinfallError if a column that was asked for is missing."""
    spelling = {field.strip().lower(): field for field in fields}
    if wanted is not None:
        found = spelling.get(wanted.strip().lower())
        if found is None:
            raise PinfallError(f"there is no column '{wanted}'; there are {', '.join(fields)}")
        return found
    return next((spelling[name] for name in usual if name in spelling), None)


def _number(text: str | None, line: int, name: str) -> int:
    told = (text or "0").strip()
    if not (told.isascii() and told.isdigit() and len(told) < 16):
        raise PinfallError(f"line {line}: {name} is not a number")
    return int(told)


def windows(rows: csv.DictReader[str], told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Windows for the API. Raises PinfallError with the line that is wrong."""
    fields = list(rows.fieldnames or [])
    host_column = _column(fields, told.host_column, () if told.host else _HOSTS)
    start_column = _column(fields, told.time_column, _STARTS)
    end_column = _column(fields, None, _ENDS)
    count_column = _column(fields, told.count_column, _COUNTS)
    failure_column = _column(fields, told.failure_column, _FAILURES)
    if host_column is None and not told.host:
        raise PinfallError("no column names the host: say --host-column, or --host")
    if start_column is None:
        raise PinfallError("no column tells the time: say --time-column")
    step = timedelta(minutes=told.interval)
    seen: Counter[str] = Counter()  # equal rows are different edges, not the same one twice
    sums: dict[tuple[str, datetime], list[int]] = {}
    for row in rows:
        line = rows.line_num
        host = row[host_column] if host_column else told.host
        start = parse_time((row[start_column] or "").strip())
        if not host or start is None or start.year > _LAST_YEAR:
            raise PinfallError(f"line {line}: {'no host' if not host else 'not a time'}")
        if count_column is None:  # a row a request
            place = (
                host,
                datetime.min.replace(tzinfo=UTC)
                + (start - datetime.min.replace(tzinfo=UTC)) // step * step,
            )
            sums.setdefault(place, [0, 0])[0] += 1
            sums[place][1] += _number(row.get(failure_column or ""), line, "failures")
            if len(sums) > _MOST:
                raise PinfallError(f"line {line}: more than {_MOST} windows; import parts of it")
            continue
        end = parse_time((row.get(end_column or "") or "").strip()) or start + step
        successes = _number(row[count_column], line, count_column)
        failures = _number(row.get(failure_column or ""), line, "failures")
        window = _window(host, start, end, successes, failures)
        seen[window["id"]] += 1
        if seen[window["id"]] > 1:
            window["id"] += f"-{seen[window['id']]}"
        yield window
    for (host, start), (requests, failures) in sums.items():
        yield _window(host, start, start + step, max(0, requests - failures), failures)


def _window(
    host: str, start: datetime, end: datetime, successes: int, failures: int
) -> dict[str, Any]:
    told = {
        "host": host,
        "window_start": utc(start),
        "window_end": utc(end),
        "successes": successes,
        "pin_failures": failures,
    }
    return {**told, "id": "csv-" + sha256(repr(sorted(told.items())).encode()).hexdigest()[:32]}


def _opened(name: str) -> AbstractContextManager[TextIO]:
    if name == "-":
        return nullcontext(sys.stdin)
    return Path(name).open(newline="", encoding="utf-8-sig")


def run(told: argparse.Namespace) -> int:
    if not 1 <= told.interval <= 1440:
        raise PinfallError("--interval: should be 1 to 1440 minutes")
    if len(told.delimiter) != 1:
        raise PinfallError("--delimiter: should be one character")
    totals = {"accepted": 0, "duplicates": 0, "rejected": 0}
    with _opened(told.file) as file:
        rows = csv.DictReader(file, delimiter=told.delimiter)
        try:
            batch: list[dict[str, Any]] = []
            for window in windows(rows, told):
                batch.append(window)
                if len(batch) == _BATCH:
                    _send(told, batch, totals)
                    batch = []
            if batch:
                _send(told, batch, totals)
        except (csv.Error, UnicodeDecodeError) as error:
            raise PinfallError(f"line {rows.line_num + 1}: not CSV in UTF-8: {error}") from error
    print(", ".join(f"{count} {name}" for name, count in totals.items()))
    return 1 if totals["rejected"] else 0


def _send(told: argparse.Namespace, batch: list[dict[str, Any]], totals: dict[str, int]) -> None:
    body = {"project": told.project, "windows": batch}
    answer = request(told, "POST", "/api/v1/connections", body)
    for name in totals:
        totals[name] += answer[name]
    for note in answer["notes"]:
        if note["result"] == "rejected":
            window = batch[note["index"]]
            print(f"pinfall: {shown(window['host'])}: {note['reason']}", file=sys.stderr)
    if sys.stderr.isatty():
        print(f"\r{sum(totals.values())} windows", end="", file=sys.stderr, flush=True)
