"""May the pins of a host be enforced? What enforcing would have blocked in 30 days, by cause, while
failures were only reported; and which releases were never heard.

Exit 0 ready; 1 not ready; 3 cannot tell; 2 wrong usage; 4 the server did not answer.
"""

from __future__ import annotations

import argparse
import json
from urllib.parse import quote

from collector.commands.coded import coded
from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall readiness api.example.com
  pinfall readiness api.example.com --project wallet --json
"""
_EXIT = {"ready": 0, "not_ready": 1, "cannot_tell": 3}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("--project", default="default", metavar="P", help="(default: default)")
    parser.add_argument("--json", action="store_true", help="all of it, with each day")
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    return coded(lambda: _run(told))


def _run(told: argparse.Namespace) -> int:
    project, host = quote(told.project, safe=""), quote(told.host, safe="")
    answer = request(told, "GET", f"/api/v1/hosts/{project}/{host}/readiness")
    if told.json:
        print(json.dumps(answer, indent=2))
        return _EXIT.get(answer["verdict"], 3)
    print(f"{shown(answer['host'])}: {answer['verdict'].replace('_', ' ')}")
    for reason in answer["reasons"]:
        print(f"  {shown(reason, 600)}")
    if answer["by_cause"]:
        print("enforcing would have blocked, in 30 days:")
        for cause, reports in answer["by_cause"].items():
            print(f"  {reports:>9,} {shown(cause, 40)}")
        for day in answer["days"]:
            total = sum(day["by_cause"].values())
            if total:
                worst = ", ".join(f"{n} {shown(c, 40)}" for c, n in day["by_cause"].items())
                print(f"  {day['day']}: {worst}")
    if answer["connections"] is not None:
        print(f"  of {answer['connections']:,} connections that worked")
    for name in answer["unseen"]:
        print(f"  never heard: {shown(name)}")
    return _EXIT.get(answer["verdict"], 3)
