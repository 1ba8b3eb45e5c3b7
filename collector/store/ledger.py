"""What became of every item: received = accepted + duplicate + ignored + rejected + shed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from collector.errors import Reason
from collector.model import Dialect, ProjectId
from collector.store.connect import Connection
from collector.store.deltas import SOME, fold_some
from collector.store.rows import Entry


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the ledger. project None: the key was not known. dialect "": not known."""

    project: ProjectId | None
    dialect: str
    result: str  # received, accepted, duplicate, ignored, rejected, shed
    reason: str = ""


_LOCK = "pinfall.ledger"  # whoever changes sums holds it


_ENTER = """
INSERT INTO ledger_delta (hour, project, dialect, result, reason, items)
SELECT date_trunc('hour', {now}::timestamptz, 'UTC'), * FROM ({source}) AS entries
"""


def of_told(*, entries: str, now: str) -> str:
    """SQL that enters ``entries``, and what became of ``told``: items by project and dialect, whether
    they count (is_new), and whether their project is there (is_there)."""
    source = f"""
    SELECT * FROM unnest({entries}::ledger_entry[])
    UNION ALL
    SELECT CASE WHEN is_there THEN project END, dialect,
        CASE WHEN NOT is_there THEN 'rejected' WHEN is_new THEN 'accepted' ELSE 'duplicate' END,
        CASE WHEN is_there THEN '' ELSE '{Reason.UNKNOWN_KEY}' END, sum(items)::bigint
    FROM told GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT CASE WHEN is_there THEN project END, '', 'received', '', sum(items)::bigint FROM told GROUP BY 1
    """  # noqa: S608 (names of our own)
    return _ENTER.format(now=now, source=source)


def of(*, entries: str, now: str) -> str:
    """SQL that enters ``entries``."""
    source = f"SELECT * FROM unnest({entries}::ledger_entry[])"  # noqa: S608 (a parameter's name)
    return _ENTER.format(now=now, source=source)


def of_all(
    accepted: Iterable[Entry], repeats: Mapping[tuple[ProjectId, Dialect], int]
) -> list[tuple[object, ...]]:
    """What ``of_told`` enters where all of a batch count but the repeats."""
    counts: Counter[Account] = Counter()
    told = Counter((one.project, one.dialect) for one in accepted)
    for result, some in (("accepted", told), ("duplicate", repeats)):
        for (project, dialect), items in some.items():
            counts[Account(project, dialect.value, result)] += items
            counts[Account(project, "", "received")] += items
    return entries(counts)


def entries(counts: Mapping[Account, int]) -> list[tuple[object, ...]]:
    return [(a.project, a.dialect, a.result, a.reason, n) for a, n in counts.items()]


_APPEND = of(entries="$2", now="$1")


async def append(connection: Connection, counts: Mapping[Account, int], now: datetime) -> None:
    if counts:
        await connection.execute(_APPEND, now, entries(counts))


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
    return await fold_some(connection, _LOCK, "ledger_delta", _FOLD, after)


_COMPACT = """
WITH old AS (
    DELETE FROM ledger WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM ledger WHERE hour < $1 AND hour <> date_trunc('day', hour, 'UTC') LIMIT $2
    ))
    RETURNING hour, project, dialect, result, reason, items
), days AS (
    INSERT INTO ledger AS known (hour, project, dialect, result, reason, items)
    SELECT date_trunc('day', hour, 'UTC'), project, dialect, result, reason, sum(items) FROM old
    GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (hour, project, dialect, result, reason)
        DO UPDATE SET items = known.items + excluded.items
)
SELECT count(*) FROM old
"""


async def compact(connection: Connection, at: datetime) -> bool:
    """Add up some of what is older by day, under its first hour, since it is kept for good and read as a
    whole; whether there may be more."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", _LOCK)
        return int(await connection.fetchval(_COMPACT, at, SOME)) == SOME


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
