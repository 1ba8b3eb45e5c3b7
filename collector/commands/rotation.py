"""Rotations: when the keys of a host change. Declare one from the pipeline that does it: what breaks
right after it is then known to be ours, and the coming chain's leaf counts as ours from the declaration
on. Probes and reports add what they see; a declared rotation that does not happen says so after 2 hours.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from collector.commands.certs import certificates
from collector.commands.options import add_data
from collector.commands.remote import request
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall rotation add api.example.com
  pinfall rotation add api.example.com --at 2026-12-01T10:00 --chain next/fullchain.pem --note 'change 4711'
  pinfall rotation list --host api.example.com
  pinfall rotation end 12

a deploy hook of certbot (/etc/letsencrypt/renewal-hooks/deploy/pinfall):
  #!/bin/sh
  export PINFALL_URL=https://pinfall.internal:8081 PINFALL_TOKEN="$(cat /etc/pinfall/pipeline-token)"
  for host in $RENEWED_DOMAINS; do
    pinfall rotation add "$host" --chain "$RENEWED_LINEAGE/fullchain.pem" --note 'certbot' || true
  done

A time without a zone is a local one. Of a file only the certificates are sent, never a private key
beside them.
"""
_STATES = {
    "planned": "planned",
    "done": "done",
    "late": "done late",
    "other_chain": "done, with another chain",
    "not_seen": "not seen",
    "ended": "ended",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="declare a rotation", epilog=EXAMPLES,
                             formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    add.add_argument("host", metavar="HOST")
    add.add_argument("--project", metavar="NAME", help="where several have the host")
    add.add_argument("--at", metavar="T", help="such as 2026-12-01T10:00+01:00 (default: now)")
    add.add_argument("--chain", metavar="PEM", help="file with the coming chain, leaf first")
    add.add_argument("--note", default="", metavar="N", help="what a person should know of it")
    add_data(add)
    listing = actions.add_parser("list", help="what is known, the newest first")
    listing.add_argument("--host", metavar="HOST", help="of this host, with its renewals")
    listing.add_argument("--project", metavar="NAME", help="those that count there (default: all)")
    listing.add_argument("--json", action="store_true", help="as the API answers")
    add_data(listing)
    end = actions.add_parser("end", help="one that is over, or that is not to happen")
    end.add_argument("id", type=int, metavar="ID", help="as the list shows it")
    add_data(end)


def run(told: argparse.Namespace) -> int:
    if told.action == "add":
        return _add(told)
    if told.action == "end":
        made = request(told, "POST", f"/api/v1/rotations/{told.id}/end", {})
        print(f"ended rotation {made['id']} of {shown(made['host'])}")
        return 0
    query = {"limit": "1000", "host": told.host, "project": told.project}
    asked = urlencode({name: value for name, value in query.items() if value})
    answer = request(told, "GET", f"/api/v1/rotations?{asked}")
    if told.json:
        print(json.dumps(answer))
        return 0
    for row in answer["rotations"]:
        print(_line(row))
    for row in answer["renewals"]:
        what = "new certificate, same key" if row["is_new_certificate"] else "same certificate"
        issuers = ", new issuers" if row["new_issuers"] else ""
        print(f"{'':>6}  {local(row['at'])}  {shown(row['host'])}  {what}{issuers}  {row['leaf']}")
    if not answer["rotations"] and not answer["renewals"]:
        print("no rotation yet")
    return 0


def _add(told: argparse.Namespace) -> int:
    wanted = {
        "project": told.project,
        "host": told.host,
        "at": None if told.at is None else read_time(told.at).isoformat(),
        "chain": "\n".join(certificates(told.chain)) if told.chain else None,
        "note": told.note,
    }
    made = request(told, "POST", "/api/v1/rotations", wanted)
    print(
        f"declared rotation {made['id']} of {shown(made['host'])} in '{shown(made['project'])}'"
        f" at {local(made['planned_at'])}"
    )
    if made["declared_leaf"]:
        print(f"counts as ours from now on: {made['declared_leaf']}")
    return 0


def read_time(text: str) -> datetime:
    """With its zone; without one it is a local time. Raises PinfallError."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise PinfallError(
            f"--at: '{shown(text, 80)}' is no time such as 2026-12-01T10:00+01:00"
        ) from None


def local(text: str) -> str:
    """A time of the API as this machine's clock has it, with its zone."""
    return datetime.fromisoformat(text).astimezone().isoformat(timespec="seconds")


def _line(row: dict[str, Any]) -> str:
    place = "all projects" if row["project"] is None else row["project"]
    pins = row["new_leaves"] or ([row["declared_leaf"]] if row["declared_leaf"] else [])
    facts = [
        f"{row['id']:>6}",
        local(row["at"]),
        shown(row["host"]),
        shown(place),
        _STATES.get(row["state"], shown(row["state"])),
        "+".join(map(shown, row["sources"])),
    ]
    if row["state"] in ("late", "not_seen", "other_chain") and row["planned_at"]:
        facts.append(f"planned {local(row['planned_at'])}")
    if row["state"] == "other_chain" and row["declared_leaf"]:
        facts.append(f"declared {row['declared_leaf']}")
    facts += [*pins, shown(row["note"])]
    return "  ".join(fact for fact in facts if fact)
