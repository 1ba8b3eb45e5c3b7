"""Windows of connections: the denominators, and their sums by hour."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.model import ProjectId
from collector.store import chunks
from collector.store.connect import Connection
from collector.store.deltas import fold_some
from collector.store.rows import Sample, columns

_ADD = """
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::bytea[], $2::timestamptz[], $3::int[], $4::text[], $5::text[], $6::bool[],
        $7::bool[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[],
        $13::timestamptz[], $14::float8[], $15::float8[], $16::bytea[], $17::bytea[])
        AS new(delivery, received_at, project, app_key, environment, trusted, counted, host, app_id,
            app_version, platform, starts, ends, successes, pin_failures, install, network)
), stored AS (
    INSERT INTO connection_window
        (delivery, received_at, project, app_key, environment, trusted, counted, host, app_id, app_version,
         platform, starts, ends, successes, pin_failures, install, network)
    SELECT * FROM new
)
INSERT INTO connection_delta (project, host, environment, trusted, hour, successes, pin_failures)
SELECT project, host, environment, trusted, date_trunc('hour', ends, 'UTC'), sum(successes), sum(pin_failures)
FROM new WHERE counted GROUP BY 1, 2, 3, 4, 5
"""


async def add(connection: Connection, samples: Sequence[Sample], counted: Sequence[bool]) -> None:
    """counted: which of them are within the caps; the others are kept, and not summed up."""
    if not samples:
        return
    rows = [
        (s.delivery.key, s.received_at, s.project, s.app_key, s.environment, s.trusted, counts, s.host,
         s.app_id, s.app_version, s.platform, s.starts, s.ends, s.successes, s.pin_failures,
         s.install, s.network)
        for s, counts in zip(samples, counted, strict=True)
    ]  # fmt: skip
    await connection.execute(_ADD, *columns(rows))


# By the network's first bits: at most 64 locks, taken in order.
_LOCK = """
SELECT pg_advisory_xact_lock(hashtext('pinfall.caps'), bucket)
FROM (SELECT unnest($1::int[]) AS bucket ORDER BY 1) AS sorted
"""
_BUCKETS = 64


async def lock_networks(connection: Connection, networks: Sequence[bytes]) -> None:
    """One transaction at a time counts the public windows of a network."""
    await connection.execute(_LOCK, sorted({network[0] % _BUCKETS for network in networks}))


_COUNTED = """
SELECT install, NULL::bytea AS network, project, host, starts, ends, NULL::bigint AS windows
FROM connection_window
WHERE install = ANY($1) AND ends > $2 AND starts < $3 AND starts < ends AND counted AND NOT trusted
UNION ALL
SELECT NULL, network, project, host, NULL, NULL, count(*) FROM connection_window
WHERE network = ANY($4) AND received_at > $5 AND counted AND NOT trusted
GROUP BY project, host, network
"""
_Of = tuple[ProjectId, str, bytes]


async def counted(
    connection: Connection,
    installs: Collection[bytes],
    start: datetime,
    end: datetime,
    networks: Collection[bytes],
    since: datetime,
) -> tuple[dict[_Of, list[tuple[datetime, datetime]]], dict[_Of, int]]:
    """Public windows that counted, by project and host: (those of each install that reach into the time
    between start and end, how many there are of each network that came since)."""
    stretches: dict[_Of, list[tuple[datetime, datetime]]] = {}
    numbers: dict[_Of, int] = {}
    for row in await connection.fetch(_COUNTED, list(installs), start, end, list(networks), since):
        if row["network"] is None:
            place = row["project"], row["host"], row["install"]
            stretches.setdefault(place, []).append((row["starts"], row["ends"]))
        else:
            numbers[row["project"], row["host"], row["network"]] = row["windows"]
    return stretches, numbers


_FOLD = """
WITH taken AS (
    {taking}
    RETURNING id, project, host, environment, trusted, hour, successes, pin_failures
), folded AS (
    INSERT INTO connection_hour AS known
        (project, host, environment, trusted, hour, successes, pin_failures)
    SELECT project, host, environment, trusted, hour, sum(successes), sum(pin_failures) FROM taken
    GROUP BY project, host, environment, trusted, hour
    ORDER BY project, host, environment, trusted, hour
    ON CONFLICT (project, host, environment, trusted, hour) DO UPDATE SET
        successes = known.successes + excluded.successes,
        pin_failures = known.pin_failures + excluded.pin_failures
)
SELECT count(*), max(id) FROM taken
"""


async def fold(connection: Connection, after: int = 0) -> int | None:
    """Add some of what was appended; see ``deltas.fold_some``."""
    return await fold_some(connection, "pinfall.connections", "connection_delta", _FOLD, after)


@dataclass(frozen=True, slots=True)
class Rate:
    """Connections of an hour. ``trusted``: told by servers of ours."""

    project: ProjectId
    host: str
    trusted: bool
    successes: float
    pin_failures: float

    @property
    def ratio(self) -> float | None:
        """Failures among all; None where there were no connections."""
        connections = self.successes + self.pin_failures
        return self.pin_failures / connections if connections else None


# A window that reaches into the hour counts by the share of it that lies inside.
_RATES = """
SELECT project, host, trusted, sum(successes * share) AS successes, sum(pin_failures * share) AS pin_failures
FROM (
    SELECT project, host, trusted, successes, pin_failures, CASE WHEN ends = starts THEN 1
        ELSE extract(epoch FROM least(ends, $2) - greatest(starts, $1))
           / extract(epoch FROM ends - starts) END::float8 AS share
    FROM connection_window
    WHERE ends > $1 AND starts < $2 AND counted AND environment = 'production'
) AS reaching
GROUP BY project, host, trusted
"""


async def rates(connection: Connection, now: datetime) -> list[Rate]:
    """Of the hour before ``now``, production only."""
    rows = await connection.fetch(_RATES, now - timedelta(hours=1), now)
    return [Rate(**row) for row in rows]


_HOURS = """
SELECT p.name AS project, c.host, c.environment, CASE WHEN c.trusted THEN 'trusted' ELSE 'public' END AS source,
    c.hour, sum(c.successes) AS successes, sum(c.pin_failures) AS pin_failures
FROM (
    SELECT project, host, environment, trusted, hour, successes, pin_failures FROM connection_hour
    UNION ALL
    SELECT project, host, environment, trusted, hour, successes, pin_failures FROM connection_delta
) AS c JOIN project p ON p.id = c.project
WHERE ($1::text IS NULL OR p.name = $1) AND ($2::text IS NULL OR c.host = $2)
    AND ($3::timestamptz IS NULL OR c.hour >= $3) AND ($4::timestamptz IS NULL OR c.hour < $4)
GROUP BY 1, 2, 3, 4, 5
HAVING $5::timestamptz IS NULL OR (c.hour, p.name, c.host, c.environment,
    CASE WHEN c.trusted THEN 'trusted' ELSE 'public' END) < ($5, $6, $7, $8, $9)
ORDER BY c.hour DESC, 1 DESC, 2 DESC, 3 DESC, 4 DESC LIMIT $10
"""
After = tuple[datetime, str, str, str, str]  # hour, project, host, environment, source


async def by_hour(
    connection: Connection,
    *,
    project: str | None,
    host: str | None,
    since: datetime | None,
    until: datetime | None,
    after: After | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Sums by hour, newest first, behind ``after``."""
    place: Sequence[object] = after or (None, None, None, None, None)
    return await connection.fetch(_HOURS, project, host, since, until, *place, limit)


def forget_windows(at: datetime) -> chunks.Sweep:
    """They have hashes of installs and networks."""
    return chunks.Sweep("connection_window", "received_at < $1", at)


async def forget_sums(connection: Connection, at: datetime) -> bool:
    """They have none. Delete some of before; whether there may be more."""
    return await chunks.delete_some(connection, "connection_hour", "hour < $1", at)
