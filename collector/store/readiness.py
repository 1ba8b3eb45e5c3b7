"""What readiness and verdict weigh of a host: sums by day and cause, connections, rotations, keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import asyncpg

from collector.detect.readiness import Reports
from collector.model import ProjectId
from collector.store.connect import Connection

_SUMS = """
SELECT hour, signature, platform, enforced, violations FROM rollup_hour
WHERE project = $1 AND host = $2 AND hour >= $3 AND kind = 'pin_mismatch' AND environment = 'production' AND NOT test
UNION ALL
SELECT minute, signature, platform, enforced, violations FROM rollup_delta
WHERE project = $1 AND host = $2 AND minute >= $3 AND kind = 'pin_mismatch' AND environment = 'production' AND NOT test
"""
_BY_DAY = f"""
SELECT (r.hour AT TIME ZONE 'UTC')::date AS day, coalesce(s.cause->>'label', 'unknown') AS cause, r.platform,
    r.enforced, sum(r.violations)::bigint AS reports
FROM ({_SUMS}) AS r LEFT JOIN signature s ON s.id = r.signature
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""  # noqa: S608 (a text of our own)


async def by_day(
    connection: Connection, project: ProjectId, host: str, since: datetime
) -> list[Reports]:
    """Pin failures since then, oldest first; causes as they are judged now."""
    rows: list[asyncpg.Record] = await connection.fetch(_BY_DAY, project, host, since)
    return [Reports(**row) for row in rows]


_INCIDENTS = f"""
SELECT cause, count(*) AS incidents, sum(reports)::bigint AS reports FROM (
    SELECT coalesce(s.cause->>'label', 'unknown') AS cause, r.signature, sum(r.violations) AS reports
    FROM ({_SUMS}) AS r LEFT JOIN signature s ON s.id = r.signature
    WHERE r.enforced GROUP BY 1, 2
) AS blocked
WHERE reports >= $4 GROUP BY cause
"""  # noqa: S608 (a text of our own)


async def incidents(
    connection: Connection, project: ProjectId, host: str, since: datetime, least: int
) -> dict[str, tuple[int, int]]:
    """(signatures of which ``least`` reports or more were blocked, their reports), by cause."""
    rows = await connection.fetch(_INCIDENTS, project, host, since, least)
    return {row["cause"]: (row["incidents"], row["reports"]) for row in rows}


_CONNECTIONS = """
SELECT sum(successes) FROM (
    SELECT successes FROM connection_hour
    WHERE project = $1 AND host = $2 AND environment = 'production' AND hour >= $3
    UNION ALL
    SELECT successes FROM connection_delta
    WHERE project = $1 AND host = $2 AND environment = 'production' AND hour >= $3
) AS sums
"""


async def connections(
    connection: Connection, project: ProjectId, host: str, since: datetime
) -> float | None:
    """Successes; None if nobody told any."""
    told: float | None = await connection.fetchval(_CONNECTIONS, project, host, since)
    return told


_FIRST = """
SELECT least(
    (SELECT min(hour) FROM rollup_hour WHERE project = $1 AND host = $2),
    (SELECT min(minute) FROM rollup_delta WHERE project = $1 AND host = $2),
    (SELECT min(hour) FROM connection_hour WHERE project = $1 AND host = $2),
    (SELECT min(hour) FROM connection_delta WHERE project = $1 AND host = $2)
)
"""


async def heard_since(connection: Connection, project: ProjectId, host: str) -> date | None:
    first: datetime | None = await connection.fetchval(_FIRST, project, host)
    return first.date() if first is not None else None


_ROTATIONS = """
SELECT at FROM rotation WHERE host = $1 AND (project IS NULL OR project = $2) AND at > $3 AND at <= $4
    AND (probed_at IS NOT NULL OR observed_at IS NOT NULL)
ORDER BY at
"""


async def rotations(
    connection: Connection, project: ProjectId, host: str, since: datetime, now: datetime
) -> list[datetime]:
    """Of those that a probe or reports showed, oldest first."""
    rows = await connection.fetch(_ROTATIONS, host, project, since, now)
    return [row["at"] for row in rows]


_KEYS = "SELECT leaf, min(first_seen) AS first FROM served_chain WHERE host = $1 GROUP BY leaf"


async def keys(connection: Connection, host: str) -> dict[bytes, datetime]:
    """Leaf keys that a probe saw, and when first."""
    return {row["leaf"]: row["first"] for row in await connection.fetch(_KEYS, host)}


_WATCHED = "SELECT min(since) FROM probe_state WHERE host = $1"


async def watched_since(connection: Connection, host: str) -> datetime | None:
    """When a probe first looked, as far as is known."""
    told: datetime | None = await connection.fetchval(_WATCHED, host)
    return told


_AUTHORITIES = """
SELECT DISTINCT ON (spki_sha256) der FROM certificate WHERE is_ca AND spki_sha256 = ANY($1) ORDER BY spki_sha256
"""


async def authorities(connection: Connection, digests: Sequence[bytes]) -> list[bytes]:
    """DER of authorities that reports showed, with these keys."""
    rows = await connection.fetch(_AUTHORITIES, list(digests))
    return [row["der"] for row in rows]
