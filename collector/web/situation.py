"""What is known of a signature when somebody asks what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from collector.detect.served import served_before
from collector.detect.steps import Situation
from collector.model import Hash, ProjectId
from collector.store import pin_sets, reported, served, timeline
from collector.store.connect import Connection

NOW = timedelta(hours=1)  # a chain that was seen since is served now
_CHAINS = 20
_SIGHTINGS = timedelta(days=7)
_MANY = 3  # networks; more of them are no single company's


@dataclass(frozen=True, slots=True)
class Reached:
    """Installs that reported a signature, within 7 days before it was last seen."""

    installs: int
    networks: int
    operators: int
    shares: Mapping[str, float]  # by pin: of the installs that hold it, 0 to 1


async def reached(connection: Connection, row: asyncpg.Record) -> Reached:
    """row: of ``signatures.one``."""
    rows = await timeline.holders(
        connection, ProjectId(row["project_id"]), row["host"], row["last_seen"] - _SIGHTINGS, row["id"]
    )  # fmt: skip
    if not rows:
        return Reached(0, 0, 0, {})
    whole = rows[0]
    known = await reported.pin_sets(connection, {r["pin_set"] for r in rows if r["pin_set"]})
    held: dict[str, int] = {}
    for one in rows[1:]:
        for pin in known.get(one["pin_set"], ()):
            held[str(pin)] = held.get(str(pin), 0) + one["installs"]
    # An install that changed its pins is in two sets.
    shares = {pin: min(1.0, count / whole["installs"]) for pin, count in held.items()}
    return Reached(whole["installs"], whole["networks"], whole["operators"], shares)


async def situation(
    connection: Connection,
    row: asyncpg.Record,
    label: str,
    evidence: Sequence[Mapping[str, Any]],
    examples: Sequence[Mapping[str, Any]],
    told: Reached,
    now: datetime,
) -> Situation:
    """evidence: of its judgement. examples: violations of it, for their dialects and versions."""
    chains = await served.of_host(connection, row["host"], now - timedelta(days=30), _CHAINS)
    proven = await pin_sets.proven(connection, ProjectId(row["project_id"]))
    in_use = {str(Hash("sha256", c.spki_sha256)) for one in chains for c in one.chain}
    versions = {one["app_version"] for one in examples if one["app_version"]}
    return Situation(
        host=row["host"],
        label=label,
        previous_until=served_before(chains, told.shares),
        backups=tuple((pin, share) for pin, share in told.shares.items() if pin not in in_use),
        proven=frozenset(map(str, proven)),
        dialects={one["dialect"] for one in examples},
        version=versions.pop() if len(versions) == 1 else None,
        products=tuple(str(one["value"]) for one in evidence if one["fact"] == "calls_itself"),
        many_networks=told.networks > _MANY,
        may_mute=told.networks <= _MANY,
    )
