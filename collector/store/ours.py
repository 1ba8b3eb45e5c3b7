"""What is known of our own keys and releases, as detection reads it: all of it, each a few rows a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from collector.detect.cases import Probing
from collector.detect.served import Rotation, RotationState, ServedChain
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from collector.store.connect import Connection

_KEPT = timedelta(days=400)  # since a chain was last seen
_MOST = 20_000  # rows of each kind


@dataclass(frozen=True, slots=True)
class Ours:
    """``registered``: (project, SHA-256 of the key), project None: in every one. ``shipped``: with the
    project."""

    served: tuple[ServedChain, ...]
    rotations: tuple[Rotation, ...]
    registered: frozenset[tuple[int | None, bytes]]
    shipped: tuple[tuple[int, ShippedPinSet], ...]


_SERVED = """
SELECT host, port, ders, key_type, trusted, problem, first_seen, last_seen FROM served_chain
WHERE last_seen > $1 AND ($3::text IS NULL OR host = $3) ORDER BY last_seen DESC LIMIT $2
"""
_ROTATIONS = """
SELECT id, project, host, at, planned_at, declared_at, declared_by, probed_at, observed_at, old_leaves,
    new_leaves, ders, note, state, ended_at
FROM rotation WHERE at > $1 ORDER BY at DESC LIMIT $2
"""
_SHIPPED = """
SELECT project, host, include_subdomains, app, platform, version_from, version_to, pins, enforced, starts,
    expires, report_uris, default_report_uri, format, source
FROM shipped_pin_set ORDER BY id DESC LIMIT $1
"""


async def read(connection: Connection, now: datetime) -> Ours:
    since = now - _KEPT
    served = await connection.fetch(_SERVED, since, _MOST, None)
    rotations = await connection.fetch(_ROTATIONS, since, _MOST)
    keys = await connection.fetch("SELECT project, spki_sha256 FROM own_key")
    shipped = await connection.fetch(_SHIPPED, _MOST)
    return Ours(
        tuple(_served(row) for row in served if row["ders"]),
        tuple(_rotation(row) for row in rotations),
        frozenset((row["project"], row["spki_sha256"]) for row in keys),
        tuple((row["project"], _shipped(row)) for row in shipped),
    )


def _served(row: asyncpg.Record) -> ServedChain:
    told = {
        name: row[name] for name in ("host", "port", "trusted", "problem", "key_type", "first_seen")
    }
    chain = tuple(certificate_from_der(der) for der in row["ders"])
    return ServedChain(chain=chain, last_seen=row["last_seen"], **told)


def _rotation(row: asyncpg.Record) -> Rotation:
    names = (
        "id", "project", "host", "at", "planned_at", "declared_at", "declared_by", "probed_at",
        "observed_at", "note", "ended_at",
    )  # fmt: skip
    return Rotation(
        **{name: row[name] for name in names},
        state=RotationState(row["state"]),
        old_leaves=frozenset(row["old_leaves"]),
        new_leaves=frozenset(row["new_leaves"]),
        chain=tuple(certificate_from_der(der) for der in row["ders"]),
    )


def _shipped(row: asyncpg.Record) -> ShippedPinSet:
    told = {k: v for k, v in row.items() if k not in ("project", "pins", "report_uris")}
    pins = tuple(Hash.parse(text) for text in row["pins"])
    return ShippedPinSet(pins=pins, report_uris=tuple(row["report_uris"]), **told)


_PROBING = """
SELECT max(at) AS asked_at, bool_and(chain IS NOT NULL) AS well,
    (SELECT min(first_seen) FROM served_chain c WHERE c.host = $1) AS first_seen
FROM probe_state WHERE host = $1
"""


async def probing(connection: Connection, host: str) -> Probing:
    """Well since its first chain, where each way of asking shows one now."""
    row = await connection.fetchrow(_PROBING, host)
    assert row is not None
    return Probing(well_since=row["first_seen"] if row["well"] else None, asked_at=row["asked_at"])


_AGREED = """
SELECT app, app_version, pin_set, count(DISTINCT install) AS installs, count(DISTINCT network) AS networks
FROM (
    SELECT app, app_version, pin_set, install, network FROM sighting
    WHERE project = $1 AND host = $2 AND received_at > $3
    ORDER BY received_at DESC LIMIT 20000
) newest
WHERE pin_set = ANY($4) GROUP BY 1, 2, 3
"""


async def agreed(
    connection: Connection, project: int, host: str, since: datetime, pin_sets: Sequence[bytes]
) -> list[asyncpg.Record]:
    """How many installs of which release said that they hold these pins, of the newest 20,000 sightings."""
    return await connection.fetch(_AGREED, project, host, since, list(pin_sets))
