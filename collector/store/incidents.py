"""Of whom an alert speaks: what the affected installs of a host have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from collector.alert import LOOKED_AT
from collector.store.connect import Connection

MOST = LOOKED_AT  # sightings: what they have in common, thousands tell as well


@dataclass(frozen=True, slots=True)
class Crowd:
    """Installs of one class since a time. Tuples hold the most frequent first. is_part: there are more
    sightings than were looked at, so that the numbers are too small."""

    installs: int
    networks: int
    operators: int
    apps: tuple[str, ...]
    versions: tuple[str, ...]
    platforms: tuple[str, ...]
    lead: tuple[str, str, int] | None  # platform, version, installs of both
    signature: bytes | None
    leaf: str | None
    chain: bytes | None
    pin_set: bytes | None
    is_part: bool = False
    holding: float = 0.0  # share of the installs that hold the pin set


# What is looked at is read once: to find thousands of a class takes longer than what is asked of them.
_CROWD = """
WITH recent AS MATERIALIZED (
    SELECT app, app_version, platform, install, network, operator_network, signature, leaf, chain, pin_set
    FROM sighting
    WHERE project = $1 AND host = $2 AND received_at >= $3 AND environment = 'production' AND NOT silenced
        AND (kind = 'chain_untrusted' OR kind = 'pin_mismatch') AND (kind = 'chain_untrusted') = ($4 = 'untrusted')
        AND ($4 = 'untrusted' OR class = $4) AND signature <> ALL($6)
    ORDER BY received_at DESC LIMIT $5
), crowd AS (
    SELECT count(*) AS sightings, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks,
        count(DISTINCT operator_network) AS operators,
        mode() WITHIN GROUP (ORDER BY signature) AS signature, mode() WITHIN GROUP (ORDER BY leaf) AS leaf,
        mode() WITHIN GROUP (ORDER BY chain) AS chain, mode() WITHIN GROUP (ORDER BY pin_set) AS pin_set
    FROM recent
), name AS (
    SELECT app, app_version, platform, count(DISTINCT install) AS installs FROM recent
    GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 50
)
SELECT *, ARRAY(SELECT name FROM name ORDER BY installs DESC, app, app_version, platform) AS names, (
        SELECT count(DISTINCT install)::float8 / greatest(crowd.installs, 1) FROM recent
        WHERE pin_set = crowd.pin_set
    ) AS holding
FROM crowd
"""


async def crowd(
    connection: Connection, project: int, host: str, since: datetime, class_: str,
    without: Collection[bytes] = (),
) -> Crowd:  # fmt: skip
    """class_: of the sightings, or 'untrusted'. without: signatures that are left out."""
    found = await connection.fetchrow(_CROWD, project, host, since, class_, MOST, list(without))
    assert found is not None
    names: list[tuple[str, str, str, int]] = found["names"]
    lead = (names[0][2], names[0][1], names[0][3]) if names else None
    apps = _first((app for app, _, _, _ in names), 5)
    versions = _first((version for _, version, _, _ in names), 8)
    platforms = _first((platform for _, _, platform, _ in names), 5)
    return Crowd(
        found["installs"], found["networks"], found["operators"], apps, versions, platforms, lead,
        found["signature"], found["leaf"], found["chain"], found["pin_set"], found["sightings"] >= MOST,
        found["holding"],
    )  # fmt: skip


def _first(names: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name))[:most]


_CAUSE = """
SELECT cause, (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1) AS said
FROM signature s WHERE id = $1
"""


async def cause(connection: Connection, signature: bytes) -> asyncpg.Record | None:
    """(cause as JSON, what an operator said) of a signature."""
    return await connection.fetchrow(_CAUSE, signature)


_SUSPECTS = """
SELECT id, cause, last_seen FROM signature
WHERE project = $1 AND host = $2 AND last_seen >= $3 AND cause ->> 'rule' = ANY($4)
ORDER BY last_seen DESC LIMIT 50
"""


async def suspects(
    connection: Connection, project: int, host: str, since: datetime, rules: Sequence[str]
) -> list[asyncpg.Record]:
    """Signatures of one host whose causes these rules told."""
    return await connection.fetch(_SUSPECTS, project, host, since, list(rules))


_JUDGED_BY = """
SELECT DISTINCT project, host FROM signature
WHERE last_seen >= $1 AND cause ->> 'rule' = ANY($2)
"""


async def judged_by(
    connection: Connection, since: datetime, rules: Sequence[str]
) -> set[tuple[int, str]]:
    """Hosts with such signatures, and their projects."""
    rows = await connection.fetch(_JUDGED_BY, since, list(rules))
    return {(row["project"], row["host"]) for row in rows}


_CHAIN = """
SELECT c.place, certificate.der FROM (
    SELECT place, decode(slot ->> 'certificate', 'hex') AS sha256
    FROM chain, jsonb_array_elements(slots) WITH ORDINALITY AS told(slot, place) WHERE chain.id = $1
) c JOIN certificate ON certificate.sha256 = c.sha256 ORDER BY c.place
"""


async def chain(connection: Connection, id_: bytes) -> list[bytes]:
    """DER of a reported chain, leaf first; without what was only a hash."""
    return [row["der"] for row in await connection.fetch(_CHAIN, id_)]


async def pins(connection: Connection, id_: bytes) -> str:
    """A reported pin set as JSON."""
    return str(await connection.fetchval("SELECT pins FROM pin_set WHERE id = $1", id_) or "[]")


_SUCCESSES = """
SELECT host, project, coalesce(sum(successes), 0)::bigint AS successes FROM connection_window
WHERE trusted AND environment = 'production' AND ends >= $1 AND ends < $2 GROUP BY 1, 2
"""


async def successes(
    connection: Connection, since: datetime, until: datetime
) -> dict[tuple[int, str], int]:
    """By project and host, from trusted keys only."""
    rows = await connection.fetch(_SUCCESSES, since, until)
    return {(row["project"], row["host"]): row["successes"] for row in rows}


_LOST = """
SELECT project, sum(items)::bigint AS items FROM (
    SELECT project, items FROM ledger_delta WHERE result = 'shed' AND reason <> 'over_limit' AND hour >= $1
    UNION ALL
    SELECT project, items FROM ledger WHERE result = 'shed' AND reason <> 'over_limit' AND hour >= $1
) AS shed WHERE project IS NOT NULL GROUP BY 1
"""


async def shed(connection: Connection, hour: datetime) -> dict[int, int]:
    """Items that were let go since the beginning of an hour, by project; without those of senders over
    their limits: a flood is nobody's loss, and would be a way to wake people."""
    return {row["project"]: row["items"] for row in await connection.fetch(_LOST, hour)}
