"""Deleting many rows, a few at a time."""

from __future__ import annotations

from collector.store.connect import Connection

SOME = 20_000  # rows of one transaction

# Rows that a flush holds are left for the next round: neither waits for the other.
_DELETE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {condition} LIMIT {some} FOR UPDATE SKIP LOCKED
))
"""


async def delete_some(
    connection: Connection, table: str, condition: str, *values: object, some: int = SOME
) -> bool:
    """Delete some rows of a table for which a condition over $1, $2 … holds; whether there may be more."""
    statement = _DELETE.format(table=table, condition=condition, some=some)
    told = await connection.execute(statement, *values)
    return int(told.rpartition(" ")[2]) >= some
