"""How many use which version. It is learned from connections and from reports of failures; a table of
a store, of analytics or of a CDN is better, and takes precedence where it is imported.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall adoption import versions.csv --project wallet
      a header of day, app, platform, version, uses
  pinfall adoption import play.csv --app com.example.wallet --platform ANDROID
      a header of date, app version, daily active users
  pinfall adoption show --project wallet
"""
_NAMES = {
    "day": ("day", "date"),
    "app": ("app", "app_id", "package_name", "bundle_id"),
    "platform": ("platform", "os"),
    "version": ("version", "app_version", "app_version_name", "version_name"),
    "uses": (
        "uses",
        "installs",
        "users",
        "active_devices",
        "daily_active_users",
        "sessions",
        "count",
    ),
}
_BATCH = 2000  # rows of a request


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("import", help="read a CSV file with a header")
    add.add_argument("file", metavar="CSV", help="'-': standard input")
    add.add_argument("--project", default="default", metavar="P", help="(default: default)")
    add.add_argument("--app", metavar="A", help="where no column says it")
    add.add_argument("--platform", metavar="P", help="where no column says it: ANDROID, IOS")
    add_data(add)
    show = actions.add_parser("show", help="shares of versions, and where they go")
    show.add_argument("--project", default="default", metavar="P", help="(default: default)")
    add_data(show)


def run(told: argparse.Namespace) -> int:
    if told.action == "show":
        return _show(told)
    with _opened(told.file) as file:
        reader = csv.DictReader(file)
        try:
            rows = list(_rows(reader, told))
        except (csv.Error, UnicodeDecodeError) as error:
            raise PinfallError(f"line {reader.line_num + 1}: not CSV in UTF-8: {error}") from error
    if not rows:
        raise PinfallError(f"{shown(told.file)}: no row in it")
    for start in range(0, len(rows), _BATCH):
        body = {"project": told.project, "rows": rows[start : start + _BATCH]}
        request(told, "POST", "/api/v1/adoption", body)
    print(f"{len(rows)} rows imported")
    return 0


def _opened(name: str) -> AbstractContextManager[TextIO]:
    if name == "-":
        return nullcontext(sys.stdin)
    return Path(name).open(newline="", encoding="utf-8-sig")


def _rows(reader: csv.DictReader[str], told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    spelling = {"_".join(field.strip().lower().split()): field for field in reader.fieldnames or []}
    columns = {
        name: next((spelling[text] for text in usual if text in spelling), None)
        for name, usual in _NAMES.items()
    }
    given = {"app": told.app, "platform": told.platform}
    for name, column in columns.items():
        if column is None and not given.get(name):
            option = f": say --{name}" if name in given else ""
            raise PinfallError(f"no column is the {name}{option}; there are {', '.join(spelling)}")
    for row in reader:
        values = {
            name: (row[column] or "").strip() if column is not None else given[name]
            for name, column in columns.items()
        }
        try:
            uses = float(str(values["uses"]).replace(",", ""))
        except ValueError:
            raise PinfallError(f"line {reader.line_num}: {columns['uses']} is no number") from None
        yield {**values, "uses": uses}


def _show(told: argparse.Namespace) -> int:
    answer = request(told, "GET", f"/api/v1/adoption?project={quote(told.project, safe='')}")
    for curve in answer["curves"]:
        name = f"{shown(curve['app'])} {shown(curve['platform'])}"
        print(f"{name}: {curve['uses']:,} by {curve['source']} on {curve['day']}")
        for row in reversed(curve["versions"]):
            week = f"  after a week {row['after_a_week']}" if row["after_a_week"] else ""
            print(f"  {shown(row['version'], 64) or 'not told':20} {row['share']}{week}")
    if not answer["curves"]:
        print("nothing is known yet: no connections and no reports name a version")
    return 0
