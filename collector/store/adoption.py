"""How many used which version, a day: learned from connections and reports, or imported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import asyncpg

from collector.detect.adoption import SEEN, Use
from collector.model import ProjectId
from collector.store import chunks
from collector.store.connect import Connection

PLACES = 50  # apps and platforms of a project that are kept a day, and
VERSIONS = 100  # versions of each: whoever has the public key can make names up
_LONGEST = 64  # characters of a name
_SECONDS = 120.0  # of one statement

# Installs, each once a day and version. Of windows only those within the caps, of which a network has few;
# a gateway's windows are many installs each, and are not counted as one.
_LEARN = """
WITH used AS (
    SELECT left({app}, {longest}) AS app, upper(left({platform}, {longest})) AS platform,
        left({version}, {longest}) AS version, count(DISTINCT install)::float8 AS uses
    FROM {table}
    WHERE project = $1 AND received_at >= $3 AND received_at < $4 AND environment = 'production'{where}
    GROUP BY 1, 2, 3
), placed AS (
    SELECT app, platform, row_number() OVER (ORDER BY sum(uses) DESC, app, platform) AS place
    FROM used GROUP BY app, platform
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY app, platform ORDER BY uses DESC, version) AS rank FROM used
)
INSERT INTO version_use (project, app, platform, version, day, source, uses)
SELECT $1, app, platform, version, $2, '{source}', uses FROM ranked JOIN placed USING (app, platform)
WHERE rank <= {versions} AND place <= {places}
ORDER BY app, platform, version
ON CONFLICT (project, app, platform, version, day, source) DO UPDATE SET uses = excluded.uses
"""
_BOUNDS = {"longest": _LONGEST, "versions": VERSIONS, "places": PLACES}
_CONNECTIONS = _LEARN.format(
    source="connections", table="connection_window", app="coalesce(app_id, app_key)",
    platform="coalesce(platform, '')", version="app_version",
    where=" AND counted AND NOT trusted AND app_version IS NOT NULL AND successes + pin_failures > 0", **_BOUNDS,
)  # fmt: skip
_REPORTS = _LEARN.format(
    source="reports", table="sighting", app="app", platform="platform", version="app_version",
    where=" AND app <> ''", **_BOUNDS,
)  # fmt: skip


async def learn(connection: Connection, project: ProjectId, day: date) -> None:
    """Count a day, by the time of receipt in UTC; again is the same."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for statement in (_CONNECTIONS, _REPORTS):
        await connection.execute(
            statement, project, day, start, start + timedelta(days=1), timeout=_SECONDS
        )


_LEARNED = "SELECT EXISTS (SELECT FROM version_use WHERE day = $1 AND source <> 'imported')"


async def is_learned(connection: Connection, day: date) -> bool:
    return bool(await connection.fetchval(_LEARNED, day))


_PUT = """
INSERT INTO version_use (project, app, platform, version, day, source, uses)
SELECT DISTINCT ON (app, platform, version, day) $1::int, app, platform, version, day, 'imported', uses
FROM unnest($2::text[], $3::text[], $4::text[], $5::date[], $6::float8[])
    WITH ORDINALITY AS new(app, platform, version, day, uses, place)
ORDER BY app, platform, version, day, place DESC
ON CONFLICT (project, app, platform, version, day, source) DO UPDATE SET uses = excluded.uses
"""


async def put(connection: Connection, project: ProjectId, uses: Sequence[Use]) -> None:
    """Imported rows; of one day and version the last that was told holds."""
    rows = [(u.app, u.platform, u.version, u.day, u.uses) for u in uses]
    await connection.execute(_PUT, project, *[list(column) for column in zip(*rows, strict=True)])


_READ = """
SELECT app, platform, version, day, source, uses FROM version_use
WHERE project = $1 AND day >= $2 AND day <= $3 ORDER BY app, platform, version, day, source LIMIT $4
"""
_MOST = 200_000  # rows


async def read(connection: Connection, project: ProjectId, today: date) -> list[Use]:
    """Of the last SEEN days."""
    since = today - timedelta(days=SEEN)
    rows: list[asyncpg.Record] = await connection.fetch(_READ, project, since, today, _MOST)
    return [Use(**row) for row in rows]


async def forget_before(connection: Connection, day: date) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "version_use", "day < $1", day)
