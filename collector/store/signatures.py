"""Signatures: one row a fault. What is reported of them is summed with the rollups, and folded in with these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import Row, columns

_ADD = """
INSERT INTO signature (id, project, host, kind, issuer_path, first_seen, last_seen, violations)
SELECT id, project, host, kind, path::jsonb, at, at, 0
FROM unnest($1::bytea[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    AS new(id, project, host, kind, path, at)
ORDER BY id
ON CONFLICT (id) DO NOTHING
"""


async def add(connection: Connection, signatures: Mapping[bytes, Row]) -> None:
    """Make those that are not there yet, each from one violation of it."""
    if not signatures:
        return
    rows = [
        (
            id_,
            row.project,
            row.host,
            row.violation.kind.value,
            json.dumps([digest.hex() for digest in row.issuer_path]),
            row.received_at,
        )
        for id_, row in signatures.items()
    ]
    await connection.execute(_ADD, *columns(rows))


# ``summed``: see ``rollups``. thin: those that are only counted.
OF_SUMMED = """
    UPDATE signature SET
        violations = signature.violations + fresh.violations,
        thin = signature.thin + fresh.violations - fresh.whole,
        last_seen = greatest(signature.last_seen, fresh.last_seen)
    FROM (
        SELECT signature, sum(violations) AS violations, sum(whole) AS whole, max(last_seen) AS last_seen
        FROM summed GROUP BY signature ORDER BY signature
    ) AS fresh WHERE signature.id = fresh.signature
"""


# Those seen last, by what is folded and by what is not; never all signatures.
_NEWEST = """
WITH fresh AS (
    SELECT signature, max(last_seen) AS last_seen, sum(violations) AS violations, sum(whole) AS whole
    FROM rollup_delta GROUP BY signature
), candidate AS (
    (SELECT id FROM signature ORDER BY last_seen DESC LIMIT $1) UNION SELECT signature FROM fresh
)
SELECT s.id, p.name AS project, s.host, s.kind, s.issuer_path, s.first_seen,
    greatest(s.last_seen, fresh.last_seen) AS last_seen,
    s.violations + coalesce(fresh.violations, 0)::bigint AS violations,
    s.violations - s.thin + coalesce(fresh.whole, 0)::bigint AS whole, s.cause,
    (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1) AS relabelled
FROM candidate JOIN signature s USING (id)
JOIN project p ON p.id = s.project
LEFT JOIN fresh ON fresh.signature = s.id
ORDER BY greatest(s.last_seen, fresh.last_seen) DESC LIMIT $1
"""


async def newest(connection: Connection, limit: int) -> Sequence[asyncpg.Record]:
    """With what is not folded yet, and what the rules and operators said. whole: how many of the
    violations were stored as rows."""
    return await connection.fetch(_NEWEST, limit)


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more. No violation since then, so none refers to them."""
    fresh = "SELECT FROM rollup_delta d WHERE d.signature = signature.id"
    return await chunks.delete_some(
        connection, "signature", f"last_seen < $1 AND NOT EXISTS ({fresh})", at
    )


# By what is folded: at most some seconds behind.
_PAGE = """
SELECT s.id, p.name AS project, s.host, s.kind, s.issuer_path, s.first_seen, s.last_seen, s.violations,
    s.violations - s.thin AS whole
FROM signature s JOIN project p ON p.id = s.project
WHERE ($1::text IS NULL OR p.name = $1) AND ($2::text IS NULL OR s.host = $2)
    AND ($3::text IS NULL OR s.kind = $3)
    AND ($4::timestamptz IS NULL OR (s.last_seen, s.id) < ($4, $5::bytea))
ORDER BY s.last_seen DESC, s.id DESC LIMIT $6
"""


async def page(
    connection: Connection,
    *,
    project: str | None,
    host: str | None,
    kind: str | None,
    after: tuple[datetime, bytes] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Those seen last first, behind ``after`` (last_seen, id)."""
    return await connection.fetch(_PAGE, project, host, kind, *(after or (None, None)), limit)


_OF_HOST = """
SELECT s.id, s.kind, s.issuer_path, s.first_seen, s.last_seen, s.violations, s.cause,
    (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1) AS relabelled
FROM signature s WHERE s.project = $1 AND s.host = $2 ORDER BY s.last_seen DESC LIMIT $3
"""


async def of_host(
    connection: Connection, project: int, host: str, limit: int
) -> list[asyncpg.Record]:
    """Those seen last first, with what the rules and what an operator said of them."""
    return await connection.fetch(_OF_HOST, project, host, limit)


_ONE = """
SELECT s.id, s.project AS project_id, p.name AS project, s.host, s.kind, s.issuer_path, s.first_seen,
    s.last_seen, s.violations, s.violations - s.thin AS whole, s.cause, s.cause_at
FROM signature s JOIN project p ON p.id = s.project AND p.forgotten_at IS NULL WHERE s.id = $1
"""


async def one(connection: Connection, id_: bytes) -> asyncpg.Record | None:
    """By what is folded: at most some seconds behind."""
    return await connection.fetchrow(_ONE, id_)
