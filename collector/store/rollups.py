"""Rollups: sums of violations by minute, hour and signature, which pages and detection read instead of rows.

A flush appends one delta a distinct key; the background folds them. A report that comes late counts
in the minute of its receipt, like any other. Readers add what is not folded yet in the same statement,
so sums are exact at any moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

import asyncpg

from collector.store import chunks, signatures
from collector.store.connect import Connection
from collector.store.deltas import fold_some

MINUTES_DAYS = 8  # that sums by minute are kept

# project, host and kind are those of the signature.
_KEY = "project, host, {time}, signature, environment, platform, enforced, test"

# ``new``: see ``failures``. A signature is of one kind.
OF_NEW = """
    INSERT INTO rollup_delta (project, host, minute, signature, environment, platform, enforced, test, kind,
        violations, occurrences, weight, whole, last_seen)
    SELECT project, host, date_trunc('minute', received_at, 'UTC'), signature, environment, label, enforced,
        test, min(kind), count(*), sum(occurrences), sum(weight), count(*) FILTER (WHERE whole), max(received_at)
    FROM new GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""

# In the order of the key: neighbours lie on one page. Thousands of deltas are some dozen minutes' sums, and
# added up once: minutes and hours each from the deltas took twice as long.
_SUMMED = """
    SELECT project, host, minute, signature, environment, platform, enforced, test, min(kind) AS kind,
        sum(violations) AS violations, sum(occurrences) AS occurrences, sum(weight) AS weight,
        sum(whole) AS whole, max(last_seen) AS last_seen, count(*) AS deltas, max(id) AS last
    FROM taken GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
"""
_ADD = """
    INSERT INTO rollup_{time} AS known
        ({key}, kind, violations, occurrences, weight, whole)
    SELECT project, host, date_trunc('{time}', minute, 'UTC'), signature, environment, platform, enforced,
        test, min(kind), sum(violations), sum(occurrences), sum(weight), sum(whole)
    FROM summed GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
    ON CONFLICT ({key}) DO UPDATE SET
        violations = known.violations + excluded.violations,
        occurrences = known.occurrences + excluded.occurrences,
        weight = known.weight + excluded.weight,
        whole = known.whole + excluded.whole
"""
_FOLD = """
WITH taken AS (
    {taking}
    RETURNING *
), summed AS MATERIALIZED ({summed}), minutes AS ({minutes}), hours AS ({hours}),
signatures AS ({signatures})
SELECT coalesce(sum(deltas), 0)::bigint, max(last) FROM summed
""".format(
    taking="{taking}",
    summed=_SUMMED,
    minutes=_ADD.format(time="minute", key=_KEY.format(time="minute")),
    hours=_ADD.format(time="hour", key=_KEY.format(time="hour")),
    signatures=signatures.OF_SUMMED,
)
LOCK = "pinfall.rollups"  # whoever changes sums holds it: one at a time


async def fold(connection: Connection, after: int = 0) -> int | None:
    """Add some of what was appended; see ``deltas.fold_some``."""
    return await fold_some(connection, LOCK, "rollup_delta", _FOLD, after)


Step = Literal["minute", "hour"]
By = Literal["project", "host", "kind", "environment", "platform", "enforced", "test", "signature"]

# The tables' parts are filtered each by itself: by their index where host and project are told.
_READ = """
SELECT at{by}, sum(violations)::bigint AS violations, sum(occurrences)::bigint AS occurrences,
    sum(weight) AS weight, sum(whole)::bigint AS whole
FROM (
    SELECT {step} AS at, * FROM (
        SELECT {step}, project, host, signature, environment, platform, enforced, test, kind, violations,
            occurrences, weight, whole FROM rollup_{step}
        WHERE {step} >= date_trunc('{step}', $1::timestamptz, 'UTC') AND {step} < $2{where}
    ) AS folded
    UNION ALL
    SELECT date_trunc('{step}', minute, 'UTC'), * FROM (
        SELECT minute, project, host, signature, environment, platform, enforced, test, kind, violations,
            occurrences, weight, whole FROM rollup_delta
        WHERE minute >= date_trunc('{step}', $1::timestamptz, 'UTC')
            AND date_trunc('{step}', minute, 'UTC') < $2{where}
    ) AS fresh
) AS sums
GROUP BY at{by} ORDER BY at{by}
"""


async def sums(
    connection: Connection,
    step: Step,
    since: datetime,
    until: datetime,
    where: Mapping[By, object] | None = None,
    by: Sequence[By] = (),
) -> list[asyncpg.Record]:
    """violations, occurrences, weight and whole of each minute or hour ``at``, oldest first; those with
    none are left out.

    From the minute or hour that ``since`` lies in, to the last that begins before ``until``.
    where: only these; None as a value is what was not said. Name project and host where you can: that
    is what the sums are filed by. by: apart for each of these, which are in the records then.
    Minutes are kept for MINUTES_DAYS.
    """
    values: list[object] = []
    conditions = ""
    for name, value in (where or {}).items():
        if value is None:
            conditions += f" AND {name} IS NULL"
        else:
            values.append(value)
            conditions += f" AND {name} = ${len(values) + 2}"
    columns_ = "".join(f", {name}" for name in by)
    statement = _READ.format(step=step, where=conditions, by=columns_)
    return await connection.fetch(statement, since, until, *values)


_WHOLE = """
SELECT signature, hour, sum(whole)::bigint AS whole FROM (
    SELECT signature, hour, whole FROM rollup_hour WHERE hour = ANY($1)
    UNION ALL
    SELECT signature, date_trunc('hour', minute, 'UTC'), whole FROM rollup_delta
    WHERE date_trunc('hour', minute, 'UTC') = ANY($1)
) AS sums
GROUP BY signature, hour HAVING sum(whole) >= $2
"""


async def stored_whole(
    connection: Connection, hours: Sequence[datetime], least: int
) -> dict[tuple[bytes, datetime], int]:
    """How many violations of a signature and hour are stored whole, by all processes; those that have
    ``least`` or more."""
    rows = await connection.fetch(_WHOLE, list(hours), least)
    return {(row["signature"], row["hour"]): row["whole"] for row in rows}


async def forget_before(
    connection: Connection, minutes_before: datetime, hours_before: datetime
) -> bool:
    """Delete some; whether there may be more."""
    async with connection.transaction():
        await lock(connection)
        return await chunks.delete_some(
            connection, "rollup_minute", "minute < $1", minutes_before
        ) or await chunks.delete_some(connection, "rollup_hour", "hour < $1", hours_before)


async def lock(connection: Connection) -> None:
    """Until the transaction ends, nobody else changes sums."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext($1))", LOCK)
