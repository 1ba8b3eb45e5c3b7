"""Alerts from a terminal: what fires, one of them whole, and what is done about it. What you do is seen
by everybody at once; channels hear of it with the watcher's next look, within seconds.
"""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from collector.alert import affected
from collector.commands import silencing
from collector.commands.options import add_data
from collector.commands.remote import request
from collector.commands.rotation import local
from collector.errors import PinfallError
from collector.web.shown import shown

EXAMPLES = """examples:
  pinfall alerts list                                what fires now
  pinfall alerts list --state all --host api.example.com
  pinfall alerts show 3f2a
  pinfall alerts ack 3f2a
  pinfall alerts silence 3f2a --for 4h --note 'rolling back'
  pinfall alerts silence 3f2a --until 2026-12-01T08:00+01:00
  pinfall alerts silence 3f2a --end
  pinfall alerts silence --host '*.staging.example.com' --for 2h --note 'load test'
  pinfall alerts silence --signature 5f0c64a2b1d94e7f8a3b2c1d0e9f8a7b --for 30d --note 'proxy of the office'
  pinfall alerts silence --network 203.0.113.0/24 --until 2026-12-01T08:00+01:00 --note 'our pentest'
  pinfall alerts silences                            what is silenced now
  pinfall alerts unsilence 12
  pinfall alerts resolve 3f2a --note 'old chain is back'
  pinfall alerts resolve 3f2a --forged               its reports were made up
  pinfall alerts note 3f2a 'asked the CDN, ticket 4711'

An alert is named by its id, or by as much of it as no other one begins with. A time without a zone is a
local one.

A silence holds back what is sent, never what is judged; what still fires when it ends is sent. Of a
signature: an alert waits as long as all other signatures show no break by themselves. Of a network: what
is reported from there while it lasts is counted and shown, and is nobody's alert.
"""
_SHORT = 8  # characters of an id that a list shows, where they tell all apart


def arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, told: str, *, of_one: bool = True) -> argparse.ArgumentParser:
        made = actions.add_parser(
            name, help=told, description=f"{told[0].upper()}{told[1:]}.", epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        if of_one:
            made.add_argument("id", metavar="ID", help="as the list shows it")
        return made

    listing = action("list", "what fires first, and of that what changed last", of_one=False)
    listing.add_argument(
        "--state", choices=("firing", "resolved", "all"), default="firing", help="(default: firing)"
    )
    listing.add_argument("--project", metavar="NAME", help="(default: all)")
    listing.add_argument("--host", metavar="HOST", help="(default: all)")
    show = action("show", "one alert, what channels were told, and what people did")
    ack = action("ack", "say that you are on it")
    silence = action(
        "silence", "tell nobody of it for a while; it is looked at as before", of_one=False
    )
    silence.add_argument("id", metavar="ID", nargs="?", help="one alert, as the list shows it")
    silence.add_argument("--host", metavar="HOST", help="alerts of a host, or of *.example.com")
    silence.add_argument("--kind", metavar="KIND", help="only alerts of this kind")
    silence.add_argument("--signature", metavar="HEX", help="what it shows, as its page names it")
    silence.add_argument(
        "--network", metavar="CIDR", help="what is reported from there from now on"
    )
    silence.add_argument(
        "--wide", action="store_true", help="a network wider than a /8, or IPv6 /16"
    )
    silence.add_argument("--project", metavar="NAME", help="only in this project (default: all)")
    how_long = silence.add_mutually_exclusive_group(required=True)
    how_long.add_argument("--for", dest="length", metavar="TIME", help="such as 30m, 4h, 2d")
    how_long.add_argument("--until", metavar="T", help="such as 2026-12-01T08:00+01:00")
    how_long.add_argument("--end", action="store_true", help="end the silence of one alert")
    quiet = action("silences", "what is silenced, until when, by whom and why", of_one=False)
    quiet.add_argument("--all", action="store_true", help="also what is over, of the last 30 days")
    unsilence = action("unsilence", "end a silence before its time", of_one=False)
    unsilence.add_argument("silence", metavar="ID", help="as 'silences' shows it")
    resolve = action("resolve", "close it by hand; it stays closed while the same is found")
    resolve.add_argument("--forged", action="store_true", help="its reports were made up")
    note = action("note", "leave a note for others")
    note.add_argument("note", metavar="TEXT")
    for one in (silence, resolve):
        one.add_argument("--note", default="", metavar="TEXT", help="what others should know")
    for one in (listing, show, quiet):
        one.add_argument("--json", action="store_true", help="as the API answers")
    for one in (listing, show, ack, silence, quiet, unsilence, resolve, note):
        add_data(one)


def run(told: argparse.Namespace) -> int:
    if told.action == "list":
        return _list(told)
    if told.action in silencing.ACTIONS or (told.action == "silence" and told.id is None):
        return silencing.run(told)
    id_ = _whole_id(told)
    path = f"/api/v1/alerts/{quote(id_, safe='')}"
    if told.action == "show":
        alert = request(told, "GET", path)
        print(json.dumps(alert) if told.json else "\n".join(_lines(alert)))
        return 0
    if told.action == "ack":
        alert = request(told, "POST", f"{path}/acknowledge", {})
        by = alert["acknowledged"]
        said = f"acknowledged by {shown(by['by'])} at {local(by['at'])}"
    elif told.action == "silence":
        silencing.refuse_others(told)
        body = {"until": None} if told.end else silencing.length(told)
        alert = request(told, "POST", f"{path}/silence", {**body, "note": told.note})
        until = alert["silenced_until"]
        said = f"silenced until {local(until)}" if until else "no longer silenced"
        if told.end and until:
            said += " by a silence of its signatures"
    elif told.action == "resolve":
        body = {"forged": told.forged, "note": told.note}
        request(told, "POST", f"{path}/resolve", body)
        how = "closed as forged" if told.forged else "resolved"
        said = f"is {how} with the watcher's next look"
    else:
        request(told, "POST", f"{path}/note", {"note": told.note})
        said = "noted"
    print(f"alert {shown(id_)}: {said}")
    return 0


def _list(told: argparse.Namespace) -> int:
    state = None if told.state == "all" else told.state
    asked = {"limit": "1000", "state": state, "project": told.project, "host": told.host}
    query = urlencode({name: value for name, value in asked.items() if value})
    answer = request(told, "GET", f"/api/v1/alerts?{query}")
    if told.json:
        print(json.dumps(answer))
        return 0
    rows = answer["alerts"]
    short = _SHORT if len({row["id"][:_SHORT] for row in rows}) == len(rows) else None
    for row in rows:
        print(_line(row, short))
    if not rows:
        print("nothing fires" if told.state == "firing" else "no alert")
    return 0


def _whole_id(told: argparse.Namespace) -> str:
    """Of an alert that there is, by the beginning of its id. Raises PinfallError."""
    rows = request(told, "GET", "/api/v1/alerts?limit=1000")["alerts"]
    ids = [str(row["id"]) for row in rows if str(row["id"]).startswith(told.id)]
    if told.id in ids or not ids:
        return str(told.id)  # what is too old for the list the API knows all the same
    if len(ids) > 1:
        raise PinfallError(f"'{told.id}' is the beginning of {len(ids)} alerts: say more of it")
    return ids[0]


def _line(row: dict[str, Any], short: int | None) -> str:
    facts = [
        shown(row["id"][:short]),
        local(row["started_at"]),
        row["severity"],
        "firing" if row["state"] == "firing" else f"resolved {local(row['ended_at'])}",
        shown(row["project"], 80),
        shown(row["summary"]),
    ]
    if row["acknowledged"]:
        facts.append(f"acknowledged by {shown(row['acknowledged']['by'], 80)}")
    if row["silenced_until"] and row["state"] == "firing":
        facts.append(f"silenced until {local(row['silenced_until'])}")
    return "  ".join(facts)


def _lines(alert: dict[str, Any]) -> list[str]:
    cause, reach, timeline = alert["cause"], alert["reach"], alert["timeline"]
    lines = [_line(alert, None), ""]
    share = "" if reach["share"] is None else f", {100 * reach['share']:.3g} % of connections"
    people = affected(reach["installs"], reach["networks"]) + share
    people += f"; {reach['expected']:.3g} are usual"
    told = [
        ("host", f"{shown(alert['host'])} in '{shown(alert['project'])}'"),
        ("kind", shown(alert["kind"])),
        ("cause", f"{shown(cause['label'])} ({100 * cause['confidence']:.0f} % sure)"),
        *((f"  {shown(one['fact'], 60)}", shown(one["value"])) for one in cause["evidence"]),
        ("reach", people),
        ("apps", _joined(alert["apps"])),
        ("versions", _joined(reach["app_versions"])),
        ("platforms", _joined(reach["platforms"])),
    ]  # fmt: skip
    for link in alert["chain"]:
        ends = f", until {local(link['not_after'])}" if link["not_after"] else ""
        told.append(
            (f"reported {shown(link['role'], 20)}", f"{shown(link['subject'] or '')}{ends}")
        )
        told.append(("", shown(link["pin"])))
    told += [("pin of clients", shown(pin)) for pin in alert["pins"]]
    if alert["rotation"]:
        turn = alert["rotation"]
        words = [
            local(turn["at"]),
            shown(turn["state"]),
            _joined(turn["sources"]),
            shown(turn["note"]),
        ]
        told.append(("rotation", ", ".join(filter(None, words))))
    told += [(f"step {n}", shown(step, 500)) for n, step in enumerate(alert["next_steps"], 1)]
    told += [(name, shown(url)) for name, url in alert["links"].items() if url]
    lines += [f"{name:<16} {value}" for name, value in told if value]
    events = [(row["created_at"], _delivery(row)) for row in timeline["deliveries"]]
    notes = [(row["at"], shown(row["who"], 80), row["note"]) for row in timeline["notes"]]
    events += [(at, f"{who}: {shown(note, 1000)}") for at, who, note in notes]
    events.sort(key=lambda event: datetime.fromisoformat(event[0]))
    lines += ["", *(f"{local(at)}  {what}" for at, what in events)] if events else []
    waits = [shown(order["what"]) for order in timeline["ordered"]]
    return [*lines, f"with the watcher's next look: {', '.join(waits)}"] if waits else lines


def _delivery(row: dict[str, Any]) -> str:
    error = f" ({shown(row['last_error'])})" if row["last_error"] else ""
    return f"{shown(row['channel'], 80)}: {row['event']}, {row['state']}{error}"


def _joined(texts: list[str]) -> str:
    return ", ".join(shown(text, 80) for text in texts)
