"""Hosts of a project: registered (named by you, for good), admitted (by a wildcard, or reported by
three networks; released after 30 idle days), or proposed (reported, and counted as 'other').
"""

from __future__ import annotations

import argparse
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall host list
  pinfall host add api.example.com --project wallet
  pinfall host add mqtt.example.com --port 8883
  pinfall host add cdn.example.net --third-party
  pinfall host remove api.example.com --project wallet
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("add", "register a host or a pattern"),
        ("remove", "register it no longer"),
    ):
        action = actions.add_parser(name, help=words)
        action.add_argument("host", metavar="HOST", help="a host, or a pattern: '*.example.com'")
        action.add_argument(
            "--project", default="default", metavar="NAME", help="(default: default)"
        )
        if name == "add":
            action.add_argument(
                "--port", type=int, metavar="N", help="where it is probed (default: 443)"
            )
            action.add_argument(
                "--third-party",
                action=argparse.BooleanOptionalAction,
                help="somebody else's: its rotations are news, not ours",
            )
        add_data(action)
    listing = actions.add_parser("list", help="hosts with their state, and proposals")
    listing.add_argument("--project", metavar="NAME", help="(default: all)")
    add_data(listing)


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        body: dict[str, object] = {"project": told.project, "host": told.host}
        if told.port is not None:
            body["port"] = told.port
        if told.third_party is not None:
            body["third_party"] = told.third_party
        request(told, "POST", "/api/v1/hosts", body)
        print(f"registered {shown(told.host)} in '{shown(told.project)}'")
        return 0
    if told.action == "remove":
        path = "/".join(quote(part, safe="") for part in (told.project, told.host))
        request(told, "DELETE", f"/api/v1/hosts/{path}")
        print(f"removed {shown(told.host)}; where reports name it, it stays admitted for 30 days")
        return 0
    query = f"&project={quote(told.project, safe='')}" if told.project else ""
    listed = request(told, "GET", f"/api/v1/hosts?limit=1000{query}")
    for row in listed["hosts"]:
        _print(row, row["state"])
    for row in listed["proposed"]:
        _print(row, "proposed")
    if not listed["hosts"] and not listed["proposed"]:
        print("no host yet")
    return 0


def _print(row: dict[str, object], state: str) -> None:
    by = f", by {row['networks']} networks" if "networks" in row else ""
    by += f", port {row['port']}" if row.get("port", 443) != 443 else ""
    by += ", third party" if row.get("third_party") else ""
    print(
        f"{shown(row['host']):40} {shown(row['project']):16} {state:10} last {row['last_seen']}{by}"
    )
