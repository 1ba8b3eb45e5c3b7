"""What preflight weighs beside pin sets: how keys were proven, and chains that a host served lately."""

from __future__ import annotations

from datetime import datetime

from collector.detect.advice import Proof
from collector.model import Certificate, Hash, ProjectId
from collector.reports.certificates import certificate_from_der
from collector.store.connect import Connection

_SERVED = 20  # chains


async def proven(connection: Connection, project: ProjectId) -> dict[Hash, Proof]:
    rows = await connection.fetch(
        "SELECT pin, how, proven_at FROM proven_pin WHERE project = $1", project
    )
    return {Hash.parse(row["pin"]): Proof(row["how"], row["proven_at"]) for row in rows}


_CHAINS = """
SELECT ders, last_seen FROM served_chain WHERE host = $1 AND last_seen > $2
ORDER BY last_seen DESC, id LIMIT $3
"""


async def served(
    connection: Connection, host: str, since: datetime
) -> list[tuple[tuple[Certificate, ...], datetime]]:
    """(chain, leaf first; when it was last seen), the newest first."""
    rows = await connection.fetch(_CHAINS, host, since, _SERVED)
    return [(tuple(certificate_from_der(der) for der in r["ders"]), r["last_seen"]) for r in rows]
