"""Which projects have a host."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from collector.store.connect import Connection

_PLACES = """
SELECT p.id, p.name, p.hosts, h.name IS NOT NULL AS is_known
FROM project p LEFT JOIN host h ON h.project = p.id AND h.name = $1
WHERE p.forgotten_at IS NULL AND ($2::text IS NULL OR p.name = $2) ORDER BY p.name
"""


class Place(NamedTuple):
    """A project, its host patterns, and whether the host is registered or admitted there."""

    id: int
    name: str
    patterns: Collection[str]
    is_known: bool


async def places(connection: Connection, host: str, project: str | None) -> list[Place]:
    """Every project, or the one that is named, with what it is to this host."""
    return [Place(*row) for row in await connection.fetch(_PLACES, host, project)]
