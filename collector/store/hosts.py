"""Which hosts are labels of metrics. Decided in Postgres, so the same for all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

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
    SELECT FROM proposal WHERE project = $1 AND host = $2 AND day >= $3 LIMIT $4
) AS networks
"""
_ROOM = """
SELECT count(*) < $3 AND count(*) FILTER (WHERE admitted_at > $2) < $4 FROM host
WHERE project = $1 AND NOT registered
"""
_ADMIT = """
INSERT INTO host (project, name, admitted_at, registered, seen_on) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""


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
            since = (now - timedelta(days=1)).date()
            if await connection.fetchval(_SEEN_BY, project, host, since, NETWORKS) < NETWORKS:
                return False
        most, an_hour = (MOST_MATCHING, MATCHING_AN_HOUR) if matching else (MOST, MOST_AN_HOUR)
        hour_ago = now - timedelta(hours=1)
        if not await connection.fetchval(_ROOM, project, hour_ago, most, an_hour):
            return False
    await connection.execute(_ADMIT, project, host, now, registered, now.date())
    return True


async def lock(connection: Connection) -> None:
    """One transaction at a time admits hosts; taken before the first of them."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.admit'))")


async def admitted(connection: Connection) -> set[tuple[ProjectId, str]]:
    rows = await connection.fetch("SELECT project, name FROM host")
    return {(ProjectId(row["project"]), row["name"]) for row in rows}


_SEE = """
UPDATE host SET seen_on = $3 WHERE (project, name) IN (
    SELECT h.project, h.name FROM host h JOIN unnest($1::int[], $2::text[]) AS seen(project, name)
        ON h.project = seen.project AND h.name = seen.name
    WHERE h.seen_on < $3 ORDER BY h.project, h.name FOR UPDATE OF h
)
"""


async def see(connection: Connection, places: Sequence[tuple[ProjectId, str]], today: date) -> None:
    """Mark hosts as reported today; once a day and process, in key order."""
    await connection.execute(_SEE, [p for p, _ in places], [name for _, name in places], today)


async def release_before(connection: Connection, day: date) -> list[str]:
    """Hosts that nobody registered and nobody reported since then, out of the labels."""
    rows = await connection.fetch(
        "DELETE FROM host WHERE NOT registered AND seen_on < $1 RETURNING name", day
    )
    return [row["name"] for row in rows]


_REGISTER = """
INSERT INTO host (project, name, admitted_at, registered, seen_on)
SELECT $1, name, $3, true, $4 FROM unnest($2::text[]) AS name
ON CONFLICT (project, name) DO UPDATE SET registered = true
"""


async def register(
    connection: Connection, project: ProjectId, hosts: Sequence[str], now: datetime
) -> None:
    """Hosts that a project names: there is always room for them, and they are labels at once."""
    await connection.execute(_REGISTER, project, sorted(hosts), now, now.date())


async def unregister(connection: Connection, project: ProjectId, hosts: Sequence[str]) -> None:
    """They stay admitted until nobody reported them for long."""
    await connection.execute(
        "UPDATE host SET registered = false WHERE project = $1 AND name = ANY($2)",
        project,
        list(hosts),
    )


_PROPOSE = """
INSERT INTO proposal (project, host, day, network)
SELECT project, host, $4, network FROM unnest($1::int[], $2::text[], $3::bytea[]) AS new(project, host, network)
ON CONFLICT DO NOTHING
"""


async def propose(
    connection: Connection, places: Sequence[tuple[ProjectId, str, bytes]], today: date
) -> None:
    """Enter who reported a host that is not admitted; places in order."""
    columns = [list(column) for column in zip(*places, strict=True)]
    await connection.execute(_PROPOSE, *columns, today)


# By networks: whoever forges 100,000 hosts does so from few, and a real one is reported by many.
_PROPOSED = """
SELECT p.name AS project, n.host, count(*) AS networks, max(n.day) AS last_seen
FROM proposal n JOIN project p ON p.id = n.project AND p.forgotten_at IS NULL
WHERE n.day >= $1 AND ($2::text IS NULL OR p.name = $2)
    AND NOT EXISTS (SELECT FROM host h WHERE h.project = n.project AND h.name = n.host)
GROUP BY p.name, n.host
ORDER BY networks DESC, last_seen DESC, p.name, n.host LIMIT $3
"""


async def proposed(
    connection: Connection, since: date, project: str | None, limit: int
) -> list[asyncpg.Record]:
    """Hosts that were reported since then and are not admitted: to register, or to leave alone.
    networks: /24 or /48 that reported it, added up by day."""
    return await connection.fetch(_PROPOSED, since, project, limit)


async def forget_proposals(connection: Connection, before: date) -> None:
    await connection.execute("DELETE FROM proposal WHERE day < $1", before)


_NAMED = """
SELECT p.name AS project, h.name AS host, h.registered, h.admitted_at, h.seen_on AS last_seen
FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
WHERE $2::text IS NULL OR p.name = $2
ORDER BY p.name, h.registered DESC, h.name LIMIT $1
"""


async def named(
    connection: Connection, limit: int, project: str | None = None
) -> list[asyncpg.Record]:
    """Admitted hosts by project, registered ones first."""
    return await connection.fetch(_NAMED, limit, project)


_LIST = """
SELECT p.name AS project, h.name AS host, h.admitted_at, h.registered,
    (SELECT max(v.received_at) FROM violation v WHERE v.project = h.project AND v.host = h.name) AS last_seen,
    (SELECT count(*) FROM violation v WHERE v.project = h.project AND v.host = h.name
        AND v.received_at > $2) AS violations,
    (SELECT count(DISTINCT s.install) FROM sighting s WHERE s.project = h.project AND s.host = h.name
        AND s.received_at > $2) AS installs,
    (SELECT count(DISTINCT s.network) FROM sighting s WHERE s.project = h.project AND s.host = h.name
        AND s.received_at > $2) AS networks
FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
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
