"""Play a fleet of clients: real dialects over real HTTP, with certificates of its own.

To --url, an ingest URL with its key; else to the 'up' of --data, which is also told what an operator would
tell it: the keys of the host, and a rotation where the scenario
declares one. Ends with one line of JSON: what really happened, what the server answered, and beside an 'up'
which alerts the host then has. Exit 1 if a report was not taken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from collector.commands import running
from collector.commands.options import add_data, data_directory
from collector.commands.playing import Operator
from collector.errors import PinfallError
from collector.reports.hosts import read_host
from collector.simulate.fleet import Fleet
from collector.simulate.play import Told, play
from collector.simulate.scenarios import BY_NAME, SCENARIOS

EXAMPLES = """examples:
  pinfall simulate --list
  pinfall simulate bad-rotation --installs 2000 --minutes 60 --speed 60
  pinfall simulate quiet --url https://reports.example.net/r/KEY --seed 7

Each sender has an address of its own: 127.x.y.z where the collector is on this machine (Linux), else
X-Forwarded-For, which the collector believes only of PINFALL_TRUSTED_PROXIES. With --url the operator's side
is yours: until its keys are registered or probed, the fleet's host is one in the middle.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO", help="one of --list")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--url", help="the ingest URL, with its key")
    parser.add_argument("--host", default="api.example.com", help="the pinned host (%(default)s)")
    parser.add_argument("--installs", type=int, default=500, help="size of the fleet (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=10, help="simulated time (%(default)g), each install connects 4 times"
    )  # fmt: skip
    parser.add_argument(
        "--speed", type=float, default=10, help="simulated seconds in a real one (%(default)g)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all but keys and ids (%(default)s)")
    add_data(parser)


def ingest_url(told: argparse.Namespace) -> str:
    if told.url:
        if not str(told.url).startswith(("http://", "https://")):
            raise PinfallError("--url: should start with http:// or https://")
        return str(told.url)
    data = data_directory(told)
    found = running.find(data)
    if found is None:
        raise PinfallError(f"nothing runs on {data}: start 'pinfall up', or say --url")
    return found.ingest_url


def run(told: argparse.Namespace) -> int:
    if told.list or not told.scenario:
        for scenario in SCENARIOS:
            print(f"{scenario.name:17} {scenario.says}")
            print(f"{'':17} leads to: {scenario.leads}")
        return 0 if told.list else 2
    found = BY_NAME.get(told.scenario)
    if found is None:
        raise PinfallError(f"no scenario {told.scenario!r}: one of {', '.join(BY_NAME)}")
    if told.installs < 1 or told.minutes <= 0 or told.speed <= 0:
        raise PinfallError("--installs, --minutes and --speed: more than 0")
    try:
        host, _ = read_host(told.host)
    except ValueError:
        raise PinfallError(f"--host: {told.host!r} is no host name") from None
    url = ingest_url(told)
    seconds = told.minutes * 60
    fleet = Fleet(
        found, host, told.installs, seconds, told.seed, datetime.now(UTC), speed=told.speed
    )
    operator = None if told.url or os.environ.get("PINFALL_URL") else Operator(told, fleet)
    print(f"{found.name}: {found.says}", file=sys.stderr)
    if operator is not None:
        operator.begin()
    elif not told.url:
        print("PINFALL_URL is set: the 'up' is told of no keys and no rotation", file=sys.stderr)
    at = operator.at if operator else None
    answered = asyncio.run(play(fleet, url, told.speed, at, progress=_progress(seconds)))
    ended = summary(fleet, answered)
    if operator is not None:
        names = ("kind", "severity", "state", "summary")
        ended["alerts"] = [{name: one[name] for name in names} for one in operator.alerts()]
    print(json.dumps(ended))
    bad = sum(number for status, number in answered.answers.items() if status != "200")
    return 1 if bad else 0


def _progress(seconds: float) -> Any:
    shown = -1

    def tell(at: float, told: Told) -> None:
        nonlocal shown
        share = int(20 * at / seconds)
        if share != shown:
            shown = share
            sent = sum(told.answers.values())
            print(f"{at / 60:6.1f} of {seconds / 60:g} min, {sent} reports", file=sys.stderr)

    return tell


def summary(fleet: Fleet, told: Told) -> dict[str, Any]:
    return {
        "scenario": fleet.scenario.name,
        "host": fleet.host,
        "affected_installs": {name: len(who) for name, who in fleet.truth.installs.items()},
        "reports": dict(fleet.truth.reports),
        "answers": dict(told.answers),
        "items": dict(told.items),
    }
