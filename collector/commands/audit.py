"""Who changed what, and when; the newest first."""

from __future__ import annotations

import argparse
import json

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall audit
  pinfall audit --limit 500
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="(default: 50)")
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    lines = request(told, "GET", f"/api/v1/audit?limit={told.limit}")["audit"]
    for line in lines:
        details = {
            key: value for key, value in line["details"].items() if value not in (None, [], {})
        }
        words = (
            f"{line['at']}  {shown(line['who']):24} {line['action']:20} {shown(line['subject'])}"
        )
        print(words + (f"  {shown(json.dumps(details))}" if details else ""))
    if not lines:
        print("nobody changed anything")
    return 0
