"""Silences by place: nothing is sent of what they cover; it is looked at as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.errors import ConflictError, NotFoundError
from collector.reports.hosts import matches
from collector.store.connect import Connection

MOST = 200  # that last
_KEPT = timedelta(days=30)  # after their end


@dataclass(frozen=True, slots=True)
class Silence:
    """None: any. ``host``: a name, or ``*.example.com``."""

    project: int | None
    host: str | None
    kind: str | None
    until: datetime

    def covers(self, project: int, host: str, kind: str) -> bool:
        return (
            self.project in (None, project)
            and (self.host is None or self.host == host or matches(self.host, host))
            and self.kind in (None, kind)
        )


async def active(connection: Connection, now: datetime) -> Sequence[Silence]:
    rows = await connection.fetch(
        "SELECT project, host, kind, until FROM silence WHERE until > $1", now
    )
    return [Silence(row["project"], row["host"], row["kind"], row["until"]) for row in rows]


_COLUMNS = """
SELECT s.id, s.project AS project_id, p.name AS project, s.host, s.kind, s.until, s.created_at,
    s.created_by, s.note
FROM silence s LEFT JOIN project p ON p.id = s.project
"""
_COUNT = "SELECT count(*) FROM silence WHERE until > $1"
_ADD = """
INSERT INTO silence (project, host, kind, until, created_at, created_by, note)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
"""


async def add(
    connection: Connection, what: Silence, *, note: str, now: datetime, who: str
) -> asyncpg.Record:
    """The row, as ``listed`` tells it. Raises ConflictError where there are too many."""
    await _one_at_a_time(connection)
    await connection.execute("DELETE FROM silence WHERE until < $1", now - _KEPT)
    if await connection.fetchval(_COUNT, now) >= MOST:
        raise ConflictError(f"there are {MOST} silences that last: end some")
    id_ = await connection.fetchval(
        _ADD, what.project, what.host, what.kind, what.until, now, who, note
    )
    row = await connection.fetchrow(_COLUMNS + "WHERE s.id = $1", id_)
    assert row is not None
    return row


_LISTED = f"""{_COLUMNS}
WHERE s.until > $1 AND (s.project IS NULL OR p.forgotten_at IS NULL) ORDER BY s.until, s.id
"""


async def listed(connection: Connection, now: datetime) -> Sequence[asyncpg.Record]:
    """Those that last, the one that ends first before the others."""
    return await connection.fetch(_LISTED, now)


async def remove(connection: Connection, id_: int) -> asyncpg.Record:
    """The row that is gone. Raises NotFoundError."""
    await _one_at_a_time(connection)
    row = await connection.fetchrow(_COLUMNS + "WHERE s.id = $1", id_)
    if row is None:
        raise NotFoundError(f"there is no silence {id_}")
    await connection.execute("DELETE FROM silence WHERE id = $1", id_)
    return row


async def _one_at_a_time(connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.silences'))")


_FIRING = "SELECT id, project, host, kind FROM alert WHERE state = 'firing' ORDER BY id"


async def firing(connection: Connection, what: Silence) -> list[asyncpg.Record]:
    """Alerts that fire and are covered, by their ids."""
    rows = await connection.fetch(_FIRING)
    return [row for row in rows if what.covers(row["project"], row["host"], row["kind"])]
