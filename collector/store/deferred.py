"""What was over the caps on new things: counted already, kept as bytes, parsed later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import Row, columns

_ADD = """
INSERT INTO deferred (received_at, project, delivery, network, frame)
SELECT * FROM unnest($1::timestamptz[], $2::int[], $3::bytea[], $4::bytea[], $5::bytea[])
"""


async def add(connection: Connection, rows: Sequence[Row], frames: Sequence[bytes]) -> None:
    """frames: each row as bytes."""
    if rows:
        told = [
            (row.received_at, row.project, row.delivery.key, row.network, frame)
            for row, frame in zip(rows, frames, strict=True)
        ]
        await connection.execute(_ADD, *columns(told))


# One of each network, then the second of each, and so on: whoever fills the table waits for everybody. By their
# places: where the table is believed to be empty, as it was a moment ago, each row of it would be compared
# with each that is next.
NEXT = """
SELECT id, frame FROM deferred WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM (
        SELECT ctid, id, row_number() OVER (PARTITION BY network ORDER BY id) AS turn FROM deferred
    ) AS turns ORDER BY turn, id LIMIT $1
)) ORDER BY id
"""


async def next_ones(connection: Connection, most: int) -> list[asyncpg.Record]:
    return await connection.fetch(NEXT, most)


async def remove(connection: Connection, ids: Sequence[int]) -> None:
    await connection.execute("DELETE FROM deferred WHERE id = ANY($1)", list(ids))


async def waiting(connection: Connection, most: int) -> int:
    """How many there are, counted up to ``most``."""
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM (SELECT FROM deferred LIMIT $1) AS counted", most
        )
    )


async def lock(connection: Connection) -> bool:
    """One transaction at a time parses them; False: another does."""
    return bool(
        await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('pinfall.deferred'))")
    )


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more. They hold hashes of networks, as sightings do."""
    return await chunks.delete_some(connection, "deferred", "received_at < $1", at)
