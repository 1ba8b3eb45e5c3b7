"""How many installs failed in the last 24 h, by cause: for the metric of that name."""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.store.connect import Connection

_MOST = 200_000  # counted installs that are looked at, the newest
# So that they are told apart in memory, and not sorted on disk.
_ROOM = "SET LOCAL work_mem = '32MB'"
_BY_CAUSE = """
SELECT p.name AS project, told.host, told.label, told.installs
FROM (
    SELECT project, host, label, count(*)::int AS installs
    FROM (
        SELECT DISTINCT project, host, coalesce(label, 'unknown') AS label, install
        FROM (
            SELECT project, host, signature, install FROM counted_install
            WHERE at >= $1 ORDER BY id DESC LIMIT $2
        ) AS newest LEFT JOIN LATERAL (
            SELECT coalesce(
                (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1),
                s.cause ->> 'label'
            ) AS label
            FROM signature s WHERE s.id = newest.signature
        ) AS labels ON true
    ) AS each_once
    GROUP BY 1, 2, 3
) AS told
JOIN host h ON h.project = told.project AND h.name = told.host
JOIN project p ON p.id = told.project AND p.forgotten_at IS NULL
"""


async def by_cause(connection: Connection, now: datetime) -> dict[tuple[str, str, str], int]:
    """By project, admitted host and cause."""
    async with connection.transaction():
        await connection.execute(_ROOM)
        rows = await connection.fetch(_BY_CAUSE, now - timedelta(days=1), _MOST)
    return {(row["project"], row["host"], row["label"]): row["installs"] for row in rows}
