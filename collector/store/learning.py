"""Pin sets that reports of a version agree on. They inform: reports are anybody's word."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from collector.model import ProjectId
from collector.store.connect import Connection

INSTALLS = 20  # different ones that agree
NETWORKS = 10  # different ones of one day: their hashes are of another secret each day
SPAN = timedelta(days=2)  # from the first of their sightings to the last
DAYS = 8  # that sightings are kept
MOST_A_DAY = 5000  # sightings of a host, the newest ones: bounds what a storm costs
MOST_OF_HOST = 200  # learned sets of a host, most installs first
KEPT = timedelta(days=180)  # that a learned set stays after it was last seen

_HOSTS = """
SELECT h.project, h.name FROM host h JOIN project p ON p.id = h.project AND p.forgotten_at IS NULL
WHERE (h.project, h.name) > ($1, $2) ORDER BY h.project, h.name LIMIT $3
"""


async def hosts_after(
    connection: Connection, project: int, host: str, limit: int
) -> list[tuple[ProjectId, str]]:
    """Admitted hosts, in order."""
    rows = await connection.fetch(_HOSTS, project, host, limit)
    return [(ProjectId(row["project"]), row["name"]) for row in rows]


# Each day by the index of (project, host, received_at). An empty pin set says nothing; what is too long
# for the primary key's index was made up.
_LEARN = """
WITH seen AS MATERIALIZED (
    SELECT s.* FROM generate_series(0, $8 - 1) AS back
    CROSS JOIN LATERAL (
        SELECT app, app_version, platform, pin_set, install, network, received_at, back FROM sighting
        WHERE project = $1 AND host = $2 AND environment = 'production'
            AND received_at >= $3::timestamptz - (back + 1) * interval '1 day'
            AND received_at < $3::timestamptz - back * interval '1 day'
        ORDER BY received_at DESC LIMIT $4
    ) AS s
    WHERE s.pin_set IS NOT NULL AND octet_length(s.app) BETWEEN 1 AND 200
        AND octet_length(s.app_version) <= 60 AND octet_length(s.platform) <= 20
), whole AS (
    SELECT app, app_version, platform, pin_set, count(DISTINCT install) AS installs,
        min(received_at) AS first_seen, max(received_at) AS last_seen
    FROM seen GROUP BY app, app_version, platform, pin_set
    HAVING count(DISTINCT install) >= $5 AND max(received_at) - min(received_at) >= $7
), a_day AS (
    SELECT app, app_version, platform, pin_set, max(networks) AS networks FROM (
        SELECT app, app_version, platform, pin_set, (received_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT network) AS networks
        FROM seen GROUP BY app, app_version, platform, pin_set, (received_at AT TIME ZONE 'UTC')::date
    ) AS days GROUP BY app, app_version, platform, pin_set HAVING max(networks) >= $6
)
SELECT app, app_version, platform, p.pins, installs, networks, whole.first_seen, last_seen
FROM whole JOIN a_day USING (app, app_version, platform, pin_set)
JOIN pin_set p ON p.id = whole.pin_set AND jsonb_array_length(p.pins) BETWEEN 1 AND 32
ORDER BY installs DESC, app, app_version, platform, pin_set LIMIT $9
"""
_KEEP = """
INSERT INTO learned_pin_set AS known
    (project, host, app, app_version, platform, pins, installs, networks, first_seen, last_seen)
SELECT $1, $2, app, app_version, platform, ARRAY(SELECT jsonb_array_elements_text(pins::jsonb)), installs, networks,
    first_seen, last_seen
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::int[], $8::int[], $9::timestamptz[],
            $10::timestamptz[])
    AS new(app, app_version, platform, pins, installs, networks, first_seen, last_seen)
ON CONFLICT (project, host, app, app_version, platform, pins) DO UPDATE SET
    installs = EXCLUDED.installs, networks = EXCLUDED.networks,
    first_seen = least(known.first_seen, EXCLUDED.first_seen),
    last_seen = greatest(known.last_seen, EXCLUDED.last_seen)
"""


async def learn(connection: Connection, project: ProjectId, host: str, now: datetime) -> int:
    """Write what enough installs agree on about one host; how many sets. Those that were learned before
    stay, with what was last known of them."""
    found = await connection.fetch(
        _LEARN, project, host, now, MOST_A_DAY, INSTALLS, NETWORKS, SPAN, DAYS, MOST_OF_HOST
    )  # fmt: skip
    if found:
        await connection.execute(_KEEP, project, host, *_columns(found))
    return len(found)


def _columns(rows: Sequence[asyncpg.Record]) -> list[list[object]]:
    return [list(column) for column in zip(*(tuple(row) for row in rows), strict=True)]


async def forget(connection: Connection, now: datetime) -> None:
    """What nobody reported for long."""
    await connection.execute("DELETE FROM learned_pin_set WHERE last_seen < $1", now - KEPT)
