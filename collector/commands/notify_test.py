"""A test alert to your channels, or to one of them. It says that it is a test, and is sent at once and
once, to page channels too: it wakes people. Exit 0 if every channel took it, 1 if one did not.
"""

from __future__ import annotations

import argparse
import sys

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall notify-test
  pinfall notify-test oncall-slack
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "channel", nargs="?", metavar="CHANNEL", help="its name in pinfall.toml (default: all)"
    )
    add_data(parser)


def run(told: argparse.Namespace) -> int:
    results = request(told, "POST", "/api/v1/notify-test", {"channel": told.channel})["results"]
    for result in results:
        state = "sent" if result["error"] is None else f"failed: {shown(result['error'])}"
        print(f"{shown(result['channel']):24} {shown(result['type']):12} {state}")
    if not results:
        print("no channel yet: write a [[channel]] in pinfall.toml", file=sys.stderr)
    return 0 if results and all(result["error"] is None for result in results) else 1
