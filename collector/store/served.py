"""What hosts serve, as probes saw it: each chain once, and how asking went for each address."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import NamedTuple

import asyncpg

from collector.detect.fixes import Shown
from collector.detect.probed import Answer, ProbeState
from collector.detect.served import ServedChain
from collector.model import Certificate, Hash
from collector.reports.certificates import certificate_from_der, facts
from collector.store.connect import Connection

MOST_TRUSTED = 1000  # chains of one host and port that are kept; those seen last
MOST_UNTRUSTED = 50  # whoever makes a new one for each probe fills no disk
KEPT = timedelta(days=400)  # a chain, after it was last seen
STATES_KEPT = timedelta(days=9)  # a state, after it was last told


def chain_id(host: str, port: int, chain: Sequence[Certificate]) -> bytes:
    """16 bytes, of host, port and certificates."""
    told = sha256(f"{host}\x00{port}\x00".encode())
    for certificate in chain:
        told.update(certificate.sha256)
    return told.digest()[:16]


_KEEP = """
INSERT INTO served_chain AS known (id, host, port, ders, leaf, key_type, trusted, problem, first_seen, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
ON CONFLICT (id) DO UPDATE SET
    trusted = excluded.trusted, problem = excluded.problem, last_seen = excluded.last_seen
WHERE known.last_seen <= excluded.last_seen
"""
_CROWDED_OUT = """
DELETE FROM served_chain WHERE id IN (
    SELECT id FROM (
        SELECT id, trusted, row_number() OVER (PARTITION BY trusted ORDER BY last_seen DESC, id) AS place
        FROM served_chain WHERE host = $1 AND port = $2
    ) AS placed
    WHERE place > CASE WHEN trusted THEN $3::int ELSE $4::int END
)
"""


async def keep(
    connection: Connection,
    host: str,
    port: int,
    chain: Sequence[Certificate],
    *,
    problem: str | None,
    at: datetime,
) -> bytes:
    """A chain that was seen now; its id. problem: why it is not trusted; None: it is."""
    id_ = chain_id(host, port, chain)
    leaf = chain[0]
    ders = [certificate.der for certificate in chain]
    key_type = facts(leaf.der).key
    await connection.execute(
        _KEEP, id_, host, port, ders, leaf.spki_sha256, key_type, problem is None, problem, at
    )
    return id_


async def crowd_out(connection: Connection, host: str, port: int) -> None:
    """Delete what is too much of a host."""
    await connection.execute(_CROWDED_OUT, host, port, MOST_TRUSTED, MOST_UNTRUSTED)


async def forget(connection: Connection, now: datetime) -> None:
    """Delete what nobody saw for long, and how hosts answered that are asked no longer."""
    await connection.execute("DELETE FROM served_chain WHERE last_seen < $1", now - KEPT)
    await connection.execute("DELETE FROM probe_state WHERE at < $1", now - STATES_KEPT)


_STATE = """
INSERT INTO probe_state AS known (host, port, vantage, address, asked, state, detail, chain, at, since)
SELECT $1, $2, $3, address, asked, state, detail, chain, $9, $9
FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[])
    AS new(address, asked, state, detail, chain)
ORDER BY address, asked
ON CONFLICT (host, port, vantage, address, asked) DO UPDATE SET
    state = excluded.state, detail = excluded.detail, chain = excluded.chain, at = excluded.at,
    since = CASE WHEN known.state = excluded.state AND known.chain IS NOT DISTINCT FROM excluded.chain
        THEN known.since ELSE excluded.since END
WHERE known.at <= excluded.at
"""
_GONE = """
DELETE FROM probe_state
WHERE host = $1 AND port = $2 AND vantage = $3 AND at < $4 AND state <> $5 AND (address = '' OR $6)
"""
_TURN = "turn"  # a row that is no answer: when the host was asked last


async def keep_states(
    connection: Connection,
    host: str,
    port: int,
    vantage: str,
    told: Sequence[tuple[Answer, bytes | None]],
    at: datetime,
    *,
    resolved: bool,
) -> None:
    """What was asked now; with the chain's id where one was served and kept.

    resolved: addresses that are not among these are gone from the name. Else they stay as they were.
    """
    columns = (
        [answer.address for answer, _ in told],
        [str(answer.asked) for answer, _ in told],
        [str(answer.state) for answer, _ in told],
        [answer.detail for answer, _ in told],
        [chain for _, chain in told],
    )
    await connection.execute(_STATE, host, port, vantage, *columns, at)
    await connection.execute(_GONE, host, port, vantage, at, _TURN, resolved)


_TAKE_TURN = """
INSERT INTO probe_state AS known (host, port, vantage, address, asked, state, at, since)
VALUES ($1, $2, 'here', '', 'turn', 'turn', $3, $3)
ON CONFLICT (host, port, vantage, address, asked) DO UPDATE SET at = excluded.at
WHERE known.at <= $4
RETURNING true
"""


async def take_turn(
    connection: Connection, host: str, port: int, *, now: datetime, unless_since: datetime
) -> bool:
    """Whether this process is the one to ask a host now: nobody else took the turn after then."""
    took = await connection.fetchval(_TAKE_TURN, host, port, now, unless_since)
    return took is True


async def turns(connection: Connection) -> dict[tuple[str, int], datetime]:
    """When each (host, port) was asked last."""
    rows = await connection.fetch(
        "SELECT host, port, at FROM probe_state WHERE vantage = 'here' AND state = $1", _TURN
    )
    return {(row["host"], row["port"]): row["at"] for row in rows}


_OF_HOST = """
SELECT host, port, ders, trusted, problem, key_type, first_seen, last_seen FROM served_chain
WHERE host = $1 AND ($2::timestamptz IS NULL OR last_seen >= $2)
ORDER BY last_seen DESC, first_seen DESC, id LIMIT $3
"""


async def of_host(
    connection: Connection, host: str, since: datetime | None = None, limit: int = 1000
) -> list[ServedChain]:
    """Chains that a host served at some time after ``since``, those seen last first."""
    rows = await connection.fetch(_OF_HOST, host, since, limit)
    return [_chain(row) for row in rows]


def _chain(row: asyncpg.Record) -> ServedChain:
    told = dict(row)
    return ServedChain(chain=tuple(map(certificate_from_der, told.pop("ders"))), **told)


class Leaf(NamedTuple):
    """A key that a host serves or served."""

    host: str
    port: int
    spki_sha256: bytes
    spki_sha1: bytes
    trusted: bool
    first_seen: datetime
    last_seen: datetime

    def hashes(self) -> tuple[str, str]:
        """As sightings name a leaf."""
        return str(Hash("sha256", self.spki_sha256)), str(Hash("sha1", self.spki_sha1))


_LEAVES = """
SELECT host, port, ders[1] AS der, trusted, first_seen, last_seen FROM served_chain
WHERE last_seen >= coalesce($1::timestamptz, '-infinity') AND ($2::text[] IS NULL OR host = ANY($2))
ORDER BY host, port, last_seen DESC
"""


async def leaves(
    connection: Connection,
    since: datetime | None = None,
    hosts: Collection[str] | None = None,
) -> list[Leaf]:
    """Leaves of chains that were seen at some time after ``since``, by host; those seen last first."""
    rows = await connection.fetch(_LEAVES, since, None if hosts is None else list(hosts))
    found = []
    for host, port, der, trusted, first_seen, last_seen in rows:
        c = certificate_from_der(der)
        found.append(Leaf(host, port, c.spki_sha256, c.spki_sha1, trusted, first_seen, last_seen))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How asking went. ``since``: that state and chain are as they are. ``chain``: id of one kept."""

    port: int
    vantage: str
    address: str
    asked: str
    state: ProbeState
    detail: str
    chain: bytes | None
    at: datetime
    since: datetime


_STATES = """
SELECT port, vantage, address, asked, state, detail, chain, at, since FROM probe_state
WHERE host = $1 AND state <> $2 ORDER BY port, vantage <> 'here', vantage, address, asked
"""


async def states(connection: Connection, host: str) -> list[State]:
    """By port, our own vantage first."""
    rows = await connection.fetch(_STATES, host, _TURN)
    return [State(**{**row, "state": ProbeState(row["state"])}) for row in rows]


_NOW = """
SELECT DISTINCT c.host, c.port, c.ders FROM probe_state s JOIN served_chain c ON c.id = s.chain
WHERE s.vantage = 'here' AND s.at >= $1 AND c.last_seen >= $1
"""


async def served_now(
    connection: Connection, since: datetime
) -> list[tuple[str, int, tuple[Certificate, ...]]]:
    """Chains that our own probes saw at their last look, where that was after ``since``."""
    rows = await connection.fetch(_NOW, since)
    return [
        (row["host"], row["port"], tuple(map(certificate_from_der, row["ders"]))) for row in rows
    ]


_SHOWN = """
SELECT s.host, c.leaf, s.since FROM probe_state s JOIN served_chain c ON c.id = s.chain
WHERE s.host = ANY($1) AND s.at >= $2
"""


async def shown(
    connection: Connection, hosts: Collection[str], since: datetime
) -> list[tuple[str, Shown]]:
    """By host: what each of its addresses answered to each vantage that asked at ``since`` or later."""
    if not hosts:
        return []
    rows = await connection.fetch(_SHOWN, list(hosts), since)
    return [(row["host"], Shown(row["leaf"], row["since"])) for row in rows]


# By their ids alone: an index of hosts has all that they ever had.
_REPORTED = """
SELECT DISTINCT host, leaf FROM (
    SELECT host, leaf FROM sighting WHERE id > $1 AND id <= $2 OFFSET 0
) AS new WHERE leaf IS NOT NULL AND host = ANY($3)
"""


async def reported_leaves(
    connection: Connection, hosts: Collection[str], after: int, until: int
) -> set[tuple[str, str]]:
    """(host, leaf as ``Hash`` writes it) of sightings of these hosts, by their ids."""
    rows = await connection.fetch(_REPORTED, after, until, list(hosts))
    return {(row["host"], row["leaf"]) for row in rows}


async def newest_sighting(connection: Connection) -> int:
    """Its id; 0 where there is none."""
    return await connection.fetchval("SELECT coalesce(max(id), 0) FROM sighting") or 0
