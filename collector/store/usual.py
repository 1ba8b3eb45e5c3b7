"""The class that sightings of a chain usually are of: with it a new one is stored at once.

It saves writing each sighting a second time, and decides nothing: who counts looks at every one, and writes
its class down where it is another.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from collector.detect.classes import Class
from collector.detect.usual import Of
from collector.store import chunks
from collector.store.connect import Connection

MOST = 20_000  # that a process knows, those told last
KEPT = timedelta(days=8)  # as sightings; what is still met is told again each day

_TELL = """
INSERT INTO usual_class AS known (project, host, kind, chain, class, at)
SELECT project, host, kind, chain, class, $6
FROM unnest($1::int[], $2::text[], $3::text[], $4::bytea[], $5::text[]) AS new(project, host, kind, chain, class)
WHERE EXISTS (SELECT FROM project WHERE id = new.project)
ORDER BY 1, 2, 3, 4
ON CONFLICT (project, host, kind, chain) DO UPDATE SET class = excluded.class, at = excluded.at
WHERE known.class <> excluded.class OR known.at < excluded.at - interval '1 day'
"""


async def tell(connection: Connection, classes: Mapping[Of, Class], now: datetime) -> None:
    if classes:
        columns = [list(column) for column in zip(*classes, strict=True)]
        told = [class_.value for class_ in classes.values()]
        await connection.execute(_TELL, *columns, told, now)


_LATELY = """
SELECT project, host, kind, chain, class, at FROM usual_class WHERE at >= $1 ORDER BY at DESC LIMIT $2
"""


async def lately(connection: Connection, since: datetime) -> tuple[dict[Of, str], datetime]:
    """Told at ``since`` or later, at most MOST; and when the last of them was."""
    rows = await connection.fetch(_LATELY, since, MOST)
    told = {(r["project"], r["host"], r["kind"], r["chain"]): r["class"] for r in rows}
    return told, rows[0]["at"] if rows else since


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "usual_class", "at < $1", at)
