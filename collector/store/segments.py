"""Connections that went well, of parts of a host's clients, over some stretches of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from collector.store.connect import Connection

Segment = tuple[str, str]  # platform, app version; "": a window does not tell
SHORT = timedelta(minutes=6)  # windows that are longer tell too little of a few minutes

# By the end of windows, which has an index: of all hosts those of a few minutes are looked through.
_SUMS = """
SELECT place, platform, version, sum(successes * share)::float8 AS successes,
    sum(pin_failures * share)::float8 AS failures
FROM (
    SELECT g.n::int - 1 AS place, upper(coalesce(w.platform, '')) AS platform,
        coalesce(w.app_version, '') AS version, w.successes, w.pin_failures,
        CASE WHEN w.ends = w.starts THEN 1
            ELSE extract(epoch FROM least(w.ends, g.till) - greatest(w.starts, g.since))
               / extract(epoch FROM w.ends - w.starts) END::float8 AS share
    FROM unnest($3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS g(since, till, n)
    JOIN connection_window w ON w.ends > g.since AND w.ends < g.till + $5::interval AND w.starts < g.till
    WHERE w.project = $1 AND w.host = $2 AND w.trusted AND w.environment = 'production'
        AND w.ends - w.starts <= $5
) AS told GROUP BY 1, 2, 3
"""


async def successes(
    connection: Connection, project: int, host: str, stretches: Sequence[tuple[datetime, datetime]]
) -> dict[Segment, list[float]]:
    """By segment, of each stretch; from trusted keys only, and from windows of a few minutes. A window
    that reaches into a stretch counts by its share."""
    rows = await connection.fetch(
        _SUMS, project, host, [a for a, _ in stretches], [b for _, b in stretches], SHORT
    )
    found: dict[Segment, list[float]] = {}
    for row in rows:
        sums = found.setdefault((row["platform"], row["version"]), [0.0] * len(stretches))
        sums[row["place"]] += row["successes"]
    return found


async def failures(
    connection: Connection, project: int, host: str, since: datetime, until: datetime
) -> float:
    """Pin failures of all segments in one stretch, as ``successes`` counts connections that went well."""
    rows = await connection.fetch(_SUMS, project, host, [since], [until], SHORT)
    return float(sum(row["failures"] for row in rows))


_AFFECTED = """
SELECT upper(platform) AS platform, app_version AS version, count(*) AS installs FROM counted_install
WHERE project = $1 AND host = $2 AND class = $3 AND at >= $4 AND within_cap GROUP BY 1, 2
"""
_SHARE = 0.05  # of the installs, under which a segment is not what broke


async def affected(
    connection: Connection, project: int, host: str, class_: str, since: datetime
) -> set[Segment]:
    """Those that most of the newly affected installs are of."""
    rows = await connection.fetch(_AFFECTED, project, host, class_, since)
    least = _SHARE * sum(row["installs"] for row in rows)
    return {(row["platform"], row["version"]) for row in rows if row["installs"] >= least}
