"""Public keys that we had certified ourselves. Who serves one of them is us: reports of chains with
such a leaf are never held back by caps on new things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.errors import NotFoundError, PinfallError
from collector.model import ProjectId
from collector.store import rotations
from collector.store.connect import Connection

MOST = 10_000  # in all: every process holds them in memory
_LATELY = timedelta(days=9)
Own = tuple[ProjectId | None, bytes]  # project (None: every one), SHA-256 of the public key


@dataclass(frozen=True, slots=True)
class OwnKey:
    """``sha256`` and ``subject``: of the certificate that it was taken from; None: of a bare pin."""

    spki_sha256: bytes
    sha256: bytes | None = None
    subject: str | None = None


# What is told of a key that is there already adds to what is known of it.
_ADD = """
INSERT INTO own_key AS known (spki_sha256, project, sha256, subject, note, added_at, added_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (spki_sha256, project) DO UPDATE SET
    sha256 = coalesce(EXCLUDED.sha256, known.sha256),
    subject = CASE WHEN EXCLUDED.sha256 IS NULL THEN known.subject ELSE EXCLUDED.subject END,
    note = CASE WHEN EXCLUDED.note = '' THEN known.note ELSE EXCLUDED.note END
WHERE EXCLUDED.sha256 IS NOT NULL AND EXCLUDED.sha256 IS DISTINCT FROM known.sha256
    OR EXCLUDED.note NOT IN ('', known.note)
RETURNING spki_sha256
"""


async def add(
    connection: Connection,
    key: OwnKey,
    project: ProjectId | None,
    *,
    note: str,
    now: datetime,
    who: str,
) -> bool:
    """False if all of it was known already."""
    made = await connection.fetchval(
        _ADD, key.spki_sha256, project, key.sha256, key.subject, note, now, who
    )
    return made is not None


async def hold_room(connection: Connection, more: int) -> None:
    """Until the transaction ends nobody else adds. Raises PinfallError where there is no room."""
    await connection.execute("LOCK TABLE own_key IN SHARE ROW EXCLUSIVE MODE")
    if await connection.fetchval("SELECT count(*) FROM own_key") + more > MOST:
        raise PinfallError(f"there are at most {MOST} keys of our own: remove some")


_LIST = """
SELECT o.spki_sha256, p.name AS project, o.sha256, o.subject, o.note, o.added_at, o.added_by
FROM own_key o LEFT JOIN project p ON p.id = o.project
WHERE p.forgotten_at IS NULL AND ($1::int IS NULL OR o.project = $1 OR o.project IS NULL)
ORDER BY p.name NULLS FIRST, o.added_at, o.spki_sha256
"""


async def listed(connection: Connection, project: ProjectId | None = None) -> list[asyncpg.Record]:
    """Those of all projects, or those that count in one."""
    return await connection.fetch(_LIST, project)


async def remove(connection: Connection, spki_sha256: bytes, project: ProjectId | None) -> int:
    """How many are gone: of one project, or wherever it was registered. Raises NotFoundError."""
    gone = await connection.execute(
        "DELETE FROM own_key WHERE spki_sha256 = $1 AND ($2::int IS NULL OR project = $2)",
        spki_sha256,
        project,
    )
    if gone == "DELETE 0":
        where = "" if project is None else " in this project"
        raise NotFoundError(f"this key is not registered{where}")
    return int(gone.rpartition(" ")[2])


# What a probe saw lately, and what was declared to come, is ours as well.
_OURS = """
SELECT project, spki_sha256 FROM own_key
UNION
SELECT NULL::int, leaf FROM served_chain WHERE last_seen > $1
UNION
SELECT project, unnest(new_leaves) FROM rotation WHERE at > $1
"""


async def all_of(connection: Connection, now: datetime) -> set[Own]:
    """Registered, probed or declared."""
    rows = await connection.fetch(_OURS, now - _LATELY)
    found = {(row["project"], row["spki_sha256"]) for row in rows}
    return found | {(None, leaf) for leaf in await rotations.declared_leaves(connection)}
