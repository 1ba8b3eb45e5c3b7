"""Deleting many rows, a few at a time."""

from __future__ import annotations

from random import randrange

from collector.store.connect import Connection

SOME = 20_000  # rows of one transaction
_PAGES = 500  # that one transaction of a sweep reads, with some 40,000 rows at most

# Rows that a flush holds are left for the next round: neither waits for the other.
_DELETE = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE {condition} {limit}FOR UPDATE SKIP LOCKED
))
"""


async def delete_some(
    connection: Connection, table: str, condition: str, *values: object, some: int = SOME
) -> bool:
    """Delete some rows of a table for which a condition over $1, $2 … holds; whether there may be more."""
    statement = _DELETE.format(table=table, condition=condition, limit=f"LIMIT {some} ")
    told = await connection.execute(statement, *values)
    return int(told.rpartition(" ")[2]) >= some


class Sweep:
    """Deletes the rows of a large table for which a condition over $1, $2 … holds: one walk through its
    pages, some of them a call.

    ``delete_some`` reads what it keeps once more for each few rows that go. An index that knows the times of
    a range of pages is no help: their room is used again, so that soon any range may hold what is old.
    """

    def __init__(self, table: str, condition: str, *values: object, pages: int = _PAGES) -> None:
        self._table = table
        self._values = values
        self._pages = pages
        self._left: list[int] | None = None  # where those begin that are to be walked through
        here = f"ctid >= ${len(values) + 1} AND ctid < ${len(values) + 2}"
        self._delete = _DELETE.format(table=table, condition=f"{here} AND {condition}", limit="")

    async def __call__(self, connection: Connection) -> bool:
        """Whether more are to be walked through. What is stored meanwhile is not old."""
        if self._left is None:
            self._left = await self._begin(connection)
        if self._left:
            first = self._left.pop()
            await connection.execute(
                self._delete, *self._values, (first, 0), (first + self._pages, 0)
            )
        return bool(self._left)

    async def _begin(self, connection: Connection) -> list[int]:
        """From anywhere on, so that what a round has no time for is not always the same."""
        size = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::int"
        begins = range(0, await connection.fetchval(size, self._table), self._pages)
        turn = randrange(len(begins)) if begins else 0  # noqa: S311 (nothing is kept from anybody)
        return [*begins[turn:], *begins[:turn]]
