"""Show how a report is read, without a server: one line of JSON a violation.

Exit 0 if every item was read; 1, with one line on stderr for each, if one was refused. Without
--received-at the time of receipt is unknown: a client's time is taken as it is, and the local time
of TrustKit Android cannot be corrected.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from collector.errors import PinfallError, ReportError
from collector.model import Violation, Window
from collector.reports.body import LIMITS, read_body
from collector.reports.fields import Hints
from collector.reports.line import violation_as_json, window_as_json
from collector.reports.times import parse_time
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall parse report.json
  adb logcat -d | grep -A9 'Certificate pinning failure' | pinfall parse -
  pinfall parse report.json --received-at 2026-11-20T06:16:13Z --user-agent 'Dalvik/2.1.0 (…)'
"""


def _time(text: str) -> datetime:
    if text == "now":
        return datetime.now(UTC)
    at = parse_time(text)
    if at is None:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a time such as 2026-11-20T06:16:13Z, or now"
        )
    return at


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="'-' or none: standard input"
    )
    parser.add_argument(
        "--received-at", type=_time, metavar="T", help="when it came in: RFC 3339, or now"
    )
    parser.add_argument("--user-agent", metavar="UA", help="what its User-Agent header said")


def _line(told: dict[str, object]) -> str:
    # ASCII: control and bidi characters of a report cannot reach a terminal.
    return json.dumps(told)


def run(told: argparse.Namespace) -> int:
    try:
        if told.file == "-":
            body = sys.stdin.buffer.read(LIMITS.body_bytes + 1)
        else:
            with Path(told.file).open("rb") as file:
                body = file.read(LIMITS.body_bytes + 1)
    except OSError as error:
        raise PinfallError(f"{told.file}: {error.strerror}") from error
    items = read_body(body, Hints(told.received_at, told.user_agent))
    refused = 0
    for place, item in enumerate(items):
        if isinstance(item, ReportError):
            refused += 1
            where = f"item {place}: " if len(items) > 1 else ""
            print(f"pinfall: {where}{shown(item)}", file=sys.stderr)
        elif isinstance(item, Violation):
            print(_line(violation_as_json(item)))
        elif isinstance(item, Window):
            print(_line(window_as_json(item)))
        else:  # well formed, and nothing to count
            print(f"pinfall: item {place}: ignored: {item.why}", file=sys.stderr)
    return 1 if refused else 0
