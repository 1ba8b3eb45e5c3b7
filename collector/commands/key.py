"""Ingest keys: the public part of an ingest URL, with app and environment. A change reaches every
process within 10 seconds. A key can be read out of an app: it lets reports in, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.model import ENVIRONMENTS
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall key add --app wallet-ios --environment production
  pinfall key add --project wallet --app gateway --trusted
  pinfall key add --app web-wallet --origin https://app.example.com --quota 50
  pinfall key set KEY --quota 200 --no-origins
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
    add.add_argument("--quota", type=float, metavar="N", help="items a second (default: no quota)")
    _origin(add)
    add_data(add)
    change = actions.add_parser("set", help="limit what comes with a key; what is not said stays")
    change.add_argument("key", metavar="KEY")
    quota = change.add_mutually_exclusive_group()
    quota.add_argument("--quota", type=float, metavar="N", help="items a second")
    quota.add_argument("--no-quota", action="store_true", help="no quota of its own")
    origins = change.add_mutually_exclusive_group()
    _origin(origins)
    origins.add_argument("--no-origins", action="store_true", help="no page may")
    add_data(change)
    add_data(actions.add_parser("list", help="keys with project, app and environment"))
    for name, words in (
        ("disable", "turn away what comes with a key"),
        ("enable", "take it again"),
    ):
        turn = actions.add_parser(name, help=words)
        turn.add_argument("key", metavar="KEY")
        add_data(turn)


def _origin(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--origin",
        action="append",
        dest="origins",
        metavar="URL",
        help="a web origin whose pages may send reports of apps with it; may be repeated",
    )


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        wanted = {
            "project": told.project,
            "app": told.app,
            "environment": told.environment,
            "trusted": told.trusted,
            "quota": told.quota,
            "origins": told.origins or [],
        }
        made = request(told, "POST", "/api/v1/keys", wanted)
        print(made["key"])
        print(f"reports to {made['ingest_url']}", file=sys.stderr)
        return 0
    if told.action == "set":
        request(told, "PATCH", f"/api/v1/keys/{quote(told.key, safe='')}", _changes(told))
        print("set; every process knows within 10 s")
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
        print(f"{key['key']}  {shown(place):44} {state}{_limits(key)}")
    return 0


def _changes(told: argparse.Namespace) -> dict[str, object]:
    changes: dict[str, object] = {}
    if told.quota is not None or told.no_quota:
        changes["quota"] = told.quota
    if told.origins is not None or told.no_origins:
        changes["origins"] = told.origins or []
    if not changes:
        raise PinfallError("say --quota N or --no-quota, --origin URL or --no-origins")
    return changes


def _limits(key: dict[str, Any]) -> str:
    quota = "" if key["quota"] is None else f", at most {key['quota']:g} items/s"
    pages = "".join(f", pages of {shown(origin)}" for origin in key["origins"])
    return quota + pages
