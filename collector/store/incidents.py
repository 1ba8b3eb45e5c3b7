"""Of whom an alert speaks: what the affected installs of a host have in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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


_RECENT = """
WITH recent AS (
    SELECT * FROM sighting WHERE project = $1 AND host = $2 AND received_at >= $3
        AND environment = 'production' AND NOT silenced
        AND (kind = 'chain_untrusted' OR kind = 'pin_mismatch') AND (kind = 'chain_untrusted') = ($4 = 'untrusted')
        AND ($4 = 'untrusted' OR class = $4) AND signature <> ALL($6)
    ORDER BY received_at DESC LIMIT $5
)
"""
_CROWD = f"""{_RECENT}
SELECT count(*) AS sightings, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks,
    count(DISTINCT operator_network) AS operators,
    mode() WITHIN GROUP (ORDER BY signature) AS signature, mode() WITHIN GROUP (ORDER BY leaf) AS leaf,
    mode() WITHIN GROUP (ORDER BY chain) AS chain, mode() WITHIN GROUP (ORDER BY pin_set) AS pin_set
FROM recent
"""  # noqa: S608 (a constant of our own)
_NAMES = f"""{_RECENT}
SELECT app, app_version, platform, count(DISTINCT install) AS installs FROM recent
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 50
"""  # noqa: S608 (as above)


async def crowd(
    connection: Connection, project: int, host: str, since: datetime, class_: str,
    without: Collection[bytes] = (),
) -> Crowd:  # fmt: skip
    """class_: of the sightings, or 'untrusted'. without: signatures that are left out."""
    whom = project, host, since, class_, MOST, list(without)
    found = await connection.fetchrow(_CROWD, *whom)
    names = await connection.fetch(_NAMES, *whom)
    assert found is not None
    lead = (names[0]["platform"], names[0]["app_version"], names[0]["installs"]) if names else None
    return Crowd(
        found["installs"], found["networks"], found["operators"], _told(names, "app", 5),
        _told(names, "app_version", 8), _told(names, "platform", 5), lead, found["signature"],
        found["leaf"], found["chain"], found["pin_set"], found["sightings"] >= MOST,
    )  # fmt: skip


def _told(names: Sequence[asyncpg.Record], column: str, most: int) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row[column] for row in names if row[column]))[:most]


_HOLDING = f"""{_RECENT}
SELECT count(DISTINCT install) FILTER (WHERE pin_set = $7)::float8 / greatest(count(DISTINCT install), 1)
FROM recent
"""  # noqa: S608 (as above)


async def holding(
    connection: Connection, project: int, host: str, since: datetime, class_: str, pin_set: bytes,
    without: Collection[bytes] = (),
) -> float:  # fmt: skip
    """The share of those installs that hold a pin set."""
    whom = project, host, since, class_, MOST, list(without)
    share: float = await connection.fetchval(_HOLDING, *whom, pin_set)
    return share


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
