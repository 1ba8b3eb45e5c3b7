"""What became of every item: received = accepted + duplicate + ignored + rejected + shed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from collector.model import ProjectId
from collector.store.connect import Connection
from collector.store.deltas import fold_some
from collector.store.rows import columns


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the ledger. project None: the key was not known. dialect "": not known."""

    project: ProjectId | None
    dialect: str
    result: str  # received, accepted, duplicate, ignored, rejected, shed
    reason: str = ""


_APPEND = """
INSERT INTO ledger_delta (hour, project, dialect, result, reason, items)
SELECT date_trunc('hour', $1::timestamptz, 'UTC'), *
FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::bigint[])
"""


async def append(connection: Connection, counts: Mapping[Account, int], now: datetime) -> None:
    if counts:
        rows = [(a.project, a.dialect, a.result, a.reason, n) for a, n in counts.items()]
        await connection.execute(_APPEND, now, *columns(rows))


_FOLD = """
WITH taken AS (
    {taking}
    RETURNING id, hour, project, dialect, result, reason, items
), folded AS (
    INSERT INTO ledger AS known (hour, project, dialect, result, reason, items)
    SELECT hour, project, dialect, result, reason, sum(items) FROM taken
    GROUP BY hour, project, dialect, result, reason ORDER BY hour, project, dialect, result, reason
    ON CONFLICT (hour, project, dialect, result, reason)
        DO UPDATE SET items = known.items + excluded.items
)
SELECT count(*), max(id) FROM taken
"""


async def fold(connection: Connection, after: int = 0) -> int | None:
    """Add some of what was appended; see ``deltas.fold_some``."""
    return await fold_some(connection, "pinfall.ledger", "ledger_delta", _FOLD, after)


_TOTALS = """
SELECT coalesce(p.name, 'unknown') AS project, l.result, sum(l.items)::bigint AS items
FROM (SELECT project, result, items FROM ledger UNION ALL SELECT project, result, items FROM ledger_delta) l
LEFT JOIN project p ON p.id = l.project
GROUP BY 1, 2 ORDER BY 1, 2
"""


async def totals(connection: Connection) -> dict[str, dict[str, int]]:
    """Items by project name (``unknown`` where the key was not) and result, of all time."""
    told: dict[str, dict[str, int]] = {}
    for row in await connection.fetch(_TOTALS):
        told.setdefault(row["project"], {})[row["result"]] = row["items"]
    return told
