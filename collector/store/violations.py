"""Violations, in partitions by day of receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg

from collector.store.connect import Connection

# As migrations 0010 and 0015 have it for other tables that only grow.
_GROWS = "autovacuum_analyze_scale_factor = 0.5"
_ANALYSED = """
SELECT string_agg(format('ALTER %I SET STATISTICS 20', attname), ', ') FROM pg_attribute
WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""


async def make_partition(connection: Connection, day: date) -> None:
    """The partition of a UTC day, if it is not there. Waits for other makers, not for readers."""
    name = f"violation_{day:%Y%m%d}"
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
        return
    begin = datetime.combine(day, time(), UTC)
    end = begin + timedelta(days=1)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.partition'))")
        # Made apart, then attached: attaching lets inserts and reads go on.
        await connection.execute(
            f"CREATE TABLE IF NOT EXISTS {name} (LIKE violation INCLUDING ALL) WITH ({_GROWS})"
        )
        analysed = await connection.fetchval(_ANALYSED, name)
        await connection.execute(f"ALTER TABLE {name} {analysed}")
        attached = "SELECT count(*) FROM pg_inherits WHERE inhrelid = to_regclass($1)"
        if not await connection.fetchval(attached, name):
            await connection.execute(
                f"ALTER TABLE violation ATTACH PARTITION {name} "
                f"FOR VALUES FROM ('{begin.isoformat()}') TO ('{end.isoformat()}')"
            )


_PARTITIONS = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'violation'::regclass"


async def partitions_before(connection: Connection, day: date) -> list[str]:
    """Names of the partitions of earlier days, the oldest first."""
    names = sorted(row["name"] for row in await connection.fetch(_PARTITIONS))
    return [
        n for n in names if datetime.strptime(n[-8:], "%Y%m%d").replace(tzinfo=UTC).date() < day
    ]


async def drop_partition(connection: Connection, name: str) -> bool:
    """Drop one, or do nothing if somebody is reading: False.

    DROP rather than DETACH CONCURRENTLY: that cannot run in a transaction, waits for every transaction
    that may see the table, and leaves a partition half detached where it is interrupted, which the next
    has to finish. DROP needs the whole table for a moment, and inserts queue behind whoever waits for
    that: so it waits no longer than a fifth of a second. Its own partition it waits for first, where
    nobody inserts, and long enough for Postgres to send a vacuum away.
    """
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '1500ms'")
            await connection.execute(f"LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE")
            await connection.execute("SET LOCAL lock_timeout = '200ms'")
            await connection.execute(f"DROP TABLE {name}")
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        return False
    return True


_NEWEST = """
SELECT v.received_at, p.name AS project, v.host, v.noted_host, v.port, v.kind, v.dialect, v.app_key,
    v.environment, v.app_id, v.app_version, v.platform, v.os_version, v.sdk, v.sdk_version,
    v.enforced, v.blocked, v.client_time, v.client_time_raw, v.time_trust, v.weak, v.test,
    v.install, v.signature, v.details, s.pins, validated.slots AS validated, served.slots AS served
FROM (SELECT * FROM violation {where}ORDER BY received_at DESC LIMIT $1) v
JOIN project p ON p.id = v.project
LEFT JOIN pin_set s ON s.id = v.pin_set
LEFT JOIN chain validated ON validated.id = v.validated_chain
LEFT JOIN chain served ON served.id = v.served_chain
ORDER BY v.received_at DESC
"""


async def newest(connection: Connection, limit: int) -> list[asyncpg.Record]:
    """With pins and chains; certificates by ``certificates``."""
    return await connection.fetch(_NEWEST.format(where=""), limit)


async def examples(connection: Connection, signature: bytes, limit: int) -> list[asyncpg.Record]:
    """The newest of a signature, as ``newest`` tells them."""
    return await connection.fetch(_NEWEST.format(where="WHERE signature = $2 "), limit, signature)


async def arrived(
    connection: Connection, since: datetime, sdk: str | None, limit: int
) -> list[asyncpg.Record]:
    """The newest at or after a time, of an SDK or of all, as ``newest`` tells them."""
    where = "WHERE received_at >= $2 AND ($3::text IS NULL OR sdk = $3) "
    return await connection.fetch(_NEWEST.format(where=where), limit, since, sdk)


_CERTIFICATES = """
SELECT sha256, spki_sha256, subject, issuer, sans, not_before, not_after, self_signed, key_type
FROM certificate WHERE sha256 = ANY($1)
"""


async def certificates(connection: Connection, ids: Sequence[bytes]) -> dict[str, asyncpg.Record]:
    """Facts of certificates, by the hex of their SHA-256."""
    rows = await connection.fetch(_CERTIFICATES, list(ids))
    return {row["sha256"].hex(): row for row in rows}


_PAGE = """
SELECT v.received_at, v.delivery, p.name AS project, v.app_key AS app, v.environment, v.trusted, v.dialect,
    v.kind, v.host, v.noted_host, v.port, v.enforced, v.blocked, v.weak, v.client_time,
    v.client_time_raw, v.time_trust, v.app_id, v.app_version, v.platform, v.os_version, v.sdk,
    v.sdk_version, v.install, v.occurrences, v.weight, v.test, v.signature, s.pins,
    v.validated_chain, v.served_chain, v.details
FROM {source}
JOIN project p ON p.id = v.project
LEFT JOIN pin_set s ON s.id = v.pin_set
WHERE true{conditions}
ORDER BY v.received_at DESC, v.delivery DESC LIMIT {limit}
"""
# What a filter compares; names are those of the API. The project by its id, as the index has it.
_FILTERS = {
    "project": "v.project = (SELECT id FROM project WHERE name = {})",
    "app": "v.app_key = {}",
    "environment": "v.environment = {}",
    "host": "v.host = {}",
    "kind": "v.kind = {}",
    "dialect": "v.dialect = {}",
    "app_id": "v.app_id = {}",
    "app_version": "v.app_version = {}",
    "platform": "v.platform = {}",
    "signature": "v.signature = {}",
    "since": "v.received_at >= {}",
    "until": "v.received_at < {}",
}


SCANNED = 50_000  # rows that one page looks at, where no index finds what is asked for
_TIMES = ("since", "until")


async def page(
    connection: Connection,
    filters: Mapping[str, object],
    after: tuple[datetime, bytes] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Newest first, behind ``after`` (received_at, delivery). filters: keys of _FILTERS."""
    values: list[object] = []
    conditions = _conditions(filters, after, values)
    values.append(limit)
    query = _PAGE.format(source="violation v", conditions=conditions, limit=f"${len(values)}")
    return await connection.fetch(query, *values)


async def some(
    connection: Connection,
    filters: Mapping[str, object],
    after: tuple[datetime, bytes] | None,
    limit: int,
) -> tuple[list[asyncpg.Record], tuple[datetime, bytes] | None]:
    """As ``page``, and where to go on, if there may be more. Where no index finds what is asked for, the
    newest SCANNED rows are looked at: a page may be short, or empty, and another one follow."""
    if "signature" in filters or {"project", "host"} <= filters.keys():
        rows = await page(connection, filters, after, limit)
        return rows, _place(rows) if len(rows) == limit else None
    times = {name: filters[name] for name in _TIMES if name in filters}
    rest = {name: value for name, value in filters.items() if name not in _TIMES}
    values: list[object] = []
    inner = _conditions(times, after, values)
    scanned = (
        f"(SELECT * FROM violation v WHERE true{inner}"  # noqa: S608 (conditions of our own)
        f" ORDER BY v.received_at DESC, v.delivery DESC LIMIT {SCANNED}) v"
    )
    outer = _conditions(rest, None, values)
    values.append(limit)
    query = _PAGE.format(source=scanned, conditions=outer, limit=f"${len(values)}")
    rows = await connection.fetch(query, *values)
    if len(rows) == limit:
        return rows, _place(rows)
    values = []
    inner = _conditions(times, after, values)
    last = await connection.fetchrow(
        f"SELECT received_at, delivery FROM violation v WHERE true{inner}"  # noqa: S608 (as above)
        f" ORDER BY v.received_at DESC, v.delivery DESC OFFSET {SCANNED - 1} LIMIT 1",
        *values,
    )
    return rows, None if last is None else (last["received_at"], last["delivery"])


def _place(rows: Sequence[asyncpg.Record]) -> tuple[datetime, bytes] | None:
    return (rows[-1]["received_at"], rows[-1]["delivery"]) if rows else None


def _conditions(
    filters: Mapping[str, object], after: tuple[datetime, bytes] | None, values: list[object]
) -> str:
    """As SQL; what they compare with is appended to values."""
    conditions = ""
    for name, value in filters.items():
        values.append(value)
        conditions += " AND " + _FILTERS[name].format(f"${len(values)}")
    if after is not None:
        values.extend(after)
        conditions += f" AND (v.received_at, v.delivery) < (${len(values) - 1}, ${len(values)})"
    return conditions
