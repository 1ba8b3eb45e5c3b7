"""Alerts. What a person says of one (acknowledged, silenced) stands in columns that the watcher does not
write, and is put into the body when it is read: neither undoes the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

import asyncpg

from collector.alert import Acknowledged, Alert, from_json, to_text
from collector.errors import NotFoundError
from collector.store import lease
from collector.store.connect import Connection

# muted_until: by silences of its signatures, as the watcher found it.
_COLUMNS = """a.id, a.body, a.acknowledged_by, a.acknowledged_at,
    greatest(a.silenced_until, a.muted_until) AS silenced_until"""
_WRITE = f"""
INSERT INTO alert AS a (id, project, host, kind, severity, audience, state, started_at, updated_at, ended_at,
    dedup_key, body, epoch, silenced_until, muted_until)
SELECT $1, project.id, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb, $13, $14, $15
FROM project WHERE project.name = $2
ON CONFLICT (id) DO UPDATE SET severity = EXCLUDED.severity, audience = EXCLUDED.audience,
    state = EXCLUDED.state, updated_at = EXCLUDED.updated_at, ended_at = EXCLUDED.ended_at,
    body = EXCLUDED.body, epoch = EXCLUDED.epoch, muted_until = EXCLUDED.muted_until,
    silenced_until = CASE WHEN a.state = 'resolved' AND EXCLUDED.state = 'firing'
        THEN greatest(a.silenced_until, EXCLUDED.silenced_until) ELSE a.silenced_until END
WHERE a.epoch <= EXCLUDED.epoch
RETURNING {_COLUMNS}
"""  # noqa: S608 (constants)


async def write(
    connection: Connection, alert: Alert, epoch: int, muted_until: datetime | None = None
) -> Alert:
    """Insert or update, in a transaction that also owes its deliveries. Returns it as it is stored,
    with what people said of it. muted_until: by silences of its signatures.

    Raises StaleEpochError; NotFoundError if its project is gone; asyncpg.UniqueViolationError if
    another of its project, host and kind fires.

    One that opens, or opens again, is silenced as it says itself: a silence was there before it.
    """
    await lease.hold(connection, epoch)
    row = await connection.fetchrow(
        _WRITE,
        alert.id,
        alert.project,
        alert.host,
        alert.kind,
        alert.severity,
        alert.audience,
        alert.state,
        alert.started_at,
        alert.updated_at,
        alert.ended_at,
        alert.dedup_key,
        to_text(alert),
        epoch,
        alert.silenced_until,
        muted_until,
    )
    if row is None:
        raise NotFoundError(f"there is no project '{alert.project}'")
    return _alert(row)


def _alert(row: asyncpg.Record) -> Alert:
    by = row["acknowledged_by"]
    return replace(
        from_json(row["body"]),
        acknowledged=Acknowledged(by, row["acknowledged_at"]) if by is not None else None,
        silenced_until=row["silenced_until"],
    )


async def one(connection: Connection, id_: str) -> Alert:
    """Raises NotFoundError."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM alert AS a WHERE id = $1", id_)  # noqa: S608
    if row is None:
        raise NotFoundError(f"there is no alert '{id_[:80]}'")
    return _alert(row)


async def held(connection: Connection, id_: str) -> Alert:
    """As ``one``; nobody else writes it until the transaction ends. Raises NotFoundError."""
    await connection.execute("SELECT FROM alert WHERE id = $1 FOR UPDATE", id_)
    return await one(connection, id_)


_FIRING = f"SELECT {_COLUMNS} FROM alert AS a WHERE state = 'firing' ORDER BY started_at, id"  # noqa: S608


async def firing(connection: Connection) -> list[Alert]:
    """The oldest first."""
    return [_alert(row) for row in await connection.fetch(_FIRING)]


_ACKNOWLEDGE = "UPDATE alert SET acknowledged_by = $2, acknowledged_at = $3 WHERE id = $1"
_SILENCE = "UPDATE alert SET silenced_until = $2 WHERE id = $1"


async def acknowledge(connection: Connection, id_: str, said: Acknowledged | None) -> Alert:
    """None: it counts no longer, as when the alert has to page again. Raises NotFoundError."""
    by, at = (said.by, said.at) if said else (None, None)
    await connection.execute(_ACKNOWLEDGE, id_, by, at)
    return await one(connection, id_)


async def silence(connection: Connection, id_: str, until: datetime | None) -> Alert:
    """Raises NotFoundError."""
    await connection.execute(_SILENCE, id_, until)
    return await one(connection, id_)


async def said_until(connection: Connection, id_: str) -> datetime | None:
    """How long people silenced this very alert, or its place; None: they did not, or it is not there."""
    until: datetime | None = await connection.fetchval(
        "SELECT silenced_until FROM alert WHERE id = $1", id_
    )
    return until


# Of those that a channel was told of: one that was silenced from its beginning stays unknown to it.
_TOLD = f"""
SELECT {_COLUMNS} FROM alert AS a
WHERE (a.state = 'firing' OR a.ended_at > $2) AND EXISTS (
    SELECT FROM delivery_out WHERE alert = a.id AND channel = $1 AND event IN ('fired', 'became_page')
) AND EXISTS (SELECT FROM watcher_lease WHERE epoch = $3)
ORDER BY a.started_at, a.id
"""  # noqa: S608


async def told(
    connection: Connection, channel: str, *, ended_after: datetime, epoch: int
) -> list[Alert]:
    """What a channel was told of, or is owed: what fires, and what ended lately. Nothing if the epoch
    is stale."""
    return [_alert(row) for row in await connection.fetch(_TOLD, channel, ended_after, epoch)]


async def note(connection: Connection, id_: str, *, who: str, at: datetime, note: str) -> None:
    """Raises NotFoundError."""
    await one(connection, id_)
    await connection.execute(
        "INSERT INTO alert_note (alert, at, who, note) VALUES ($1, $2, $3, $4)", id_, at, who, note
    )


async def channels_told(connection: Connection, id_: str) -> Collection[str]:
    """Those that were told, or are owed, that it fired."""
    rows = await connection.fetch(
        "SELECT DISTINCT channel FROM delivery_out"
        " WHERE alert = $1 AND event IN ('fired', 'became_page')",
        id_,
    )
    return {row["channel"] for row in rows}


_OF_HOST = """
SELECT id, kind, severity, state, started_at, updated_at, ended_at, body ->> 'summary' AS summary
FROM alert WHERE project = $1 AND host = $2 AND (state = 'firing' OR ended_at >= $3)
ORDER BY started_at DESC LIMIT 100
"""


async def of_host(
    connection: Connection, project: int, host: str, since: datetime
) -> list[asyncpg.Record]:
    """Those that fire or ended since then, the newest first."""
    return await connection.fetch(_OF_HOST, project, host, since)


_LISTED = f"""
SELECT {_COLUMNS} FROM alert AS a JOIN project p ON p.id = a.project AND p.forgotten_at IS NULL
WHERE ($1::text IS NULL OR a.state = $1) AND ($2::text IS NULL OR p.name = $2)
    AND ($3::text IS NULL OR a.host = $3)
ORDER BY a.state, a.updated_at DESC, a.id LIMIT $4
"""  # noqa: S608


async def listed(
    connection: Connection, *, state: str | None, project: str | None, host: str | None, limit: int
) -> list[Alert]:
    """What fires first, and of those what changed last."""
    return [_alert(row) for row in await connection.fetch(_LISTED, state, project, host, limit)]


async def notes(connection: Connection, id_: str) -> list[asyncpg.Record]:
    return await connection.fetch(
        "SELECT at, who, note FROM alert_note WHERE alert = $1 ORDER BY id", id_
    )


async def deliveries(connection: Connection, id_: str) -> list[asyncpg.Record]:
    """What channels were told, or are owed, in the order of what happened."""
    return await connection.fetch(
        "SELECT channel, event, state, created_at, due_at, tries, last_error, ended_at FROM delivery_out"
        " WHERE alert = $1 ORDER BY id LIMIT 200",
        id_,
    )


async def forget_before(connection: Connection, at: datetime) -> None:
    """Those that ended before then, with their notes, deliveries and silences."""
    await connection.execute("DELETE FROM alert WHERE ended_at < $1", at)
