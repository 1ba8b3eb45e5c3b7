"""Projects and their ingest keys."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from collector.errors import PinfallError
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
        raise PinfallError(f"there is a project '{name}' already")
    return ProjectId(made)


_LIST = """
SELECT p.name, p.hosts, p.created_at, count(k.key) FILTER (WHERE k.disabled_at IS NULL) AS keys
FROM project p LEFT JOIN ingest_key k ON k.project = p.id
GROUP BY p.id ORDER BY p.name
"""


async def listed(connection: Connection) -> list[asyncpg.Record]:
    """Projects by name, with how many keys are in use."""
    return await connection.fetch(_LIST)


_ADD_KEY = """
INSERT INTO ingest_key (key, project, app, environment, trusted, created_at)
SELECT $1, id, $3, $4, $5, $6 FROM project WHERE name = $2
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
) -> str:
    """Make a key of 128 random bits and return it. Raises PinfallError if there is no such project."""
    key = secrets.token_urlsafe(16)
    made = await connection.fetchval(_ADD_KEY, key, project, app, environment, trusted, now)
    if made is None:
        raise PinfallError(f"there is no project '{project}'")
    return key


_KEYS = """
SELECT k.key, p.name AS project, k.app, k.environment, k.trusted, k.created_at, k.disabled_at
FROM ingest_key k JOIN project p ON p.id = k.project
ORDER BY p.name, k.created_at, k.key
"""


async def keys(connection: Connection) -> list[asyncpg.Record]:
    return await connection.fetch(_KEYS)


_DISABLE = (
    "UPDATE ingest_key SET disabled_at = coalesce(disabled_at, $2) WHERE key = $1 RETURNING key"
)


async def disable_key(connection: Connection, key: str, now: datetime) -> None:
    """Raises PinfallError if there is no such key. Safe to repeat."""
    if await connection.fetchval(_DISABLE, key, now) is None:
        raise PinfallError("there is no such key")


_IN_USE = """
SELECT k.key, k.app, k.environment, k.trusted, p.id AS project, p.name AS project_name, p.hosts, p.secret
FROM ingest_key k JOIN project p ON p.id = k.project
WHERE k.disabled_at IS NULL
"""


async def keys_in_use(connection: Connection) -> list[asyncpg.Record]:
    """All that is needed to take a report with a key."""
    return await connection.fetch(_IN_USE)
