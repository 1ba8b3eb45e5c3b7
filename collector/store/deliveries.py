"""What was delivered already: the place where each report counts once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from collector.fingerprint import WEAK_WINDOW, Delivery, Grade
from collector.store import chunks
from collector.store.connect import Connection

# In key order: two flushes that share keys wait for each other, and never both ways round.
# A weak key counts again once its first is more than the window ago; the window is measured from
# the first, so a client that repeats for ever counts again every 10 minutes.
_RECORD = """
INSERT INTO delivery AS known (key, received_at, batch, weak)
SELECT * FROM (
    SELECT key, at, $3::uuid, weak
    FROM unnest($1::bytea[], $2::timestamptz[], $4::bool[]) AS new(key, at, weak)
    ORDER BY key
) AS sorted
ON CONFLICT (key) DO UPDATE SET received_at = excluded.received_at, batch = excluded.batch
WHERE known.weak AND known.batch <> excluded.batch AND known.received_at < excluded.received_at - $5::interval
RETURNING key
"""
_OF_BATCH = "SELECT key FROM delivery WHERE key = ANY($1) AND batch = $2"


async def record(
    connection: Connection, new: Sequence[tuple[Delivery, datetime]], batch: UUID
) -> set[bytes]:
    """The keys that count now; the others are duplicates. Keys must differ from each other."""
    recorded = await connection.fetch(
        _RECORD,
        [delivery.key for delivery, _ in new],
        [at for _, at in new],
        batch,
        [delivery.grade is Grade.WEAK for delivery, _ in new],
        WEAK_WINDOW,
    )
    return {row["key"] for row in recorded}


async def of_batch(connection: Connection, keys: Sequence[bytes], batch: UUID) -> set[bytes]:
    """Those that this very batch recorded before: it was committed, and nobody heard."""
    rows = await connection.fetch(_OF_BATCH, list(keys), batch)
    return {row["key"] for row in rows}


_BEGIN = "INSERT INTO batch (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id"


async def begin_batch(connection: Connection, batch: UUID, now: datetime) -> bool:
    """Enter a batch, in the transaction that stores it; False if it was committed before."""
    return await connection.fetchval(_BEGIN, batch, now) is not None


async def try_batch(connection: Connection, now: datetime) -> None:
    """Raises what asyncpg raises if a batch could not be entered now; enters none."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await begin_batch(connection, uuid4(), now)
    finally:
        await transaction.rollback()


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(
        connection, "delivery", "received_at < $1", at
    ) or await chunks.delete_some(connection, "batch", "at < $1", at)
