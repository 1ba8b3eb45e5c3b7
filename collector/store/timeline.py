"""What a host's page counts: failures over time by cause, and who is affected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import asyncpg

from collector.model import ProjectId
from collector.store.connect import Connection

NO_CAUSE = "not judged yet"
MOST = 10_000  # sightings that a breakdown looks at, the newest: a page has four
OF_HOST = 20_000  # among which those of one signature are found

# What an operator said of a signature wins.
_LABEL = """
coalesce(
    (SELECT r.label FROM relabel r WHERE r.signature = s.id ORDER BY r.id DESC LIMIT 1),
    s.cause ->> 'label', $5
)
"""
# Told once a signature, and not once a row: a month has hundreds of these for each.
_BY_CAUSE = """
WITH label AS MATERIALIZED (
    SELECT s.id, {label} AS label FROM signature s WHERE s.project = $1 AND s.host = $2
)
SELECT sums.at, label.label, sum(sums.violations)::bigint AS violations
FROM (
    SELECT {step} AS at, signature, violations FROM rollup_{step}
    WHERE project = $1 AND host = $2 AND {step} >= $3 AND {step} < $4 AND NOT test
    UNION ALL
    SELECT date_trunc('{step}', minute, 'UTC'), signature, violations FROM rollup_delta
    WHERE project = $1 AND host = $2 AND minute >= $3 AND minute < $4 AND NOT test
) AS sums
JOIN label ON label.id = sums.signature
GROUP BY sums.at, label.label ORDER BY sums.at
"""


async def by_cause(
    connection: Connection,
    project: ProjectId,
    host: str,
    since: datetime,
    until: datetime,
    step: Literal["minute", "hour"] = "hour",
) -> list[asyncpg.Record]:
    """(at, label, violations) of each minute or hour that has some, oldest first. A signature's cause
    is today's. Both times lie at the beginning of a step."""
    statement = _BY_CAUSE.format(step=step, label=_LABEL)
    return await connection.fetch(statement, project, host, since, until, NO_CAUSE)


_RECENT = """
WITH recent AS (
    SELECT * FROM sighting
    WHERE project = $1 AND host = $2 AND received_at >= $3 AND kind = 'pin_mismatch'
        AND environment = 'production'
    ORDER BY received_at DESC LIMIT $4
)
"""
_REACH = f"""{_RECENT}
SELECT count(DISTINCT install) AS installs, count(DISTINCT network) AS networks,
    count(DISTINCT operator_network) AS operators, count(*) AS sightings,
    count(*) FILTER (WHERE estimated) AS estimated
FROM recent
"""  # noqa: S608 (a constant of our own)


async def reach(
    connection: Connection, project: ProjectId, host: str, since: datetime
) -> asyncpg.Record:
    """installs, networks, operators, sightings and how many of those are estimates; of the newest
    MOST sightings since then."""
    found = await connection.fetchrow(_REACH, project, host, since, MOST)
    assert found is not None
    return found


By = Literal["app_version", "platform", "app", "class", "leaf"]
_SHARES = """{recent}
SELECT coalesce({by}, '') AS name, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks,
    min(received_at) AS first_seen, max(received_at) AS last_seen
FROM recent GROUP BY 1 ORDER BY installs DESC, name LIMIT $5
"""


async def shares(
    connection: Connection, project: ProjectId, host: str, since: datetime, by: By, limit: int = 12
) -> Sequence[asyncpg.Record]:
    """(name, installs, networks, first_seen, last_seen), most installs first; '' where it was not told."""
    statement = _SHARES.format(recent=_RECENT, by=by)
    return await connection.fetch(statement, project, host, since, MOST, limit)


_NETWORKS = f"""{_RECENT}
SELECT encode(network, 'hex') AS network, encode(operator_network, 'hex') AS operator,
    count(DISTINCT install) AS installs
FROM recent GROUP BY 1, 2 ORDER BY installs DESC, 1 LIMIT $5
"""  # noqa: S608 (as above)


async def networks(
    connection: Connection, project: ProjectId, host: str, since: datetime, limit: int = 8
) -> Sequence[asyncpg.Record]:
    """Those with most installs, by their keyed hashes of today."""
    return await connection.fetch(_NETWORKS, project, host, since, MOST, limit)


_OF_SIGNATURE = """
SELECT pin_set, GROUPING(pin_set) = 1 AS is_sum, count(DISTINCT install) AS installs,
    count(DISTINCT network) AS networks, count(DISTINCT operator_network) AS operators
FROM (
    SELECT signature, pin_set, install, network, operator_network FROM sighting
    WHERE project = $1 AND host = $2 AND received_at > $3 ORDER BY received_at DESC LIMIT $4
) AS newest
WHERE signature = $5 GROUP BY GROUPING SETS ((pin_set), ()) ORDER BY is_sum DESC, installs DESC LIMIT 50
"""


async def holders(
    connection: Connection, project: ProjectId, host: str, since: datetime, signature: bytes
) -> Sequence[asyncpg.Record]:
    """(pin_set, is_sum, installs, networks, operators): all installs that reported a signature first,
    then those of each pin set; among the newest OF_HOST sightings of its host since then."""
    return await connection.fetch(_OF_SIGNATURE, project, host, since, OF_HOST, signature)
