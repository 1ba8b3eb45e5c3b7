"""One batch of rows into Postgres, in one transaction: all of it counts, or none.

Shared rows are touched in the same order by everybody: table by table, and in key order within
one, so that flushes wait for each other and never both ways round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from collector.model import Certificate, ProjectId
from collector.store import (
    content,
    deliveries,
    hosts,
    ledger,
    sightings,
    signatures,
    violations,
)
from collector.store.connect import Connection
from collector.store.ledger import Account
from collector.store.rows import Row, chains

_MOST_CANDIDATES = 20  # hosts of one flush that may be admitted; others get their turn
_MOST_KNOWN = 50_000  # shared rows remembered, by id; forgotten all at once


@dataclass(slots=True)
class Known:
    """What this process knows to be in Postgres: saves asking, never decides.

    ``touched``: shared rows by id, with the day they were last touched.
    """

    touched: dict[bytes, date] = field(default_factory=dict)
    partitions: set[date] = field(default_factory=set)
    admitted: set[tuple[ProjectId, str]] = field(default_factory=set)

    def is_fresh(self, id_: bytes, today: date) -> bool:
        return self.touched.get(id_) == today

    def learn(self, ids: Sequence[bytes], today: date) -> None:
        if len(self.touched) > _MOST_KNOWN:
            self.touched.clear()
        self.touched.update(dict.fromkeys(ids, today))


async def flush(
    connection: Connection,
    rows: Sequence[Row],
    counts: Mapping[Account, int],
    batch: UUID,
    known: Known,
    now: datetime,
) -> frozenset[int]:
    """Store rows and ledger entries; the indexes of the rows that count, others are duplicates.

    A batch that was committed before, without our hearing of it, answers as it would have then.
    ``known`` is brought up to date only after the commit.
    Raises what asyncpg raises; then nothing was stored.
    """
    for day in sorted({row.received_at.date() for row in rows} - known.partitions):
        await violations.make_partition(connection, day)
        known.partitions.add(day)
    firsts: dict[bytes, int] = {}
    for index, row in enumerate(rows):
        firsts.setdefault(row.delivery.key, index)  # a repeat within the batch is a duplicate
    learnt: list[bytes] = []
    admitted: set[tuple[ProjectId, str]] = set()
    async with connection.transaction():
        if await deliveries.begin_batch(connection, batch, now):
            learnt = await _add_content(connection, rows, known, now)
            new = [(rows[index].delivery, rows[index].received_at) for index in firsts.values()]
            recorded = await deliveries.record(connection, new, batch) if new else set()
            fresh = [rows[index] for key, index in firsts.items() if key in recorded]
            await violations.add(connection, fresh)
            await sightings.add(connection, fresh)
            await signatures.append(connection, _deltas(fresh))
            admitted = await _admit(connection, fresh, known, now)
            await ledger.append(connection, _tally(rows, firsts, recorded, counts), now)
        else:
            recorded = await deliveries.of_batch(connection, list(firsts), batch)
    known.learn(learnt, now.date())
    known.admitted |= admitted
    return frozenset(firsts[key] for key in recorded)


def _tally(
    rows: Sequence[Row],
    firsts: Mapping[bytes, int],
    recorded: set[bytes],
    counts: Mapping[Account, int],
) -> Counter[Account]:
    tally = Counter(counts)
    for index, row in enumerate(rows):
        counts_now = row.delivery.key in recorded and firsts[row.delivery.key] == index
        result = "accepted" if counts_now else "duplicate"
        tally[Account(row.project, row.violation.dialect.value, result)] += 1
        tally[Account(row.project, "", "received")] += 1
    return tally


async def _add_content(
    connection: Connection, rows: Sequence[Row], known: Known, now: datetime
) -> list[bytes]:
    """Certificates, chains, pin sets, signatures that are new today. Returns their ids."""
    today = now.date()
    new_chains = {k: v for k, v in chains(rows).items() if not known.is_fresh(k, today)}
    certificates: dict[bytes, Certificate] = {}
    for chain in new_chains.values():
        for slot in chain:
            if slot.certificate and not known.is_fresh(slot.certificate.sha256, today):
                certificates[slot.certificate.sha256] = slot.certificate
    pin_sets = {
        row.pin_set: row.violation.known_pins
        for row in rows
        if not known.is_fresh(row.pin_set, today)
    }
    new_signatures = {
        row.signature: row for row in reversed(rows) if not known.is_fresh(row.signature, today)
    }
    await content.add_certificates(connection, certificates, now, today)
    await content.add_chains(connection, new_chains, now, today)
    await content.add_pin_sets(connection, pin_sets, now, today)
    await signatures.add(connection, new_signatures)
    return [*certificates, *new_chains, *pin_sets, *new_signatures]


def _deltas(rows: Sequence[Row]) -> dict[bytes, tuple[datetime, int]]:
    deltas: dict[bytes, tuple[datetime, int]] = {}
    for row in rows:
        last, count = deltas.get(row.signature, (row.received_at, 0))
        deltas[row.signature] = (max(last, row.received_at), count + 1)
    return deltas


async def _admit(
    connection: Connection, rows: Sequence[Row], known: Known, now: datetime
) -> set[tuple[ProjectId, str]]:
    """Hosts of these rows that are admitted now. After the sightings, which it counts."""
    candidates: dict[tuple[ProjectId, str], list[Row]] = {}
    for row in rows:
        place = (row.project, row.host)
        wanted = row.registered or row.matching or row.open_project
        room = place in candidates or len(candidates) < _MOST_CANDIDATES
        if wanted and room and place not in known.admitted:
            candidates.setdefault(place, []).append(row)
    admitted = set()
    if candidates:
        await hosts.lock(connection)
    for (project, host), reported in sorted(candidates.items(), key=lambda entry: entry[0]):
        if await hosts.admit(
            connection,
            project,
            host,
            now,
            registered=reported[0].registered,
            matching=reported[0].matching,
            local=any(row.local for row in reported),
        ):
            admitted.add((project, host))
    return admitted
