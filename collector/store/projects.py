"""Projects and their ingest keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from collector.errors import ConflictError, NotFoundError
from collector.model import ProjectId
from collector.store.connect import Connection

_ADD = """
INSERT INTO project (name, hosts, secret, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO NOTHING RETURNING id
"""


async def add(connection: Connection, name: str, hosts: Sequence[str], now: datetime) -> ProjectId:
    """Make a project. Raises PinfallError if there is one of this name."""
    made = await connection.fetchval(_ADD, name, list(hosts), secrets.token_bytes(32), now)
    if made is None:
        raise ConflictError(f"there is a project '{name}' already")
    return ProjectId(made)


_LIST = """
SELECT p.name, p.hosts, p.created_at, count(k.key) FILTER (WHERE k.disabled_at IS NULL) AS keys
FROM project p LEFT JOIN ingest_key k ON k.project = p.id
WHERE p.forgotten_at IS NULL
GROUP BY p.id ORDER BY p.name
"""


async def listed(connection: Connection) -> list[asyncpg.Record]:
    """Projects by name, with how many keys are in use."""
    return await connection.fetch(_LIST)


async def named(connection: Connection) -> list[asyncpg.Record]:
    """Ids and names of all."""
    return await connection.fetch("SELECT id, name FROM project WHERE forgotten_at IS NULL")


# Key share: other flushes go on, a change of patterns goes on, deleting the row waits.
_HOLD = """
SELECT id FROM project WHERE id = ANY($1) AND forgotten_at IS NULL ORDER BY id FOR KEY SHARE
"""


async def hold(connection: Connection, ids: Sequence[ProjectId]) -> set[ProjectId]:
    """Which of them are there; they stay until the transaction ends."""
    return {ProjectId(row["id"]) for row in await connection.fetch(_HOLD, list(ids))}


_ONE = "SELECT id, name, hosts, secret, created_at FROM project WHERE name = $1 AND forgotten_at IS NULL"


async def one(connection: Connection, name: str, *, lock: bool = False) -> asyncpg.Record:
    """Raises PinfallError if there is no such project. lock: until the transaction ends."""
    row = await connection.fetchrow(_ONE + (" FOR NO KEY UPDATE" if lock else ""), name)
    if row is None:
        raise NotFoundError(f"there is no project '{name}'")
    return row


async def set_hosts(connection: Connection, project: ProjectId, patterns: Sequence[str]) -> None:
    await connection.execute("UPDATE project SET hosts = $2 WHERE id = $1", project, list(patterns))


_ADD_KEY = """
INSERT INTO ingest_key (key, project, app, environment, trusted, created_at, quota, origins)
SELECT $1, id, $3, $4, $5, $6, $7, $8 FROM project WHERE name = $2 AND forgotten_at IS NULL
RETURNING key
"""


async def add_key(
    connection: Connection,
    project: str,
    *,
    app: str,
    environment: str,
    trusted: bool,
    now: datetime,
    quota: float | None = None,
    origins: Sequence[str] = (),
) -> str:
    """Make a key of 128 random bits and return it. Raises PinfallError if there is no such project.

    quota: items a second, None: none. origins: whose pages may send app dialects.
    """
    key = secrets.token_urlsafe(16)
    while key.startswith("-"):  # a command line would take it for an option
        key = secrets.token_urlsafe(16)
    made = await connection.fetchval(
        _ADD_KEY, key, project, app, environment, trusted, now, quota, list(origins)
    )
    if made is None:
        raise NotFoundError(f"there is no project '{project}'")
    return key


_KEYS = """
SELECT k.key, p.name AS project, k.app, k.environment, k.trusted, k.quota, k.origins, k.created_at, k.disabled_at
FROM ingest_key k JOIN project p ON p.id = k.project AND p.forgotten_at IS NULL
ORDER BY p.name, k.created_at, k.key
"""


async def keys(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_KEYS)


_LIMITS = "SELECT quota, origins FROM ingest_key WHERE key = $1 FOR NO KEY UPDATE"


async def limits(connection: Connection, key: str) -> asyncpg.Record:
    """Quota and origins of a key, which nobody else changes until the transaction ends. Raises
    NotFoundError if there is no such key."""
    row = await connection.fetchrow(_LIMITS, key)
    if row is None:
        raise NotFoundError("there is no such key")
    return row


async def set_limits(
    connection: Connection, key: str, quota: float | None, origins: Sequence[str]
) -> None:
    await connection.execute(
        "UPDATE ingest_key SET quota = $2, origins = $3 WHERE key = $1", key, quota, list(origins)
    )


_ENABLE = "UPDATE ingest_key SET disabled_at = NULL WHERE key = $1 AND disabled_at IS NOT NULL RETURNING key"
_DISABLE = (
    "UPDATE ingest_key SET disabled_at = $2 WHERE key = $1 AND disabled_at IS NULL RETURNING key"
)


async def turn_key(connection: Connection, key: str, now: datetime, *, on: bool) -> bool:
    """Enable or disable; False if it was so already. Raises NotFoundError if there is no such key."""
    if not await connection.fetchval("SELECT count(*) FROM ingest_key WHERE key = $1", key):
        raise NotFoundError("there is no such key")
    if on:
        return await connection.fetchval(_ENABLE, key) is not None
    return await connection.fetchval(_DISABLE, key, now) is not None


_IN_USE = """
SELECT k.key, k.app, k.environment, k.trusted, k.quota, k.origins,
    p.id AS project, p.name AS project_name, p.hosts, p.secret
FROM ingest_key k JOIN project p ON p.id = k.project
WHERE k.disabled_at IS NULL AND p.forgotten_at IS NULL
"""


async def keys_in_use(connection: Connection) -> list[asyncpg.Record]:
    """All that is needed to take a report with a key."""
    return await connection.fetch(_IN_USE)
