"""What people did about alerts: told at once, and taken in by the watcher with its next look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import asyncpg

from collector.store.connect import Connection


class What(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"  # until a time; without one a silence ends
    RESOLVE = "resolve"
    FORGED = "forged"  # its reports were made up: nothing of it is remembered


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    alert: str
    what: What
    who: str
    at: datetime
    until: datetime | None = None


_GIVE = "INSERT INTO alert_order (alert, what, until, who, at) VALUES ($1, $2, $3, $4, $5)"


async def give(
    connection: Connection,
    alert: str,
    what: What,
    *,
    who: str,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """In the transaction of the change that people see."""
    await connection.execute(_GIVE, alert, what, until, who, at)


async def waiting(connection: Connection) -> Sequence[Order]:
    """In the order in which they were given."""
    rows = await connection.fetch("SELECT * FROM alert_order ORDER BY id LIMIT 1000")
    return [_order(row) for row in rows]


async def of_alert(connection: Connection, alert: str) -> Sequence[Order]:
    """Those that wait, in the order in which they were given."""
    rows = await connection.fetch("SELECT * FROM alert_order WHERE alert = $1 ORDER BY id", alert)
    return [_order(row) for row in rows]


def _order(row: asyncpg.Record) -> Order:
    return Order(row["id"], row["alert"], What(row["what"]), row["who"], row["at"], row["until"])


async def done(connection: Connection, ids: Sequence[int]) -> None:
    await connection.execute("DELETE FROM alert_order WHERE id = ANY($1)", list(ids))
