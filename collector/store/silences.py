"""Silences: nothing is sent of what they cover; it is looked at as before.

Of a place (project, host, kind), of a signature, of a network, or of one alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

import asyncpg

from collector.errors import ConflictError, NotFoundError
from collector.reports.hosts import matches
from collector.store.connect import Connection

MOST = 200  # that last, those of one alert apart
_KEPT = timedelta(days=30)  # after their end
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Silence:
    """None: any. ``host``: a name, or ``*.example.com``. At most one of ``signature``, ``network`` and
    ``alert``; with a network, project and host say what of it is silenced."""

    project: int | None
    host: str | None
    kind: str | None
    until: datetime
    signature: bytes | None = None
    network: Network | None = None
    alert: str | None = None

    @property
    def of_place(self) -> bool:
        return self.signature is None and self.network is None and self.alert is None

    def covers(self, project: int, host: str, kind: str) -> bool:
        """Whether it silences any alert of that place and kind, whatever it is about."""
        return (
            self.of_place
            and self.project in (None, project)
            and (self.host is None or self.host == host or matches(self.host, host))
            and self.kind in (None, kind)
        )


_ACTIVE = """
SELECT project, host, kind, until, signature, network, alert FROM silence
WHERE until > $1 AND ended_at IS NULL ORDER BY id
"""


async def active(connection: Connection, now: datetime) -> Sequence[Silence]:
    return [Silence(**row) for row in await connection.fetch(_ACTIVE, now)]


_NETWORKS = """
SELECT text(network) AS cidr, until, project, host FROM silence
WHERE network IS NOT NULL AND until > $1 AND ended_at IS NULL ORDER BY id
"""


async def networks(connection: Connection, now: datetime) -> Sequence[asyncpg.Record]:
    """(cidr, until, project, host) of those that last."""
    return await connection.fetch(_NETWORKS, now)


_COLUMNS = """
SELECT s.id, s.project AS project_id, p.name AS project, s.host, s.kind, s.signature,
    s.network, s.alert, s.until, s.created_at, s.created_by, s.note, s.ended_at, s.ended_by
FROM silence s LEFT JOIN project p ON p.id = s.project
"""
_COUNT = "SELECT count(*) FROM silence WHERE until > $1 AND ended_at IS NULL AND alert IS NULL"
_OLD = "DELETE FROM silence WHERE coalesce(ended_at, until) < $1"
_ADD = """
INSERT INTO silence
    (project, host, kind, signature, network, alert, until, created_at, created_by, note)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id
"""


async def add(
    connection: Connection, what: Silence, *, note: str, now: datetime, who: str
) -> asyncpg.Record:
    """The row, as ``listed`` tells it. Raises ConflictError where there are too many."""
    await one_at_a_time(connection)
    await forget(connection, now)
    if what.alert is None and await connection.fetchval(_COUNT, now) >= MOST:
        raise ConflictError(f"there are {MOST} silences that last: end some")
    id_ = await connection.fetchval(
        _ADD, what.project, what.host, what.kind, what.signature, what.network, what.alert, what.until,
        now, who, note,
    )  # fmt: skip
    return await _row(connection, id_)


async def _row(connection: Connection, id_: int) -> asyncpg.Record:
    row = await connection.fetchrow(_COLUMNS + "WHERE s.id = $1", id_)
    if row is None:
        raise NotFoundError(f"there is no silence {id_}")
    return row


_LISTED = f"""{_COLUMNS}
WHERE (s.project IS NULL OR p.forgotten_at IS NULL)
    AND ($2 OR (s.until > $1 AND s.ended_at IS NULL))
ORDER BY (s.until > $1 AND s.ended_at IS NULL) DESC, s.until, s.id LIMIT 1000
"""


async def listed(
    connection: Connection, now: datetime, *, ended: bool = False
) -> Sequence[asyncpg.Record]:
    """Those that last, the one that ends first before the others; then, if asked for, those that are
    over and still kept."""
    return await connection.fetch(_LISTED, now, ended)


_END = "UPDATE silence SET ended_at = $2, ended_by = $3 WHERE id = $1"


async def end(connection: Connection, id_: int, *, now: datetime, who: str) -> asyncpg.Record:
    """The row that has ended. Raises NotFoundError, also of one that is over."""
    await one_at_a_time(connection)
    row = await _row(connection, id_)
    if row["ended_at"] is not None or row["until"] <= now:
        raise NotFoundError(f"silence {id_} is over")
    await connection.execute(_END, id_, now, who)
    return await _row(connection, id_)


async def of_alert(connection: Connection, alert: str, now: datetime) -> asyncpg.Record | None:
    """The one of this very alert, if there is one."""
    return await connection.fetchrow(
        _COLUMNS + "WHERE s.alert = $1 AND s.until > $2 AND s.ended_at IS NULL", alert, now
    )


_END_OF_ALERT = """
UPDATE silence SET ended_at = $2, ended_by = $3 WHERE alert = $1 AND until > $2 AND ended_at IS NULL
"""


async def end_of_alert(connection: Connection, alert: str, *, now: datetime, who: str) -> None:
    """The one of this very alert, if there is one."""
    await one_at_a_time(connection)
    await connection.execute(_END_OF_ALERT, alert, now, who)


async def one_at_a_time(connection: Connection) -> None:
    """Until the transaction ends. Before any alert is held, or two wait for each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.silences'))")


_FIRING = "SELECT id, project, host, kind FROM alert WHERE state = 'firing' ORDER BY id"


async def firing(connection: Connection, what: Silence) -> list[asyncpg.Record]:
    """Alerts that fire and are covered, by their ids."""
    rows = await connection.fetch(_FIRING)
    return [row for row in rows if what.covers(row["project"], row["host"], row["kind"])]


async def forget(connection: Connection, now: datetime) -> None:
    """Those that were over 30 days ago."""
    await connection.execute(_OLD, now - _KEPT)
