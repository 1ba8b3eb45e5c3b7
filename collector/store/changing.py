"""What rotations are found in: chains that probes saw, and leaves that clients reported."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from collector.detect.served import ServedChain
from collector.model import Certificate, Hash
from collector.reports.certificates import certificate_from_der
from collector.store.connect import Connection

CHAINS = 200  # of a host; those seen last
SIGHTINGS = 5_000  # of a registered host; the newest
ALL_SIGHTINGS = 100_000
LEAVES = 100  # of all hosts
TRIED = 5  # chains of a leaf

_SERVED = """
SELECT c.host, c.port, c.ders, c.trusted, c.problem, c.key_type, c.first_seen, c.last_seen
FROM (
    SELECT host FROM served_chain WHERE first_seen >= $1 UNION SELECT unnest($2::text[])
) AS changing CROSS JOIN LATERAL (
    SELECT * FROM served_chain s WHERE s.host = changing.host ORDER BY s.last_seen DESC, s.id LIMIT $3
) AS c
"""


async def served(
    connection: Connection, since: datetime, hosts: Collection[str]
) -> dict[str, list[ServedChain]]:
    """All chains of hosts that served a new one at ``since`` or later, and of these."""
    found: dict[str, list[ServedChain]] = defaultdict(list)
    for row in await connection.fetch(_SERVED, since, list(hosts), CHAINS):
        found[row["host"]].append(_chain(row))
    return found


def _chain(row: asyncpg.Record) -> ServedChain:
    told = dict(row)
    return ServedChain(chain=tuple(map(certificate_from_der, told.pop("ders"))), **told)


async def of_host(connection: Connection, host: str) -> list[ServedChain]:
    return [_chain(row) for row in await connection.fetch(_SERVED, None, [host], CHAINS)]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A leaf that no probe of its host saw. Counts are of one UTC day, as networks are hashed;
    ``chains``: some that it was reported with, leaf first, without what could not be read."""

    host: str
    leaf: bytes
    installs: int
    operator_networks: int
    first_seen: datetime
    chains: tuple[tuple[Certificate, ...], ...]


# The most frequent chain is tried first: whoever reports the leaf with chains of their own does not
# crowd it out.
_UNKNOWN = """
WITH newest AS (
    SELECT s.* FROM host h CROSS JOIN LATERAL (
        SELECT host, leaf, install, operator_network, received_at, chain, environment FROM sighting
        WHERE project = h.project AND host = h.name AND received_at > $1
        ORDER BY received_at DESC LIMIT $2
    ) AS s
    WHERE h.registered
)
SELECT host, leaf, count(DISTINCT install) AS installs,
    count(DISTINCT operator_network) AS operator_networks, min(received_at) AS first_seen,
    mode() WITHIN GROUP (ORDER BY chain) AS usual, (array_agg(DISTINCT chain))[1:$3] AS chains
FROM newest n
WHERE environment = 'production' AND leaf LIKE 'sha256/%' AND NOT EXISTS (
    SELECT FROM served_chain c WHERE c.host = n.host AND 'sha256/' || encode(c.leaf, 'base64') = n.leaf
)
GROUP BY host, leaf, (received_at AT TIME ZONE 'UTC')::date
HAVING count(DISTINCT install) >= $4 AND count(DISTINCT operator_network) >= $5
ORDER BY installs DESC, host, leaf LIMIT $6
"""
_SLOTS = "SELECT id, slots FROM chain WHERE id = ANY($1)"
_DERS = "SELECT sha256, der FROM certificate WHERE sha256 = ANY($1)"


async def unknown_leaves(
    connection: Connection, since: datetime, *, installs: int, operator_networks: int
) -> list[Unknown]:
    """Of registered hosts, reported after ``since`` by at least so many; looked for in the newest
    sightings of each host, and at most LEAVES."""
    registered = await connection.fetchval("SELECT count(*) FROM host WHERE registered")
    most = min(SIGHTINGS, ALL_SIGHTINGS // max(1, registered))
    rows = await connection.fetch(_UNKNOWN, since, most, TRIED, installs, operator_networks, LEAVES)
    wanted = [
        list(dict.fromkeys(id_ for id_ in (row["usual"], *row["chains"]) if id_ is not None))
        for row in rows
    ]
    chains = await _chains(connection, [id_ for ids in wanted for id_ in ids])
    return [
        Unknown(
            row["host"],
            Hash.parse(row["leaf"]).digest,
            row["installs"],
            row["operator_networks"],
            row["first_seen"],
            tuple(chains[id_] for id_ in ids[:TRIED] if id_ in chains),
        )
        for row, ids in zip(rows, wanted, strict=True)
    ]


async def _chains(
    connection: Connection, ids: Sequence[bytes]
) -> dict[bytes, tuple[Certificate, ...]]:
    if not ids:
        return {}
    rows = await connection.fetch(_SLOTS, list(ids))
    slots = {
        row["id"]: [bytes.fromhex(s["certificate"]) for s in json.loads(row["slots"]) if "certificate" in s]
        for row in rows
    }  # fmt: skip
    every = {sha256 for shas in slots.values() for sha256 in shas}
    ders = {row["sha256"]: row["der"] for row in await connection.fetch(_DERS, list(every))}
    known = {sha256: certificate_from_der(der) for sha256, der in ders.items()}
    return {id_: tuple(known[sha] for sha in shas if sha in known) for id_, shas in slots.items()}
