"""Which hosts are labels of metrics. Decided in Postgres, so the same for all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from collector.model import ProjectId
from collector.store.connect import Connection

NETWORKS = 3  # that have to report a host before it is admitted, in a project without patterns
MOST = 100  # hosts admitted a project without patterns
MOST_AN_HOUR = 10
MOST_MATCHING = 200  # by wildcards of a project
MATCHING_AN_HOUR = 50

_SEEN_BY = """
SELECT count(*) FROM (
    SELECT DISTINCT network FROM sighting
    WHERE project = $1 AND host = $2 AND received_at > $3 LIMIT $4
) AS networks
"""
_ROOM = """
SELECT count(*) < $3 AND count(*) FILTER (WHERE admitted_at > $2) < $4 FROM host WHERE project = $1
"""
_ADMIT = "INSERT INTO host (project, name, admitted_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"


async def admit(
    connection: Connection,
    project: ProjectId,
    host: str,
    now: datetime,
    *,
    registered: bool,
    matching: bool,
    local: bool,
) -> bool:
    """Admit a host that was just reported, or say no. Inside the flush's transaction.

    registered: the project names it: there is always room.
    matching: it fits a wildcard of the project, so no networks are asked for; but whoever has the
        public key can make such names up, so room is limited.
    local: it was reported from this machine: no networks are asked for either.
    """
    if not registered:
        if not (matching or local):
            since = now - timedelta(days=1)
            if await connection.fetchval(_SEEN_BY, project, host, since, NETWORKS) < NETWORKS:
                return False
        most, an_hour = (MOST_MATCHING, MATCHING_AN_HOUR) if matching else (MOST, MOST_AN_HOUR)
        hour_ago = now - timedelta(hours=1)
        if not await connection.fetchval(_ROOM, project, hour_ago, most, an_hour):
            return False
    await connection.execute(_ADMIT, project, host, now)
    return True


async def lock(connection: Connection) -> None:
    """One transaction at a time admits hosts; taken before the first of them."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.admit'))")


async def admitted(connection: Connection) -> set[tuple[ProjectId, str]]:
    rows = await connection.fetch("SELECT project, name FROM host")
    return {(ProjectId(row["project"]), row["name"]) for row in rows}


_LIST = """
SELECT p.name AS project, h.name AS host, h.admitted_at,
    (SELECT max(v.received_at) FROM violation v WHERE v.project = h.project AND v.host = h.name) AS last_seen,
    (SELECT count(*) FROM violation v WHERE v.project = h.project AND v.host = h.name
        AND v.received_at > $2) AS violations,
    (SELECT count(DISTINCT s.install) FROM sighting s WHERE s.project = h.project AND s.host = h.name
        AND s.received_at > $2) AS installs,
    (SELECT count(DISTINCT s.network) FROM sighting s WHERE s.project = h.project AND s.host = h.name
        AND s.received_at > $2) AS networks
FROM host h JOIN project p ON p.id = h.project
ORDER BY violations DESC, p.name, h.name LIMIT $1
"""


async def listed(connection: Connection, since: datetime, limit: int) -> Sequence[asyncpg.Record]:
    """Admitted hosts, those with most violations since then first."""
    return await connection.fetch(_LIST, limit, since)


_OTHERS = """
SELECT count(*) FROM violation v
WHERE v.received_at > $1 AND NOT EXISTS (
    SELECT FROM host h WHERE h.project = v.project AND h.name = v.host
)
"""


async def others(connection: Connection, since: datetime) -> int:
    """Violations since then whose host is not admitted."""
    return int(await connection.fetchval(_OTHERS, since))
