"""Tokens for the operator listener. A viewer reads and scrapes; a pipeline also imports and registers
certificates; an operator does all of it. A token is shown once and stored hashed; its name is the "who" of
the audit.
"""

from __future__ import annotations

import argparse
import sys
from urllib.parse import quote

from collector.commands.options import add_data
from collector.commands.remote import request
from collector.web.access import Role
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall token add prometheus --role viewer
  pinfall token add release-pipeline --role pipeline --days 90
  pinfall token list
  pinfall token revoke prometheus
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a token, and show it once")
    add.add_argument("name", metavar="NAME", help="a person, or a machine")
    add.add_argument("--role", required=True, choices=[role.value for role in Role])
    add.add_argument("--days", type=int, metavar="N", help="until it expires (default: never)")
    add_data(add)
    add_data(actions.add_parser("list", help="tokens with role and state"))
    revoke = actions.add_parser("revoke", help="close its doors, within seconds")
    revoke.add_argument("name", metavar="NAME")
    add_data(revoke)


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        wanted = {"name": told.name, "role": told.role, "days": told.days}
        made = request(told, "POST", "/api/v1/tokens", wanted)
        print(made["token"])
        until = f" until {made['expires_at']}" if made["expires_at"] else ""
        print(f"role {made['role']}{until}; it is not shown again", file=sys.stderr)
        return 0
    if told.action == "revoke":
        request(told, "DELETE", f"/api/v1/tokens/{quote(told.name, safe='')}")
        print("revoked; every process turns it away within 10 s")
        return 0
    tokens = request(told, "GET", "/api/v1/tokens")["tokens"]
    for token in tokens:
        state = f"until {token['expires_at']}" if token["expires_at"] else "in use"
        if token["revoked_at"]:
            state = f"revoked {token['revoked_at']}"
        print(
            f"{shown(token['name']):32} {token['role']:9} by {shown(token['created_by'])}, {state}"
        )
    if not tokens:
        print("no token yet")
    return 0
