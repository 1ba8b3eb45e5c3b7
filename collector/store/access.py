"""Tokens with roles, sessions of browsers, and the audit: who changed what, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

import asyncpg

from collector.errors import ConflictError, NotFoundError
from collector.store.connect import Connection

_NEW = """
INSERT INTO token (name, role, hash, created_at, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING RETURNING id
"""


async def add_token(
    connection: Connection,
    *,
    name: str,
    role: str,
    hash_: bytes,
    now: datetime,
    who: str,
    expires_at: datetime | None,
) -> None:
    """hash_: SHA-256 of the token. Raises PinfallError if a token of this name is in use."""
    made = await connection.fetchval(_NEW, name, role, hash_, now, who, expires_at)
    if made is None:
        raise ConflictError(f"there is a token '{name}' already")


_REVOKE = "UPDATE token SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL RETURNING id"


async def revoke_token(connection: Connection, name: str, now: datetime) -> None:
    """Its sessions end with it. Raises PinfallError if no token of this name is in use."""
    revoked = await connection.fetchval(_REVOKE, name, now)
    if revoked is None:
        raise NotFoundError(f"there is no token '{name}' in use")
    await connection.execute("DELETE FROM session WHERE token = $1", revoked)


_TOKENS = """
SELECT name, role, created_at, created_by, expires_at, revoked_at FROM token
ORDER BY revoked_at IS NOT NULL, name, created_at
"""


async def tokens(connection: Connection) -> list[asyncpg.Record]:
    """All tokens by name, without their hashes; those in use first."""
    return await connection.fetch(_TOKENS)


_IN_USE = """
SELECT id, name, role, hash, expires_at FROM token
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)
"""
_SESSIONS = "SELECT hash, token, first_of, expires_at FROM session WHERE expires_at > $1"


async def in_use(
    connection: Connection, now: datetime
) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
    """(tokens, sessions) that still open a door."""
    return await connection.fetch(_IN_USE, now), await connection.fetch(_SESSIONS, now)


async def add_session(
    connection: Connection,
    hash_: bytes,
    *,
    token: int | None,
    first_of: bytes | None,
    expires_at: datetime,
) -> None:
    """token None: signed in with the token of the settings, whose SHA-256 is ``first_of``."""
    await connection.execute(
        "INSERT INTO session (hash, token, first_of, expires_at) VALUES ($1, $2, $3, $4)",
        hash_,
        token,
        first_of,
        expires_at,
    )


async def end_session(connection: Connection, hash_: bytes) -> None:
    await connection.execute("DELETE FROM session WHERE hash = $1", hash_)


_RECORD = "INSERT INTO audit (at, who, action, subject, details) VALUES ($1, $2, $3, $4, $5::jsonb)"


async def record(
    connection: Connection,
    now: datetime,
    *,
    who: str,
    action: str,
    subject: str,
    details: Mapping[str, object],
) -> None:
    """In the transaction of the change itself: there is no change without its line."""
    await connection.execute(_RECORD, now, who, action, subject, json.dumps(dict(details)))


_AUDIT = """
SELECT id, at, who, action, subject, details FROM audit
WHERE ($1::bigint IS NULL OR id < $1) ORDER BY id DESC LIMIT $2
"""


async def audit(connection: Connection, after: int | None, limit: int) -> list[asyncpg.Record]:
    """Newest first, behind ``after``."""
    return await connection.fetch(_AUDIT, after, limit)


async def forget_before(connection: Connection, now: datetime, audit_before: datetime) -> None:
    await connection.execute("DELETE FROM session WHERE expires_at < $1", now)
    await connection.execute("DELETE FROM audit WHERE at < $1", audit_before)
