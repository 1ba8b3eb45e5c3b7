"""One batch of rows into Postgres, in one transaction: all of it counts, or none.

Shared rows are touched in the same order by everybody: table by table, and in key order within
one, so that flushes wait for each other and never both ways round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from collector.errors import Reason
from collector.intake.admission import admit
from collector.intake.budget import Take, spending
from collector.intake.caps import AN_HOUR, within_caps
from collector.intake.frames import Frame, frame
from collector.intake.known import Known, Place
from collector.intake.prepare import sample_of
from collector.model import Certificate, Dialect, Kind, ProjectId
from collector.store import (
    connections,
    content,
    deferred,
    deliveries,
    failures,
    signatures,
    violations,
)
from collector.store.connect import Connection
from collector.store.ledger import Account
from collector.store.rows import Entry, Row, Sample, chains

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Flushed:
    """What became of a batch.

    accepted: indexes of the entries that count. gone: of those whose project was deleted a moment
        ago. The others are duplicates.
    samples: connections that are within the caps, for the counters of this process.
    """

    accepted: frozenset[int]
    gone: frozenset[int] = frozenset()
    samples: Sequence[Sample] = ()


async def flush(
    connection: Connection,
    rows: Sequence[Entry],
    counts: Mapping[Account, int],
    batch: UUID,
    known: Known,
    now: datetime,
) -> Flushed:
    """Store entries and the ledger's.

    A violation that is over the row budget, or thin, is only counted: it leaves its delivery, a
    sighting and its part of every sum.

    A batch that was committed before, without our hearing of it, answers as it would have then.
    ``known`` is brought up to date only after the commit.
    Raises what asyncpg raises; then nothing was stored.
    """
    reports = [row for row in rows if isinstance(row, Row)]
    for day in sorted({row.received_at.date() for row in reports} - known.partitions):
        await violations.make_partition(connection, day)
        known.partitions.add(day)
    firsts: dict[bytes, int] = {}
    for index, row in enumerate(rows):
        firsts.setdefault(row.delivery.key, index)  # a repeat within the batch is a duplicate
    learnt: list[Hashable] = []
    admitted: set[Place] = set()
    samples: list[Sample] = []
    async with spending(known.budget) as take, connection.transaction():
        # Projects stay until this commits; what came for one that was deleted is nobody's.
        begun = await deliveries.begin(
            connection,
            batch,
            now,
            [
                (row.delivery, row.received_at, row.project)
                for row in map(rows.__getitem__, firsts.values())
            ],
            sorted({row.project for row in rows}),
        )
        recorded, there = begun.recorded, begun.there
        gone = {key for key, index in firsts.items() if rows[index].project not in there}
        if begun.is_new:
            fresh = [rows[index] for key, index in firsts.items() if key in recorded]
            later = [row for row in fresh if isinstance(row, Row) and row.deferred]
            at_once = [row for row in fresh if not (isinstance(row, Row) and row.deferred)]
            await _defer(connection, later, known)
            new_rows = [row for row in at_once if isinstance(row, Row)]
            content_learnt, whole = await _shared(connection, new_rows, take, known, now)
            samples = await _add_samples(connection, _samples(fresh), known, now)
            admitted, hosts_learnt = await admit(connection, at_once, known, now)
            learnt = [*content_learnt, *hosts_learnt]
            tally = _tally(rows, firsts, recorded, gone, counts)
            await failures.add(connection, new_rows, whole, tally, now)
        else:
            recorded = await deliveries.of_batch(connection, list(firsts), batch)
    known.learn(learnt, now.date())
    known.admitted |= admitted
    return Flushed(
        frozenset(firsts[key] for key in recorded),
        frozenset(index for index, row in enumerate(rows) if row.delivery.key in gone),
        samples,
    )


async def store_violations(
    connection: Connection, rows: Sequence[Row], take: Take, known: Known, now: datetime
) -> list[bytes]:
    """Everything of rows that count but their delivery: content, violations, sightings, sums.

    Returns the shared rows that were touched: known only once the transaction is committed.
    """
    learnt, whole = await _shared(connection, rows, take, known, now)
    await failures.add(connection, rows, whole, {}, now)
    return learnt


async def _shared(
    connection: Connection, rows: Sequence[Row], take: Take, known: Known, now: datetime
) -> tuple[list[bytes], list[bool]]:
    """What rows have in common with others is there: its ids, and which of the rows are stored whole."""
    # What will not be stored as a row needs no content; and then it stays so.
    room = known.budget.has_room
    detailed = [row for row in rows if not row.thin and room(row.signature, row.received_at)]
    learnt = await _add_content(connection, detailed, rows, known, now)
    return learnt, _whole(rows, detailed, take)


async def _defer(connection: Connection, rows: Sequence[Row], known: Known) -> None:
    """Keep them as bytes, as far as there is room; they are delivered, and so count."""
    kept = rows[: max(0, known.deferred_room)]
    known.deferred_room -= len(kept)  # by and by it is counted again
    await deferred.add(connection, kept, [frame(Frame(_NOBODY, [row], {})) for row in kept])


def _samples(fresh: Sequence[Entry]) -> list[Sample]:
    """Windows, and what failed in NEL: both sides of a ratio are of the same connections."""
    samples = []
    for entry in fresh:
        if isinstance(entry, Sample):
            samples.append(entry)
        elif entry.dialect is Dialect.NEL and entry.violation.kind is Kind.PIN_MISMATCH:
            samples.append(sample_of(entry))
    return samples


async def _add_samples(
    connection: Connection, samples: Sequence[Sample], known_hosts: Known, now: datetime
) -> list[Sample]:
    """Store them; those that count."""
    public = [sample for sample in samples if not sample.trusted]
    known: dict[tuple[ProjectId, str, bytes], list[tuple[datetime, datetime]]] = {}
    networks: dict[tuple[ProjectId, str, bytes], int] = {}
    if public:
        wanted = sorted({sample.network for sample in public})
        await connections.lock_networks(connection, wanted)
        installs = sorted({sample.install for sample in public})
        start, end = min(s.starts for s in public), max(s.ends for s in public)
        for row in await connections.counted_of(connection, installs, start, end):
            place = (row["project"], row["host"], row["install"])
            known.setdefault(place, []).append((row["starts"], row["ends"]))
        networks = await connections.by_network(connection, wanted, now - AN_HOUR)
    counted = within_caps(samples, known_hosts.admitted, known, networks)
    await connections.add(connection, samples, counted)
    return [sample for sample, counts in zip(samples, counted, strict=True) if counts]


def _tally(
    rows: Sequence[Entry],
    firsts: Mapping[bytes, int],
    recorded: set[bytes],
    gone: set[bytes],
    counts: Mapping[Account, int],
) -> Counter[Account]:
    found: Counter[tuple[ProjectId, Dialect, str]] = Counter()
    for index, row in enumerate(rows):
        key = row.delivery.key
        result = "duplicate"
        if key in gone:
            result = "gone"
        elif key in recorded and firsts[key] == index:
            result = "accepted"
        found[row.project, row.dialect, result] += 1
    tally = Counter(counts)
    for (project, dialect, result), items in found.items():
        if result == "gone":
            account = Account(None, dialect.value, "rejected", Reason.UNKNOWN_KEY)
        else:
            account = Account(project, dialect.value, result)
        tally[account] += items
        tally[Account(account.project, "", "received")] += items
    return tally


async def _add_content(
    connection: Connection, rows: Sequence[Row], reports: Sequence[Row], known: Known, now: datetime
) -> list[bytes]:
    """Certificates, chains, pin sets of rows, and signatures of all reports, that are new today. Returns
    their ids."""
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
        row.signature: row for row in reversed(reports) if not known.is_fresh(row.signature, today)
    }
    await content.add(connection, certificates, new_chains, pin_sets, now, today)
    await signatures.add(connection, new_signatures)
    return [*certificates, *new_chains, *pin_sets, *new_signatures]


def _whole(rows: Sequence[Row], detailed: Sequence[Row], take: Take) -> list[bool]:
    """Which of the rows are stored whole. detailed: those of them that may be, in the same order."""
    has_room = take([row.signature for row in detailed], [row.received_at for row in detailed])
    if len(detailed) == len(rows):
        return has_room
    kept = {id(row) for row, has in zip(detailed, has_room, strict=True) if has}
    return [id(row) in kept for row in rows]
