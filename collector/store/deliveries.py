"""What was delivered already: the place where each report counts once."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from collector.fingerprint import WEAK_WINDOW, Delivery, Grade
from collector.model import ProjectId
from collector.store import chunks
from collector.store.connect import Connection

# In key order: two flushes that share keys wait for each other, and never both ways round.
# A weak key counts again once its first is more than the window ago; the window is measured from
# the first, so a client that repeats for ever counts again every 10 minutes.
# The batch and the projects come first: what an insert is fed with is sorted, and so read to its end.
_BEGIN_WITH = """
WITH begun AS (
    INSERT INTO batch (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id
), there AS MATERIALIZED (
    SELECT id FROM project WHERE id = ANY($3::int[]) AND forgotten_at IS NULL ORDER BY id FOR KEY SHARE
), recorded AS (
    INSERT INTO delivery AS known (key, received_at, batch, weak)
    SELECT * FROM (
        SELECT key, received_at, $1::uuid, weak FROM unnest($4::delivered[])
        WHERE EXISTS (SELECT FROM begun) AND project = ANY(ARRAY(SELECT id FROM there))
        ORDER BY key
    ) AS sorted
    ON CONFLICT (key) DO UPDATE SET received_at = excluded.received_at, batch = excluded.batch
    WHERE known.weak AND known.batch <> excluded.batch
        AND known.received_at < excluded.received_at - $5::interval
    RETURNING key
)
SELECT EXISTS (SELECT FROM begun) AS is_new, ARRAY(SELECT id FROM there) AS there,
    ARRAY(SELECT key FROM recorded) AS recorded
"""
_OF_BATCH = "SELECT key FROM delivery WHERE key = ANY($1) AND batch = $2"


@dataclass(frozen=True, slots=True)
class Begun:
    """is_new: False if the batch was committed before; then nothing was recorded. there: projects; they stay
    until the transaction ends. recorded: keys that count now; the others of those projects are
    duplicates."""

    is_new: bool
    there: AbstractSet[ProjectId]
    recorded: set[bytes]


async def begin(
    connection: Connection,
    batch: UUID,
    now: datetime,
    new: Sequence[tuple[Delivery, datetime, ProjectId]],
    projects: Sequence[ProjectId],
) -> Begun:
    """Enter a batch and what it delivers, in the transaction that stores it. Keys must differ from each
    other, projects be all of theirs."""
    told = await connection.fetchrow(
        _BEGIN_WITH,
        batch,
        now,
        projects,
        [(d.key, at, d.grade is Grade.WEAK, project) for d, at, project in new],
        WEAK_WINDOW,
    )
    assert told is not None
    return Begun(told["is_new"], set(map(ProjectId, told["there"])), set(told["recorded"]))


async def of_batch(connection: Connection, keys: Sequence[bytes], batch: UUID) -> set[bytes]:
    """Those that this very batch recorded before: it was committed, and nobody heard."""
    rows = await connection.fetch(_OF_BATCH, list(keys), batch)
    return {row["key"] for row in rows}


async def newest_batch(connection: Connection, since: datetime, until: datetime) -> datetime | None:
    """When something was stored last in that time."""
    found: datetime | None = await connection.fetchval(
        "SELECT max(at) FROM batch WHERE at > $1 AND at <= $2", since, until
    )
    return found


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
