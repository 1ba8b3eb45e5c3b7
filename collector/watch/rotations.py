"""Each minute: what probes and reports add to the timelines of hosts, and what has become of plans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from collector.detect.changes import INSTALLS, OPERATOR_NETWORKS, Reported
from collector.detect.rotations import timeline
from collector.detect.served import Rotation, ServedChain
from collector.model import Certificate
from collector.reports.certificates import facts
from collector.store import changing, rotations
from collector.store.changing import Unknown

log = structlog.get_logger()

REPORTED = timedelta(hours=24)
BEGAN = timedelta(days=30)  # new leaves that were first seen before are known, or not looked for
_KNOWN = 2 * BEGAN  # every rotation that such a leaf can belong to
# Whether a reported chain, leaf first, leads to a public root, for a host at a time.
Trusts = Callable[[Sequence[Certificate], str, datetime], bool]


async def look_for_rotations(
    pool: asyncpg.Pool, now: datetime, trusts: Trusts
) -> dict[tuple[str, str], datetime]:
    """One round; safe where several processes do it. Returns when the last rotation was, by host and
    source, as the metric tells it."""
    async with pool.acquire() as connection:
        unknown = await changing.unknown_leaves(
            connection, now - REPORTED, installs=INSTALLS, operator_networks=OPERATOR_NETWORKS
        )
    # Off the event loop, as timelines are: a chain may be made so that it costs, and hosts are many.
    reported = await asyncio.to_thread(_reported, unknown, trusts)
    changed = 0
    async with pool.acquire() as connection, connection.transaction():
        await rotations.lock(connection)
        known = await rotations.alive(connection, now - _KNOWN)
        chains = await changing.served(connection, now - BEGAN, known.keys())
        told = await asyncio.to_thread(_timelines, known, chains, reported, now)
        for host, after in told.items():
            changed += await rotations.write(connection, known.get(host, []), after, now)
        await rotations.forget_before(connection, now - rotations.KEPT)
        newest = await rotations.newest(connection, now)
    if changed:
        log.info("rotations.changed", rotations=changed)
    return newest


def _timelines(
    known: Mapping[str, list[Rotation]],
    chains: Mapping[str, list[ServedChain]],
    reported: Mapping[str, list[Reported]],
    now: datetime,
) -> dict[str, list[Rotation]]:
    """Of hosts where something changed."""
    told = {}
    for host in sorted({*known, *chains, *reported}):
        before = known.get(host, [])
        after = timeline(
            before, chains.get(host, []), reported.get(host, []), host, now, now - BEGAN
        )
        if after != before:
            told[host] = after
    return told


def _reported(unknown: Sequence[Unknown], trusts: Trusts) -> dict[str, list[Reported]]:
    found: dict[str, list[Reported]] = {}
    for each in unknown:
        chains = [chain for chain in each.chains if chain and chain[0].spki_sha256 == each.leaf]
        good = next((c for c in chains if trusts(c, each.host, each.first_seen)), None)
        if good is None:
            continue
        not_before = facts(good[0].der).not_before
        row = Reported(
            leaf=each.leaf,
            installs=each.installs,
            operator_networks=each.operator_networks,
            first_seen=each.first_seen,
            not_before=not_before.astimezone(UTC) if not_before else None,
            trusted=True,
        )
        found.setdefault(each.host, []).append(row)
    return found
