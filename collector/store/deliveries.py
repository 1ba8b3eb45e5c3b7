"""What was delivered already: the place where each report counts once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from collector.fingerprint import WEAK_WINDOW
from collector.store import chunks
from collector.store.connect import Connection

_BEGIN = "INSERT INTO batch (id, at) VALUES ({batch}, {now}) ON CONFLICT DO NOTHING RETURNING id"
_THERE = """there AS MATERIALIZED (
    SELECT id FROM project WHERE id = ANY({projects}::int[]) AND forgotten_at IS NULL
    ORDER BY id FOR KEY SHARE
)"""


def begun(*, batch: str, now: str, projects: str) -> str:
    """Parts of a statement: enter a batch unless it was committed before, and keep its projects."""
    return f"begun AS ({_BEGIN.format(batch=batch, now=now)}), {_THERE.format(projects=projects)}"


def begun_if_all_are_there(*, batch: str, now: str, projects: str) -> str:
    """``begun``, but not if one of the projects is gone: then nothing is entered."""
    return f"""{_THERE.format(projects=projects)}, begun AS (
    INSERT INTO batch (id, at) SELECT {batch}::uuid, {now}::timestamptz
    WHERE (SELECT count(*) FROM there) = cardinality({projects}::int[])
    ON CONFLICT DO NOTHING RETURNING id
)"""  # noqa: S608 (parameters' names)


# In key order: two flushes that share keys wait for each other, and never both ways round. The batch and the
# projects come first: what an insert is fed with is sorted, and so read to its end.
_RECORDED = """
recorded AS (
    INSERT INTO delivery AS known (key, received_at, batch, weak)
    SELECT delivery, received_at, {batch}::uuid, weak
    FROM (SELECT delivery, received_at, weak FROM given {where}ORDER BY delivery) AS sorted
    {again}RETURNING key
)"""
# A weak key counts again once its first is more than the window ago; the window is measured from the first, so
# a client that repeats for ever counts again every 10 minutes.
_AGAIN = f"""ON CONFLICT (key) DO UPDATE SET received_at = excluded.received_at, batch = excluded.batch
    WHERE known.weak AND known.batch <> excluded.batch
        AND known.received_at < excluded.received_at - interval '{WEAK_WINDOW.total_seconds():.0f} seconds'
    """


def recorded(*, batch: str) -> str:
    """A part of a statement: the keys of ``given`` that count now, of projects that are there."""
    return _RECORDED.format(batch=batch, where="WHERE is_there ", again=_AGAIN)


def recorded_on_trust(*, batch: str) -> str:
    """A part of a statement: the keys of ``given``. One that was there makes it fail, see ``was_there``."""
    return _RECORDED.format(batch=batch, where="", again="")


def was_there(error: asyncpg.UniqueViolationError) -> bool:
    """Whether a statement failed because of a key that was delivered before."""
    return error.constraint_name == "delivery_pkey"


_OF_BATCH = "SELECT key FROM delivery WHERE key = ANY($1) AND batch = $2"


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


async def begin_batch(connection: Connection, batch: UUID, now: datetime) -> bool:
    """Enter a batch, in the transaction that stores it; False if it was committed before."""
    return await connection.fetchval(_BEGIN.format(batch="$1", now="$2"), batch, now) is not None


async def try_batch(connection: Connection, now: datetime) -> None:
    """Raises what asyncpg raises if a batch could not be entered now; enters none."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await begin_batch(connection, uuid4(), now)
    finally:
        await transaction.rollback()


def forget_before(at: datetime) -> chunks.Sweep:
    return chunks.Sweep("delivery", "received_at < $1", at)


async def forget_batches(connection: Connection, at: datetime) -> bool:
    """Delete some of before; whether there may be more."""
    return await chunks.delete_some(connection, "batch", "at < $1", at)
