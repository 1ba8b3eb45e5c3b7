"""Silences from a terminal: of a host, a kind, a signature or a network; which there are; and their end."""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from collector.commands.remote import request
from collector.commands.rotation import local
from collector.errors import PinfallError
from collector.web.shown import shown

ACTIONS = ("silences", "unsilence")
_NAMES = ("project", "host", "kind", "signature", "network")
_LENGTH = re.compile(r"\d{1,5}[mhd]", re.ASCII)


def run(told: argparse.Namespace) -> int:
    """What is of no one alert. Raises PinfallError."""
    if told.action == "silences":
        return _list(told)
    if told.action == "unsilence":
        row = request(told, "DELETE", f"/api/v1/silences/{quote(told.silence, safe='')}")
        print(f"silence {row['id']}: ended, it was of {_of(row)}{_fire(row['alerts'])}")
        return 0
    named: dict[str, Any] = {
        name: value for name in _NAMES if (value := getattr(told, name)) is not None
    }
    if told.end:
        raise PinfallError("--end: is of one alert, by its ID; others: pinfall alerts unsilence ID")
    if not named:
        raise PinfallError(
            "say what: the ID of an alert, or --host, --signature, --network, --kind"
        )
    body = {**named, **length(told), "note": told.note, "wide": told.wide}
    row = request(told, "POST", "/api/v1/silences", body)
    print(f"silence {row['id']}: {_of(row)}, until {local(row['until'])}{_fire(row['alerts'])}")
    return 0


def refuse_others(told: argparse.Namespace) -> None:
    """Where one alert is named. Raises PinfallError."""
    for name in (*_NAMES, "wide"):
        if getattr(told, name):
            raise PinfallError(f"--{name}: cannot be said with the ID of an alert")


def length(told: argparse.Namespace) -> dict[str, str]:
    """How long, as the API reads it: a length counts from the collector's clock. Raises PinfallError."""
    if told.length is not None:
        if not _LENGTH.fullmatch(told.length):
            raise PinfallError(f"--for: '{shown(told.length, 80)}' is no time such as 30m, 4h, 2d")
        return {"for": told.length}
    try:
        return {"until": datetime.fromisoformat(told.until).astimezone(UTC).isoformat()}
    except (ValueError, OverflowError):
        raise PinfallError(
            f"--until: '{shown(told.until, 80)}' is no time such as 2026-12-01T08:00+01:00"
        ) from None


def _list(told: argparse.Namespace) -> int:
    answer = request(told, "GET", f"/api/v1/silences?state={'all' if told.all else 'active'}")
    if told.json:
        print(json.dumps(answer))
        return 0
    now = datetime.now(UTC)
    for row in answer["silences"]:
        print("  ".join(_facts(row, now)))
    if not answer["silences"]:
        print("no silence" if told.all else "nothing is silenced")
    return 0


def _facts(row: dict[str, Any], now: datetime) -> list[str]:
    if row["ended_at"]:
        state = f"ended {local(row['ended_at'])} by {shown(row['ended_by'], 80)}"
    elif datetime.fromisoformat(row["until"]) <= now:
        state = f"was until {local(row['until'])}"
    else:
        state = f"until {local(row['until'])}"
    by = f"by {shown(row['created_by'], 80)} at {local(row['created_at'])}"
    return [str(row["id"]), state, _of(row), by, *([shown(row["note"])] if row["note"] else [])]


def _of(row: dict[str, Any]) -> str:
    """What a silence is of."""
    where = f" of {shown(row['host'])}" if row["host"] else ""
    where += f" in '{shown(row['project'], 80)}'" if row["project"] else ""
    for name in ("alert", "signature", "network"):
        if row[name]:
            return f"{name} {shown(row[name], 80)}{where}"
    return f"{shown(row['kind'] or 'every alert')}{where}"


def _fire(alerts: list[str]) -> str:
    return f" (fires: {', '.join(shown(one, 80) for one in alerts[:20])})" if alerts else ""
