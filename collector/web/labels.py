"""What a signature is called: by an operator, else by the rules."""

from __future__ import annotations

import json

import asyncpg

from collector.store.timeline import NO_CAUSE


def label_of(row: asyncpg.Record) -> str:
    """Of a row with ``cause``, as it is stored, and ``relabelled``."""
    if row["relabelled"]:
        return str(row["relabelled"])
    told = json.loads(row["cause"]) if row["cause"] else {}
    return str(told.get("label", NO_CAUSE))
