"""Rows that Postgres refused, each alone. What they were is not kept, only that and why."""

from __future__ import annotations

from datetime import datetime

from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import Entry

# Once, however often the batch that it came in is tried again.
_ADD = """
INSERT INTO quarantine (received_at, project, dialect, delivery, sqlstate)
SELECT $1, $2::int, $3, $4::bytea, $5
WHERE NOT EXISTS (SELECT FROM quarantine WHERE delivery = $4 AND received_at = $1)
"""


async def add(connection: Connection, row: Entry, sqlstate: str) -> None:
    await connection.execute(
        _ADD, row.received_at, row.project, row.dialect.value, row.delivery.key, sqlstate
    )


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "quarantine", "received_at < $1", at)
