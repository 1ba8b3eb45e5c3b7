"""Keep, widen or drop pinning for a host, with the numbers that say why."""

from __future__ import annotations

import argparse
import json
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall pins verdict api.example.com
  pinfall pins verdict api.example.com --project wallet --json
"""


def add_to(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """As an action of `pinfall pins`."""
    parser = subparsers.add_parser(
        "verdict",
        help="keep, widen or drop pinning for a host",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("host", metavar="HOST")
    parser.add_argument("--project", default="default", metavar="P", help="(default: default)")
    parser.add_argument("--json", action="store_true")
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    """Exit 0: advice is no failure."""
    project, host = quote(told.project, safe=""), quote(told.host, safe="")
    answer = request(told, "GET", f"/api/v1/hosts/{project}/{host}/verdict")
    if told.json:
        print(json.dumps(answer, indent=2))
        return 0
    print(f"{shown(answer['host'])}: {answer['verdict'].replace('_', ' ')}")
    for reason in answer["reasons"]:
        print(f"  {shown(reason, 600)}")
    return 0
