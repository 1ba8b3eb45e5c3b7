"""What preflight weighs of a host: registered, learned and proven pins; chains that it served lately."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from collector.detect.advice import Proof
from collector.detect.outcomes import Learned
from collector.model import Certificate, Hash, ProjectId
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from collector.store.connect import Connection

_SERVED = 20  # chains

_REGISTERED = """
SELECT host, include_subdomains, app, platform, version_from, version_to, pins, enforced, starts, expires,
    report_uris, default_report_uri, format, source
FROM shipped_pin_set
WHERE project = $1 AND (host = $2 OR (include_subdomains AND right($2, length(host) + 1) = '.' || host))
ORDER BY id
"""


async def registered(connection: Connection, project: ProjectId, host: str) -> list[ShippedPinSet]:
    """Those that cover the host, the oldest import first."""
    rows = await connection.fetch(_REGISTERED, project, host)
    return [
        ShippedPinSet(
            **{
                **row,
                "pins": tuple(Hash.parse(pin) for pin in row["pins"]),
                "report_uris": tuple(row["report_uris"]),
            }
        )
        for row in rows
    ]


_LEARNED = """
SELECT app, platform, app_version AS version, pins, installs, networks FROM learned_pin_set
WHERE project = $1 AND host = $2 ORDER BY installs DESC, app, platform, app_version, pins LIMIT 1000
"""


async def learned(connection: Connection, project: ProjectId, host: str) -> list[Learned]:
    """Those of most installs first."""
    rows: list[asyncpg.Record] = await connection.fetch(_LEARNED, project, host)
    return [
        Learned(**{**row, "pins": tuple(Hash.parse(pin) for pin in row["pins"])}) for row in rows
    ]


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
