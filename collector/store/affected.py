"""How many installs failed in the last 24 h, by cause: for the metric of that name."""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.store.connect import Connection

_MOST = 200_000  # counted installs that are looked at, the newest

_BY_CAUSE = """
SELECT p.name AS project, c.host, coalesce(
        (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1),
        s.cause ->> 'label', 'unknown'
    ) AS label, count(DISTINCT c.install)::int AS installs
FROM (SELECT * FROM counted_install WHERE at >= $1 ORDER BY id DESC LIMIT $2) c
JOIN host h ON h.project = c.project AND h.name = c.host
JOIN project p ON p.id = c.project AND p.forgotten_at IS NULL
LEFT JOIN signature s ON s.id = c.signature
GROUP BY 1, 2, 3
"""


async def by_cause(connection: Connection, now: datetime) -> dict[tuple[str, str, str], int]:
    """By project, admitted host and cause."""
    rows = await connection.fetch(_BY_CAUSE, now - timedelta(days=1), _MOST)
    return {(row["project"], row["host"], row["label"]): row["installs"] for row in rows}
