"""Taking out what is stored of one install, or of a whole project."""

from __future__ import annotations

from collections.abc import Sequence

from collector.model import ProjectId
from collector.store.connect import Connection

# Old identities go too, so that nothing is left that was made from the install's id.
_INSTALL = """
WITH gone AS (
    DELETE FROM violation WHERE project = $1 AND install = ANY($2) RETURNING delivery
), identities AS (
    DELETE FROM delivery WHERE key IN (SELECT delivery FROM gone)
), refused AS (
    DELETE FROM quarantine WHERE delivery IN (SELECT delivery FROM gone)
)
SELECT count(*) FROM gone
"""
_SIGHTINGS = "DELETE FROM sighting WHERE project = $1 AND install = ANY($2)"
_WINDOWS = """
WITH gone AS (
    DELETE FROM connection_window WHERE project = $1 AND install = ANY($2) RETURNING delivery
), identities AS (
    DELETE FROM delivery WHERE key IN (SELECT delivery FROM gone)
)
SELECT count(*) FROM gone
"""
_PLATFORMS = """
SELECT DISTINCT platform FROM violation WHERE project = $1 AND platform IS NOT NULL
UNION SELECT DISTINCT platform FROM connection_window WHERE project = $1 AND platform IS NOT NULL
"""


async def platforms(connection: Connection, project: ProjectId) -> list[str]:
    """Every platform that the project's reports name: an install is hashed with its own."""
    return [row["platform"] for row in await connection.fetch(_PLATFORMS, project)]


async def install(
    connection: Connection, project: ProjectId, hashes: Sequence[bytes]
) -> tuple[int, int]:
    """(violations, windows of connections) that are gone. Counts without a person stay."""
    violations = await connection.fetchval(_INSTALL, project, list(hashes))
    await connection.execute(_SIGHTINGS, project, list(hashes))
    windows = await connection.fetchval(_WINDOWS, project, list(hashes))
    return int(violations), int(windows)


# In the order in which ingest touches them. Keys, hosts and signatures go with the project's row.
_OF_PROJECT = (
    "DELETE FROM delivery WHERE key IN (SELECT delivery FROM violation WHERE project = $1)",
    "DELETE FROM delivery WHERE key IN (SELECT delivery FROM connection_window WHERE project = $1)",
    "DELETE FROM violation WHERE project = $1",
    "DELETE FROM sighting WHERE project = $1",
    "DELETE FROM connection_window WHERE project = $1",
    "DELETE FROM connection_delta WHERE project = $1",
    "DELETE FROM connection_hour WHERE project = $1",
    "DELETE FROM signature_delta WHERE signature IN (SELECT id FROM signature WHERE project = $1)",
    "DELETE FROM quarantine WHERE project = $1",
    "DELETE FROM ledger_delta WHERE project = $1",
    "DELETE FROM ledger WHERE project = $1",
    "DELETE FROM project WHERE id = $1",
)


async def project(connection: Connection, id_: ProjectId) -> None:
    """All of it, its secret included. Certificates and chains are shared, and go when unused."""
    for statement in _OF_PROJECT:
        await connection.execute(statement, id_)
