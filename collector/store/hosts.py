"""Which hosts are labels of metrics. Decided in Postgres, so the same for all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from collector.model import ProjectId
from collector.store import chunks
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


class Probed(NamedTuple):
    """A registered host. ``third_party``: in every project that names it."""

    host: str
    port: int
    third_party: bool


async def to_probe(connection: Connection) -> list[Probed]:
    """Registered hosts, each with its port once."""
    rows = await connection.fetch(
        """
        SELECT h.name AS host, h.port, bool_and(h.third_party) AS third_party
        FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
        WHERE h.registered GROUP BY h.name, h.port ORDER BY h.name, h.port
        """
    )
    return [Probed(*row) for row in rows]


async def set_probing(
    connection: Connection,
    project: ProjectId,
    host: str,
    *,
    port: int | None = None,
    third_party: bool | None = None,
) -> bool:
    """How a registered host is asked, and whose rotations its are; None: as it was. False where all was
    so already."""
    changed = await connection.execute(
        """
        UPDATE host SET port = coalesce($3, port), third_party = coalesce($4, third_party)
        WHERE project = $1 AND name = $2 AND registered
            AND (port, third_party) <> (coalesce($3, port), coalesce($4, third_party))
        """,
        project,
        host,
        port,
        third_party,
    )
    return changed != "UPDATE 0"


async def probing(connection: Connection, project: str, host: str) -> dict[str, Any]:
    """port and third_party of a registered host; as a new one has them where it is none."""
    row = await connection.fetchrow(
        """
        SELECT h.port, h.third_party FROM host h JOIN project p ON p.id = h.project
        WHERE p.name = $1 AND p.forgotten_at IS NULL AND h.name = $2 AND h.registered
        """,
        project,
        host,
    )
    return {"port": 443, "third_party": False} if row is None else dict(row)


async def is_third_party(connection: Connection, project: str, host: str) -> bool | None:
    """None: the host is not registered in this project."""
    found: bool | None = await connection.fetchval(
        """
        SELECT h.third_party FROM host h JOIN project p ON p.id = h.project
        WHERE p.name = $1 AND p.forgotten_at IS NULL AND h.name = $2 AND h.registered
        """,
        project,
        host,
    )
    return found


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


async def forget_proposals(connection: Connection, before: date) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "proposal", "day < $1", before)


_NAMED = """
SELECT p.name AS project, h.name AS host, h.registered, h.admitted_at, h.seen_on AS last_seen,
    h.port, h.third_party
FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
WHERE $2::text IS NULL OR p.name = $2
ORDER BY p.name, h.registered DESC, h.name LIMIT $1
"""


async def named(
    connection: Connection, limit: int, project: str | None = None
) -> list[asyncpg.Record]:
    """Admitted hosts by project, registered ones first."""
    return await connection.fetch(_NAMED, limit, project)


SIGHTINGS = 1_000  # of one host that installs and networks are counted in,
_ALL_SIGHTINGS = 50_000  # and of all on one page
_ROLLUPS = 50_000  # sums that are added up for hosts that are not admitted

# Sums of whole hours, of the minutes before the first, and what is not folded yet. Everything of one
# host is found by an index, and is bounded.
_LIST = """
WITH fresh AS (
    SELECT project, host, sum(violations) AS violations FROM rollup_delta WHERE minute >= $2
    GROUP BY project, host
), listed AS (
    SELECT h.project, h.name, p.name AS project_name, h.admitted_at, h.registered,
        (coalesce(hours.violations, 0) + coalesce(minutes.violations, 0) + coalesce(fresh.violations, 0))::bigint
            AS violations
    FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
    CROSS JOIN LATERAL (
        SELECT sum(violations) AS violations FROM rollup_hour r
        WHERE r.project = h.project AND r.host = h.name AND r.hour >= $3
    ) AS hours
    CROSS JOIN LATERAL (
        SELECT sum(violations) AS violations FROM rollup_minute r
        WHERE r.project = h.project AND r.host = h.name AND r.minute >= $2 AND r.minute < $3
    ) AS minutes
    LEFT JOIN fresh ON fresh.project = h.project AND fresh.host = h.name
    ORDER BY violations DESC, p.name, h.name LIMIT $1
)
SELECT l.project_name AS project, l.name AS host, l.admitted_at, l.registered, l.violations,
    newest.installs, newest.networks, newest.sightings >= $5 AS partial,
    coalesce(
        (SELECT max(s.received_at) FROM sighting s WHERE s.project = l.project AND s.host = l.name),
        (SELECT max(r.hour) FROM rollup_hour r WHERE r.project = l.project AND r.host = l.name)
    ) AS last_seen
FROM listed l CROSS JOIN LATERAL (
    SELECT count(*) AS sightings, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks
    FROM (
        SELECT install, network FROM sighting s
        WHERE s.project = l.project AND s.host = l.name AND s.received_at > $4
        ORDER BY received_at DESC LIMIT $5
    ) AS read
) AS newest
ORDER BY l.violations DESC, l.project_name, l.name
"""


def _edges(since: datetime) -> tuple[datetime, datetime]:
    """The minute that holds it, and the first whole hour from there."""
    minute = since.replace(second=0, microsecond=0)
    hour = minute.replace(minute=0)
    return minute, hour if hour == minute else hour + timedelta(hours=1)


async def listed(connection: Connection, since: datetime, limit: int) -> Sequence[asyncpg.Record]:
    """Admitted hosts, those with most violations since then, to the minute, first.

    partial: installs and networks are of the newest SIGHTINGS sightings only, or fewer where there are
    many hosts: there are at least as many. last_seen: to the hour where it is longer ago than sightings
    are kept.
    """
    number = await connection.fetchval("SELECT count(*) FROM host")
    most = min(SIGHTINGS, _ALL_SIGHTINGS // max(1, min(limit, number)))
    return await connection.fetch(_LIST, limit, *_edges(since), since, most)


_OTHERS = """
SELECT coalesce(sum(r.violations) FILTER (WHERE h.name IS NULL), 0)::bigint AS violations,
    count(*) >= $3 AS partial
FROM (
    SELECT project, host, violations FROM rollup_delta WHERE minute >= $1
    UNION ALL
    SELECT project, host, violations FROM rollup_minute WHERE minute >= $1 AND minute < $2
    UNION ALL
    SELECT project, host, violations FROM rollup_hour WHERE hour >= $2
    LIMIT $3
) AS r
JOIN project p ON p.id = r.project AND p.forgotten_at IS NULL
LEFT JOIN host h ON h.project = r.project AND h.name = r.host
"""


class Others(NamedTuple):
    """Violations of hosts that are not admitted; ``partial``: there are at least as many."""

    violations: int
    partial: bool


async def others(connection: Connection, since: datetime) -> Others:
    (row,) = await connection.fetch(_OTHERS, *_edges(since), _ROLLUPS)
    return Others(**row)
