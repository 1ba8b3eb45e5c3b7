"""Newly affected installs by the minute and by the hour, as the detector reads them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.store.connect import Connection
from collector.store.rows import columns

_PATIENCE = 100.0  # seconds: after a storm these read millions of rows
_READ = 20_000  # sightings of hosts with a silenced signature, the newest
UNTRUSTED = "untrusted"  # beside the classes: installs that did not trust the chain at all

# In a storm thousands of operator networks are told of each minute. The largest are told apart, of which one
# counts for at most half; of the others each has less, and they are one row with no operator.
_APART = 30
# ``extract`` makes a numeric of each time, which takes more than twice as long.
_TOLD = f"""
SELECT project, host, class, minute, CASE WHEN nth <= {_APART} THEN operator ELSE '' END AS operator,
    sum(installs)::int AS installs
FROM (
    SELECT *, row_number() OVER (PARTITION BY project, host, class, minute ORDER BY installs DESC, operator) AS nth
    FROM (%s) AS counted
) AS ranked
GROUP BY 1, 2, 3, 4, 5 ORDER BY 4
"""  # noqa: S608 (a constant of our own)
_MINUTES = (
    _TOLD
    % """
SELECT project, host, class, floor(date_part('epoch', at) / 60)::int AS minute, operator_network AS operator,
    count(*)::int AS installs
FROM counted_install WHERE within_cap AND at >= $1 AND at < $2 AND id <= $3 GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT project, host, 'untrusted', floor(date_part('epoch', received_at) / 60)::int, operator_network,
    count(DISTINCT install)::int
FROM sighting
WHERE kind = 'chain_untrusted' AND environment = 'production' AND NOT silenced AND received_at >= $1
    AND received_at < $2
GROUP BY 1, 2, 3, 4, 5
"""
)
_ADDED = """
SELECT project, host, class, floor(date_part('epoch', at) / 60)::int AS minute, operator_network AS operator,
    count(*)::int AS installs
FROM counted_install WHERE within_cap AND at >= $1 AND at < $2 AND id > $3 AND id <= $4
GROUP BY 1, 2, 3, 4, 5 ORDER BY 4
"""
# An install that a silenced signature counted already still counts for the others.
_WITHOUT = (
    _TOLD
    % """
WITH place AS (
    SELECT * FROM unnest($4::int[], $5::text[]) AS told(project, host)
), heard AS (
    SELECT there.* FROM place CROSS JOIN LATERAL (
        SELECT * FROM sighting WHERE project = place.project AND host = place.host AND received_at >= $1
            AND received_at < $2 AND signature <> ALL($3) AND environment = 'production' AND NOT silenced
        ORDER BY received_at DESC LIMIT $6
    ) AS there ORDER BY received_at DESC LIMIT $6
), again AS (
    SELECT DISTINCT ON (h.project, h.host, h.class, h.install) h.project, h.host, h.class, h.received_at,
        h.network, h.operator_network
    FROM heard h JOIN counted_install c ON c.install = h.install AND c.project = h.project
        AND c.host = h.host AND c.class = h.class
    WHERE h.kind = 'pin_mismatch' AND c.signature = ANY($3) AND h.received_at >= c.at
        AND h.received_at < c.at + interval '24 hours'
    ORDER BY h.project, h.host, h.class, h.install, h.received_at
), capped AS (
    SELECT *, row_number() OVER (PARTITION BY project, host, class, network ORDER BY received_at) AS nth
    FROM again
)
SELECT project, host, class, floor(date_part('epoch', at) / 60)::int AS minute, operator_network AS operator,
    count(*)::int AS installs
FROM counted_install
WHERE within_cap AND at >= $1 AND at < $2 AND (project, host) IN (SELECT project, host FROM place)
    AND signature <> ALL($3)
GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT project, host, class, floor(date_part('epoch', received_at) / 60)::int, operator_network, count(*)::int
FROM capped WHERE nth <= 3 GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT project, host, 'untrusted', floor(date_part('epoch', received_at) / 60)::int, operator_network,
    count(DISTINCT install)::int
FROM heard WHERE kind = 'chain_untrusted' GROUP BY 1, 2, 3, 4, 5
"""
)
_HOURS = """
SELECT project, host, class, floor(date_part('epoch', at) / 3600)::int AS hour, count(*)::int AS installs
FROM counted_install WHERE within_cap AND at >= $1 AND at < $2 GROUP BY 1, 2, 3, 4
UNION ALL
SELECT project, host, 'untrusted', floor(date_part('epoch', received_at) / 3600)::int,
    count(DISTINCT install)::int
FROM sighting
WHERE kind = 'chain_untrusted' AND environment = 'production' AND NOT silenced AND received_at >= $1
    AND received_at < $2
GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to which installs are counted, and whether some were taken back since another mark."""

    newest: int
    taken_back: int


_NEWEST = """
SELECT coalesce((SELECT max(id) FROM counted_install), 0), coalesce((SELECT max(id) FROM taken_back), 0)
"""


async def newest(connection: Connection) -> Mark:
    return Mark(*await connection.fetchrow(_NEWEST) or (0, 0))


async def by_minute(
    connection: Connection, since: datetime, until: datetime, upto: Mark
) -> list[asyncpg.Record]:
    """(project, host, class, minute, operator, installs), in the order of minutes since 1970; ``class``
    may be UNTRUSTED, ``operator`` is empty for many small ones."""
    return await connection.fetch(_MINUTES, since, until, upto.newest, timeout=_PATIENCE)


async def added(
    connection: Connection, since: datetime, until: datetime, after: Mark, upto: Mark
) -> list[asyncpg.Record]:
    """What counts since another mark, if nothing was taken back; all operators by themselves, and none of
    UNTRUSTED."""
    return await connection.fetch(_ADDED, since, until, after.newest, upto.newest)


async def without(
    connection: Connection,
    since: datetime,
    until: datetime,
    signatures: Collection[bytes],
    places: Collection[tuple[int, str]],
) -> list[asyncpg.Record]:
    """As ``by_minute``, of these projects' hosts, as if these signatures had never been reported."""
    return await connection.fetch(_WITHOUT, since, until, list(signatures), *columns(places), _READ)


async def by_hour(connection: Connection, since: datetime, until: datetime) -> list[asyncpg.Record]:
    """(project, host, class, hour, installs) of hours since 1970; the untrusted of 8 days at most."""
    return await connection.fetch(_HOURS, since, until, timeout=_PATIENCE)


# By when the client says that it failed, where its clock can be believed.
_LATE = """
SELECT floor(date_part('epoch', at) / 60)::int AS minute, count(*)::int AS installs
FROM counted_install
WHERE project = $1 AND host = $2 AND class = $3 AND at >= $4 AND within_cap AND NOT estimated
    AND failed_at < $5 AND failed_at >= $6
GROUP BY 1
"""
_OFFLINE = timedelta(hours=26)  # that a client is believed to have waited before it told


async def late(
    connection: Connection, project: int, host: str, class_: str, since: datetime, fix: datetime
) -> dict[int, int]:
    """Installs counted at ``since`` or later that failed before the fix, by the minute of receipt. An
    estimated install tells no time."""
    told = await connection.fetch(_LATE, project, host, class_, since, fix, fix - _OFFLINE)
    return {row["minute"]: row["installs"] for row in told}


_HOSTS = """
SELECT h.project, p.name AS project_name, h.name AS host, h.admitted_at
FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
ORDER BY h.project, h.name
"""


async def hosts(connection: Connection) -> list[asyncpg.Record]:
    """Admitted ones with their projects: those that are watched."""
    return await connection.fetch(_HOSTS)
