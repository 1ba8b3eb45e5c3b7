"""Taking out what is stored of one install, or of a whole project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from collector.model import PLATFORMS, ProjectId
from collector.store import counting, rollups
from collector.store.connect import Connection

_PLATFORMS = """
SELECT DISTINCT platform FROM violation WHERE project = $1 AND platform IS NOT NULL
UNION SELECT DISTINCT platform FROM connection_window WHERE project = $1 AND platform IS NOT NULL
"""


async def platforms(connection: Connection, project: ProjectId) -> list[str]:
    """Every platform that an install of the project can be hashed with."""
    found = {row["platform"] for row in await connection.fetch(_PLATFORMS, project)}
    return sorted({"", "OSX", *PLATFORMS, *found})


_IDENTITIES = """
SELECT delivery FROM violation WHERE project = $1 AND install = ANY($2)
UNION SELECT delivery FROM connection_window WHERE project = $1 AND install = ANY($2)
"""
# In key order, as ingest touches them: neither waits for the other both ways round.
_LOCK = "SELECT FROM delivery WHERE key = ANY($1) ORDER BY key FOR UPDATE"
_OF_INSTALL = (
    "DELETE FROM sighting WHERE project = $1 AND install = ANY($2)",
    "DELETE FROM violation WHERE project = $1 AND install = ANY($2)",
    "DELETE FROM connection_window WHERE project = $1 AND install = ANY($2)",
    "DELETE FROM counted_install WHERE project = $1 AND install = ANY($2)",
)


async def install(
    connection: Connection,
    project: ProjectId,
    hashes: Sequence[bytes],
    deferred: Sequence[bytes] = (),
) -> tuple[int, int]:
    """(violations, windows of connections) that are gone, with what made each count once. Sums in
    which nobody can be told stay. deferred: identities of ``drop_deferred``."""
    found = await connection.fetch(_IDENTITIES, project, list(hashes))
    keys = [row["delivery"] for row in found] + list(deferred)
    await counting.stop(connection)  # before keys are held: whoever reports them would wait, too
    await connection.execute(_LOCK, keys)
    gone = [
        int((await connection.execute(statement, project, list(hashes))).rpartition(" ")[2])
        for statement in _OF_INSTALL
    ]
    await counting.taken_back(connection)
    await connection.execute("DELETE FROM delivery WHERE key = ANY($1)", keys)
    return gone[1], gone[2]


_DEFERRED = """
SELECT id, frame FROM deferred WHERE project = $1 AND id > $2 ORDER BY id LIMIT $3
"""


async def deferred(
    connection: Connection, project: ProjectId, after: int, limit: int
) -> list[asyncpg.Record]:
    """What waits of a project, in order: an install is named only within the frames."""
    return await connection.fetch(_DEFERRED, project, after, limit)


async def drop_deferred(connection: Connection, ids: Sequence[int]) -> list[bytes]:
    """Identities of those that are gone. One that is being taken is waited for: it is stored then."""
    rows = await connection.fetch(
        "DELETE FROM deferred WHERE id = ANY($1) RETURNING delivery", list(ids)
    )
    return [row["delivery"] for row in rows]


_MARK = """
UPDATE project SET forgotten_at = $2, hosts = '{}', name = name || ' (' || id || ')' WHERE id = $1
"""


async def mark(connection: Connection, project: ProjectId, now: datetime) -> None:
    """From here on nothing is taken for it or shown of it, and its name is free."""
    await connection.execute(_MARK, project, now)
    await connection.execute("DELETE FROM ingest_key WHERE project = $1", project)
    await connection.execute("DELETE FROM own_key WHERE project = $1", project)


_MARKED = "SELECT id FROM project WHERE forgotten_at IS NOT NULL ORDER BY id"


async def marked(connection: Connection) -> list[ProjectId]:
    return [ProjectId(row["id"]) for row in await connection.fetch(_MARKED)]


async def wait_for_flushes(connection: Connection, project: ProjectId) -> None:
    """Until those that hold a marked project have committed; nothing comes after them."""
    await connection.execute("SELECT FROM project WHERE id = $1 FOR UPDATE", project)


_SOME = 20_000  # rows of one transaction
_CHUNK = """
    WITH gone AS (
        DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE project = $1 LIMIT $2)
        RETURNING 1
    ) SELECT count(*) FROM gone
"""
_CHUNKS = (
    """
    WITH gone AS (
        DELETE FROM deferred WHERE id IN (
            SELECT id FROM deferred WHERE project = $1 LIMIT $2
        ) RETURNING delivery
    ), identities AS (DELETE FROM delivery WHERE key IN (SELECT delivery FROM gone))
    SELECT count(*) FROM gone
    """,
    """
    WITH gone AS (
        DELETE FROM violation WHERE (received_at, delivery) IN (
            SELECT received_at, delivery FROM violation WHERE project = $1 LIMIT $2
        ) RETURNING delivery
    ), identities AS (DELETE FROM delivery WHERE key IN (SELECT delivery FROM gone))
    SELECT count(*) FROM gone
    """,
    """
    WITH gone AS (
        DELETE FROM connection_window WHERE (delivery, received_at) IN (
            SELECT delivery, received_at FROM connection_window WHERE project = $1 LIMIT $2
        ) RETURNING delivery
    ), identities AS (DELETE FROM delivery WHERE key IN (SELECT delivery FROM gone))
    SELECT count(*) FROM gone
    """,
    *(
        _CHUNK.format(table=table, key=key)
        for table, key in (
            ("connection_delta", "id"),
            ("quarantine", "id"),
            ("ledger_delta", "id"),
            ("proposal", "ctid"),
            ("connection_hour", "ctid"),
            ("ledger", "ctid"),
        )
    ),
    """
    WITH gone AS (
        DELETE FROM signature WHERE id IN (SELECT id FROM signature WHERE project = $1 LIMIT $2)
        RETURNING id
    ), relabels AS (DELETE FROM relabel WHERE signature IN (SELECT id FROM gone))
    SELECT count(*) FROM gone
    """,
)


# Nobody counts meanwhile: sightings first, of which then nothing new is counted.
_COUNTING = tuple(_CHUNK.format(table=table, key="id") for table in ("sighting", "counted_install"))
# Deltas first: a fold would bring back what they hold.
_SUMS = tuple(
    _CHUNK.format(table=table, key="ctid")
    for table in ("rollup_delta", "rollup_minute", "rollup_hour")
)


async def some_of_project(connection: Connection, project: ProjectId) -> int:
    """Delete some rows of a marked project, each kind in a statement of its own; how many."""
    gone = 0
    for statement in _CHUNKS:
        gone += int(await connection.fetchval(statement, project, _SOME))
    for lock, statements in ((counting.stop, _COUNTING), (rollups.lock, _SUMS)):
        for statement in statements:
            async with connection.transaction():
                await lock(connection)
                gone += int(await connection.fetchval(statement, project, _SOME))
    return gone


async def rest_of_project(connection: Connection, project: ProjectId) -> None:
    """Its row, secret included, and what hangs on it. Certificates and chains are shared, and go when
    unused."""
    await connection.execute("DELETE FROM project WHERE id = $1", project)
