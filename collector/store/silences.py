"""Silences: what nobody is to hear of until a time, by project, host and kind; None is any of them.

Alerts that fire already are silenced by whoever adds one; of those that are not there yet the watcher
asks ``lasting`` when it opens them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.errors import ConflictError, NotFoundError
from collector.store.connect import Connection

MOST = 200  # that last
_KEPT = timedelta(days=30)  # after their end


@dataclass(frozen=True, slots=True)
class Matcher:
    """``host``: a name, or ``*.example.com``, which stands for names at any depth."""

    project: int | None
    host: str | None
    kind: str | None


_COUNT = "SELECT count(*) FROM silence WHERE until > $1"
_ADD = """
INSERT INTO silence (project, host, kind, until, created_at, created_by, note)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id
"""
_COLUMNS = """
SELECT s.id, s.project AS project_id, p.name AS project, s.host, s.kind, s.until, s.created_at,
    s.created_by, s.note
FROM silence s LEFT JOIN project p ON p.id = s.project
"""


async def add(
    connection: Connection, what: Matcher, *, until: datetime, note: str, now: datetime, who: str
) -> asyncpg.Record:
    """The row, as ``listed`` tells it. Raises ConflictError where there are too many."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.silences'))")
    await connection.execute("DELETE FROM silence WHERE until < $1", now - _KEPT)
    if await connection.fetchval(_COUNT, now) >= MOST:
        raise ConflictError(f"there are {MOST} silences that last: end some")
    id_ = await connection.fetchval(_ADD, what.project, what.host, what.kind, until, now, who, note)
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
    """Raises NotFoundError."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.silences'))")
    row = await connection.fetchrow(_COLUMNS + "WHERE s.id = $1", id_)
    if row is None:
        raise NotFoundError(f"there is no silence {id_}")
    await connection.execute("DELETE FROM silence WHERE id = $1", id_)
    return row


# {pattern} matches {host} as ``reports.hosts.matches`` says; names may hold "_", so not by LIKE.
_OF_HOST = """
({pattern} IS NULL OR {pattern} = {host} OR (
    left({pattern}, 2) = '*.' AND right({host}, length({pattern}) - 1) = substr({pattern}, 2)
    AND length({host}) > length({pattern}) - 1
))
"""
_FIRING = f"""
SELECT a.id, a.project, a.host, a.kind, a.silenced_until FROM alert a
WHERE a.state = 'firing' AND ($1::int IS NULL OR a.project = $1)
    AND {_OF_HOST.format(pattern="$2::text", host="a.host")} AND ($3::text IS NULL OR a.kind = $3)
ORDER BY a.id FOR UPDATE
"""  # noqa: S608 (constants)


async def firing(connection: Connection, what: Matcher) -> Sequence[asyncpg.Record]:
    """Alerts that fire and are matched; nobody else writes them until the transaction ends."""
    return await connection.fetch(_FIRING, what.project, what.host, what.kind)


_LASTING = f"""
SELECT max(s.until) FROM silence s
WHERE s.until > $4 AND (s.project IS NULL OR s.project = $1)
    AND {_OF_HOST.format(pattern="s.host", host="$2::text")} AND (s.kind IS NULL OR s.kind = $3)
"""  # noqa: S608


async def lasting(
    connection: Connection, project: int, host: str, kind: str, now: datetime
) -> datetime | None:
    """Until when an alert of these is silenced by any of them; None: it is not."""
    until: datetime | None = await connection.fetchval(_LASTING, project, host, kind, now)
    return until
