"""Ingest keys: the public part of an ingest URL, with app and environment. A change reaches every
process within 10 seconds. A key can be read out of an app: it lets reports in, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.model import ENVIRONMENTS
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall key add --app wallet-ios --environment production
  pinfall key add --project wallet --app gateway --trusted
  pinfall key list
  pinfall key disable KEY
  pinfall key enable KEY
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a key")
    add.add_argument("--project", default="default", metavar="NAME", help="(default: default)")
    add.add_argument("--app", required=True, metavar="A", help="which app carries it")
    add.add_argument(
        "--environment", default="production", choices=ENVIRONMENTS, help="(default: production)"
    )
    add.add_argument(
        "--trusted",
        action="store_true",
        help="only servers of ours hold it (a gateway, a CDN import)",
    )
    add_data(add)
    add_data(actions.add_parser("list", help="keys with project, app and environment"))
    for name, words in (
        ("disable", "turn away what comes with a key"),
        ("enable", "take it again"),
    ):
        turn = actions.add_parser(name, help=words)
        turn.add_argument("key", metavar="KEY")
        add_data(turn)


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        wanted = {
            "project": told.project,
            "app": told.app,
            "environment": told.environment,
            "trusted": told.trusted,
        }
        made = request(told, "POST", "/api/v1/keys", wanted)
        print(made["key"])
        print(f"reports to {made['ingest_url']}", file=sys.stderr)
        return 0
    if told.action in ("disable", "enable"):
        request(told, "POST", f"/api/v1/keys/{quote(told.key, safe='')}/{told.action}", {})
        does = "turns it away" if told.action == "disable" else "takes it"
        print(f"{told.action}d; every process {does} within 10 s")
        return 0
    for key in request(told, "GET", "/api/v1/keys")["keys"]:
        state = f"disabled {key['disabled_at']}" if key["disabled_at"] else "in use"
        trusted = ", trusted" if key["trusted"] else ""
        place = f"{key['project']} / {key['app']} ({key['environment']}{trusted})"
        print(f"{key['key']}  {shown(place):44} {state}")
    return 0
