"""Rotations: the timeline of each host's keys. Which rows are one event is decided in ``detect``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import asyncpg

from collector.detect.rotation_state import declared_leaf, is_cancelled, judged, seen_at
from collector.detect.served import Rotation, RotationSource, RotationState
from collector.errors import ConflictError, NotFoundError
from collector.model import Certificate, ProjectId
from collector.reports.certificates import certificate_from_der
from collector.store.connect import Connection

WAITING = 100  # declared rotations of one host that wait to be seen
KEPT = timedelta(days=400)


def _rotation(row: asyncpg.Record) -> Rotation:
    return Rotation(
        id=row["id"],
        project=row["project"],
        host=row["host"],
        at=row["at"],
        state=RotationState(row["state"]),
        planned_at=row["planned_at"],
        declared_at=row["declared_at"],
        declared_by=row["declared_by"],
        probed_at=row["probed_at"],
        observed_at=row["observed_at"],
        old_leaves=frozenset(row["old_leaves"]),
        new_leaves=frozenset(row["new_leaves"]),
        chain=tuple(map(certificate_from_der, row["ders"])),
        note=row["note"],
        ended_at=row["ended_at"],
    )


async def lock(connection: Connection) -> None:
    """One transaction at a time works out timelines; whoever declares waits for it, and it for them."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.rotations'))")


_OF_HOST = """
SELECT r.* FROM rotation r WHERE r.host = $1 AND ($2::timestamptz IS NULL OR r.at >= $2)
ORDER BY r.at DESC, r.id DESC LIMIT 1000
"""


async def of_host(
    connection: Connection, host: str, since: datetime | None = None
) -> list[Rotation]:
    """Newest first, at most 1,000; of every project, as ``Rotation.project`` tells."""
    return [_rotation(row) for row in await connection.fetch(_OF_HOST, host, since)]


_ALIVE = """
SELECT r.* FROM rotation r
WHERE greatest(r.at, r.planned_at, r.declared_at, r.probed_at, r.observed_at) >= $1
    OR r.probed_at IS NULL AND r.ended_at IS NULL
ORDER BY r.host, r.at, r.id
"""


async def alive(connection: Connection, since: datetime) -> dict[str, list[Rotation]]:
    """By host: those with something at ``since`` or later, and all that a probe may still show."""
    found: dict[str, list[Rotation]] = defaultdict(list)
    for row in await connection.fetch(_ALIVE, since):
        found[row["host"]].append(_rotation(row))
    return found


class Listed(NamedTuple):
    """``project``: its name; None: of the host, in every project."""

    rotation: Rotation
    project: str | None


# One without a project is of every project that has the host.
_LIST = """
SELECT r.*, p.name AS project_name FROM rotation r LEFT JOIN project p ON p.id = r.project
WHERE p.forgotten_at IS NULL
    AND ($1::int IS NULL OR r.project = $1 OR r.project IS NULL
        AND EXISTS (SELECT FROM host h WHERE h.project = $1 AND h.name = r.host))
    AND ($2::text IS NULL OR r.host = $2) AND ($3::timestamptz IS NULL OR r.at >= $3)
ORDER BY r.at DESC, r.id DESC LIMIT $4
"""


async def listed(
    connection: Connection,
    *,
    project: ProjectId | None = None,
    host: str | None = None,
    since: datetime | None = None,
    limit: int,
) -> list[Listed]:
    """Newest first."""
    rows = await connection.fetch(_LIST, project, host, since, limit)
    return [Listed(_rotation(row), row["project_name"]) for row in rows]


_INSERT = """
INSERT INTO rotation (project, host, at, state, planned_at, declared_at, declared_by, probed_at, observed_at,
    old_leaves, new_leaves, ders, note, ended_at, state_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) RETURNING id
"""
_UPDATE = """
UPDATE rotation SET project = $1, host = $2, at = $3, state_at = CASE WHEN state = $4 THEN state_at ELSE $15 END,
    state = $4, planned_at = $5, declared_at = $6, declared_by = $7, probed_at = $8, observed_at = $9,
    old_leaves = $10, new_leaves = $11, ders = $12, note = $13, ended_at = $14
WHERE id = $16
"""


def _values(rotation: Rotation) -> tuple[object, ...]:
    r = rotation
    return (
        r.project, r.host, r.at, str(r.state), r.planned_at, r.declared_at, r.declared_by, r.probed_at,
        r.observed_at, sorted(r.old_leaves), sorted(r.new_leaves),
        [certificate.der for certificate in r.chain], r.note, r.ended_at,
    )  # fmt: skip


async def insert(connection: Connection, rotation: Rotation, now: datetime) -> Rotation:
    """With its id."""
    made = await connection.fetchval(_INSERT, *_values(rotation), now)
    return replace(rotation, id=made)


async def update(connection: Connection, rotation: Rotation, now: datetime) -> None:
    await connection.execute(_UPDATE, *_values(rotation), now, rotation.id)


async def write(
    connection: Connection, before: Sequence[Rotation], after: Sequence[Rotation], now: datetime
) -> int:
    """Make the rows of one host so; how many changed. Inside the transaction that has the lock."""
    known = {rotation.id: rotation for rotation in before}
    gone = sorted(known.keys() - {rotation.id for rotation in after}, key=lambda id_: id_ or 0)
    if gone:
        await connection.execute("DELETE FROM rotation WHERE id = ANY($1)", gone)
    changed = len(gone)
    for rotation in after:
        if rotation.id is None:
            await insert(connection, rotation, now)
        elif rotation != known.get(rotation.id):
            await update(connection, rotation, now)
        else:
            continue
        changed += 1
    return changed


async def declare(
    connection: Connection,
    *,
    project: ProjectId | None,
    host: str,
    planned_at: datetime,
    chain: Sequence[Certificate],
    note: str,
    now: datetime,
    who: str,
) -> Rotation:
    """Inside a transaction. The same chain, declared again while it waits, is planned anew.

    Raises ConflictError where too many wait.
    """
    await lock(connection)
    made = Rotation(
        id=None, project=project, host=host, at=planned_at, state=RotationState.PLANNED,
        planned_at=planned_at, declared_at=now, declared_by=who, chain=tuple(chain), note=note,
    )  # fmt: skip
    waiting = [
        rotation
        for rotation in await of_host(connection, host)
        if rotation.declared_at and rotation.ended_at is None and seen_at(rotation) is None
    ]
    leaf = declared_leaf(made)
    for known in waiting:
        if leaf and declared_leaf(known) == leaf and known.project in (project, None):
            again = replace(known, planned_at=planned_at, chain=made.chain, note=note or known.note)
            await update(connection, judged(again, now), now)
            return judged(again, now)
    if sum(rotation.state is RotationState.PLANNED for rotation in waiting) >= WAITING:
        raise ConflictError(f"{WAITING} rotations of this host wait already: end some")
    return await insert(connection, judged(made, now), now)


_ONE = """
SELECT r.*, p.name AS project_name FROM rotation r LEFT JOIN project p ON p.id = r.project
WHERE r.id = $1 AND p.forgotten_at IS NULL
"""


async def one(connection: Connection, id_: int) -> Listed:
    """Raises NotFoundError."""
    row = await connection.fetchrow(_ONE, id_)
    if row is None:
        raise NotFoundError(f"there is no rotation {id_}")
    return Listed(_rotation(row), row["project_name"])


async def end(connection: Connection, id_: int, now: datetime) -> tuple[Listed, bool]:
    """Inside a transaction. False where it was ended already. Raises NotFoundError."""
    await lock(connection)
    known = await one(connection, id_)
    if known.rotation.ended_at is not None:
        return known, False
    ended = judged(replace(known.rotation, ended_at=now), now)
    await update(connection, ended, now)
    return Listed(ended, known.project), True


_DECLARED = "SELECT r.* FROM rotation r WHERE r.declared_at IS NOT NULL AND r.ders <> '{}'"


async def declared_leaves(connection: Connection) -> dict[bytes, datetime]:
    """SPKI SHA-256 of leaves that were declared, and since when they count as ours. One that was ended
    before anything was seen of it counts no longer."""
    found: dict[bytes, datetime] = {}
    for row in await connection.fetch(_DECLARED):
        rotation = _rotation(row)
        leaf, at = declared_leaf(rotation), rotation.declared_at
        if leaf is not None and at is not None and not is_cancelled(rotation):
            found[leaf] = min(at, found.get(leaf, at))
    return found


_NEWEST = """
SELECT host, max(planned_at) FILTER (
        WHERE planned_at <= $1 AND (ended_at IS NULL OR probed_at IS NOT NULL OR observed_at IS NOT NULL)
    ) AS declared, max(probed_at) AS probed, max(observed_at) AS observed
FROM rotation r WHERE EXISTS (SELECT FROM host h WHERE h.name = r.host)
GROUP BY host
"""


async def newest(connection: Connection, now: datetime) -> dict[tuple[str, str], datetime]:
    """By admitted host and source: when the last one was; of declared ones, the planned time."""
    return {
        (row["host"], str(source)): row[source]
        for row in await connection.fetch(_NEWEST, now)
        for source in RotationSource
        if row[source] is not None
    }


_FORGET = """
DELETE FROM rotation WHERE greatest(at, planned_at, declared_at, probed_at, observed_at) < $1
"""


async def forget_before(connection: Connection, at: datetime) -> None:
    await connection.execute(_FORGET, at)
