"""Silences as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg

from collector.reports.hosts import matches

# Of the form. back: "host" where it stands on a host's page.
FIELDS = (
    "project", "host", "kind", "signature", "network", "wide", "length", "until", "note", "back",
)  # fmt: skip
LENGTHS = {"1": "1 hour", "4": "4 hours", "24": "1 day", "168": "7 days"}  # hours


def shown(rows: Iterable[asyncpg.Record]) -> list[dict[str, Any]]:
    return [{**row, "hex": row["signature"].hex() if row["signature"] else None} for row in rows]


def at_host(rows: Iterable[asyncpg.Record], project: str, host: str) -> list[dict[str, Any]]:
    """Those that may hold something of a host back, in the same order."""
    return shown(
        row
        for row in rows
        if row["project"] in (None, project)
        and (row["host"] is None or row["host"] == host or matches(row["host"], host))
    )


def of_alert(
    rows: Iterable[asyncpg.Record], alert: str, kind: str, project: str, host: str
) -> list[dict[str, Any]]:
    """Those of an alert, its place, or a signature of its host; a network's has no alert."""
    return [
        row
        for row in at_host(rows, project, host)
        if row["alert"] == alert
        or (row["alert"] is None and row["network"] is None and row["kind"] in (None, kind))
    ]
