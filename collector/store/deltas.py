"""Deltas: appended by ingest, so that no two flushes share a row, and folded into sums in the background.

What a statement deletes is what it adds, so a delta that commits late is folded later, once.
"""

from __future__ import annotations

from collector.store.connect import Connection

SOME = 2_000  # of one transaction: some 15 ms
_REST, _LONGEST = 2.0, 0.1  # times what a fold took; seconds

# By their places: a list of ids would be looked up one by one, or hashed against the whole table.
_TAKING = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE id > $1 ORDER BY id LIMIT {some}))
"""


async def fold_some(
    connection: Connection, lock: str, table: str, statement: str, after: int
) -> int | None:
    """Fold the first SOME deltas behind the id ``after``.

    statement: adds what ``{taking}``, a DELETE, returns, and tells how many and the highest id.
    Returns from where to go on; None where that was all, or where another process folds. A round
    begins at 0 again, for what was committed late.
    """
    fold = statement.format(taking=_TAKING.format(table=table, some=SOME))
    async with connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock(hashtext($1))", lock):
            return None
        ((taken, last),) = await connection.fetch(fold, after)
    return last if taken == SOME else None


def rest(took: float) -> float:
    """Seconds until the next fold after one that took so many: requests want the cores that it had. Where
    Postgres is slow, rests are short beside folds, so that these do not fall behind."""
    return min(_REST * took, _LONGEST)
