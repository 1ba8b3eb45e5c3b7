"""One batch of rows into Postgres, in one transaction: all of it counts, or none.

Shared rows are touched in the same order by everybody: table by table, and in key order within
one, so that flushes wait for each other and never both ways round.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from collector.fingerprint import Grade
from collector.intake.admission import admit, are_known
from collector.intake.budget import Slot, Take, hour_of, spending
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
from collector.store.content import NOTHING, Content
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
    careful = known.recent.is_careful
    try:
        return await _flush(connection, rows, counts, batch, known, now, careful=careful)
    except failures.NotOnTrustError as error:
        known.recent.beware(error.keys)
    return await _flush(connection, rows, counts, batch, known, now, careful=True)


async def _flush(
    connection: Connection,
    rows: Sequence[Entry],
    counts: Mapping[Account, int],
    batch: UUID,
    known: Known,
    now: datetime,
    *,
    careful: bool,
) -> Flushed:
    for day in sorted(
        {r.received_at.date() for r in rows if isinstance(r, Row)} - known.partitions
    ):
        await violations.make_partition(connection, day)
        known.partitions.add(day)
    firsts: dict[bytes, int] = {}
    repeats: Counter[tuple[ProjectId, Dialect]] = Counter()
    for index, row in enumerate(rows):
        if firsts.setdefault(row.delivery.key, index) != index:
            repeats[row.project, row.dialect] += 1  # within the batch, and so a duplicate
    entries = []
    was_stored = known.recent.has
    for index in firsts.values():
        row = rows[index]
        if was_stored(row.delivery.key, row.received_at):
            repeats[row.project, row.dialect] += 1
        else:
            entries.append(row)
    at_once = [row for row in entries if isinstance(row, Row) and not row.deferred]
    others = [row for row in entries if not isinstance(row, Row) or row.deferred]
    detailed = _detailed(at_once, known, now.date())
    new = _new_content(detailed, known, now.date())
    is_more = bool(
        others
        or _samples(at_once)
        or _new_signatures(at_once, known, now.date())
        or not are_known(at_once, known, now)
    )
    more = _More()
    with known.recent.storing([row.delivery.key for row in entries]) as is_shared:
        async with spending(known.budget) as take, _transaction(connection, is_more):
            has_room = _room(detailed, take)
            whole = _whole(at_once, detailed, has_room, new)
            told = await failures.deliver(
                connection, batch, now, at_once, whole, others, repeats, counts, new, known.usual,
                careful=careful or is_shared,
            )  # fmt: skip
            recorded = told.recorded
            if not told.is_new:
                recorded = await deliveries.of_batch(connection, list(firsts), batch)
            elif is_more:
                fresh = [row for row in entries if row.delivery.key in recorded]
                more = await _add_more(connection, fresh, known, now)
    known.budget.give_back(_unused(detailed, has_room, recorded))
    if told.is_new:
        _remember(entries, told, known, expected=is_shared)
    if told.is_new and recorded:
        known.learn(new.ids, now.date())
    known.learn(more.touched, now.date())
    known.admitted |= more.admitted
    return Flushed(
        frozenset(firsts[key] for key in recorded),
        frozenset(index for index, row in enumerate(rows) if row.project not in told.there),
        more.samples,
    )


def _remember(
    entries: Sequence[Entry], told: failures.Delivered, known: Known, *, expected: bool
) -> None:
    """What is there from now on, and what was: of a weak one that was, the time is not known. expected: that some
    were there."""
    there = {
        row.delivery.key: row.received_at
        for row in entries
        if row.delivery.key in told.recorded
        or (row.delivery.grade is Grade.STRONG and row.project in told.there)
    }
    surprises = sum(row.project in told.there for row in entries) - len(told.recorded)
    known.recent.learn(there, surprises=0 if expected else surprises)


def _transaction(
    connection: Connection, is_more: bool
) -> contextlib.AbstractAsyncContextManager[object]:
    """One statement is a transaction by itself, and spares two round trips that requests wait for."""
    return connection.transaction() if is_more else contextlib.nullcontext()


async def store_violations(
    connection: Connection, rows: Sequence[Row], take: Take, known: Known, now: datetime
) -> list[bytes]:
    """Everything of rows that count but their delivery: content, violations, sightings, sums.

    Returns the shared rows that were touched: known only once the transaction is committed.
    """
    detailed = _detailed(rows, known, now.date())
    new = _new_content(detailed, known, now.date())
    await content.add(connection, new, now, now.date())
    touched = await _add_signatures(connection, rows, known, now.date())
    whole = _whole(rows, detailed, _room(detailed, take), new)
    await failures.add(connection, rows, whole, known.usual)
    return [*new.ids, *touched]


@dataclass(frozen=True, slots=True)
class _More:
    """What else entries of a batch left. touched: keys of shared rows."""

    samples: Sequence[Sample] = ()
    admitted: AbstractSet[Place] = frozenset()
    touched: Sequence[Hashable] = ()


async def _add_more(
    connection: Connection, fresh: Sequence[Entry], known: Known, now: datetime
) -> _More:
    reports = [row for row in fresh if isinstance(row, Row)]
    await _defer(connection, [row for row in reports if row.deferred], known)
    at_once = [row for row in reports if not row.deferred]
    touched = await _add_signatures(connection, at_once, known, now.date())
    samples = await _add_samples(connection, _samples(fresh), known, now)
    counted = [row for row in fresh if not (isinstance(row, Row) and row.deferred)]
    admitted, hosts_touched = await admit(connection, counted, known, now)
    return _More(samples, admitted, [*touched, *hosts_touched])


def _unused(
    detailed: Sequence[Row], has_room: Sequence[bool], recorded: AbstractSet[bytes]
) -> Counter[Slot]:
    """Room that was taken for what turned out to be a duplicate: the next batch has it."""
    return Counter(
        (row.signature, hour_of(row.received_at))
        for row, has in zip(detailed, has_room, strict=True)
        if has and row.delivery.key not in recorded
    )


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
    connection: Connection, samples: Sequence[Sample], known: Known, now: datetime
) -> list[Sample]:
    """Store them; those that count."""
    public = [sample for sample in samples if not sample.trusted]
    stretches: Mapping[tuple[ProjectId, str, bytes], Sequence[tuple[datetime, datetime]]] = {}
    networks: Mapping[tuple[ProjectId, str, bytes], int] = {}
    if public:
        wanted = sorted({sample.network for sample in public})
        await connections.lock_networks(connection, wanted)
        stretches, networks = await connections.counted(
            connection,
            sorted({sample.install for sample in public}),
            min(sample.starts for sample in public),
            max(sample.ends for sample in public),
            wanted,
            now - AN_HOUR,
        )
    counted = within_caps(samples, known.admitted, stretches, networks)
    await connections.add(connection, samples, counted)
    return [sample for sample, counts in zip(samples, counted, strict=True) if counts]


def _detailed(rows: Sequence[Row], known: Known, today: date) -> list[Row]:
    """Those that may be stored as rows. What will not be needs no content; and then it stays so. The first with
    a chain or a pin set that is new today is one, whatever the budget says: a storm of one fault shall not hide
    the next, and there are caps on what is new."""
    room = known.budget.has_room
    return [
        row for row in rows
        if not row.thin
        and (
            room(row.signature, row.received_at)
            or not all(known.is_fresh(id_, today) for id_ in _content_ids(row))
        )
    ]  # fmt: skip


def _content_ids(row: Row) -> tuple[bytes, bytes, bytes]:
    return row.pin_set, row.validated_chain or row.pin_set, row.served_chain or row.pin_set


def _new_content(detailed: Sequence[Row], known: Known, today: date) -> Content:
    """Certificates, chains and pin sets of rows that are new today. Of more than are stored in the end: what is
    over the budget in between, or a duplicate, leaves what nobody refers to, and goes as all such does."""
    ids: set[bytes] = set()
    for row in detailed:
        ids.update(_content_ids(row))
    if all(known.is_fresh(id_, today) for id_ in ids):
        return NOTHING
    new_chains = {k: v for k, v in chains(detailed).items() if not known.is_fresh(k, today)}
    certificates: dict[bytes, Certificate] = {}
    for chain in new_chains.values():
        for slot in chain:
            if slot.certificate and not known.is_fresh(slot.certificate.sha256, today):
                certificates[slot.certificate.sha256] = slot.certificate
    pin_sets = {
        row.pin_set: row.violation.known_pins
        for row in detailed
        if not known.is_fresh(row.pin_set, today)
    }
    return Content(certificates, new_chains, pin_sets)


def _new_signatures(reports: Sequence[Row], known: Known, today: date) -> dict[bytes, Row]:
    """Those that are new today, with the first report of each."""
    return {
        row.signature: row for row in reversed(reports) if not known.is_fresh(row.signature, today)
    }


async def _add_signatures(
    connection: Connection, reports: Sequence[Row], known: Known, today: date
) -> list[bytes]:
    """Returns the ids of those that were added or touched."""
    new = _new_signatures(reports, known, today)
    await signatures.add(connection, new)
    return list(new)


def _room(detailed: Sequence[Row], take: Take) -> list[bool]:
    return take([row.signature for row in detailed], [row.received_at for row in detailed])


def _whole(
    rows: Sequence[Row], detailed: Sequence[Row], has_room: list[bool], new: Content
) -> list[bool]:
    """Which of the rows are stored whole. detailed: those of them that may be, in the same order."""
    if new and not all(has_room):
        has_room = _bringing(new, detailed, has_room)
    if len(detailed) == len(rows):
        return has_room
    kept = {id(row) for row, has in zip(detailed, has_room, strict=True) if has}
    return [id(row) in kept for row in rows]


def _bringing(new: Content, detailed: Sequence[Row], has_room: Sequence[bool]) -> list[bool]:
    """And the first to bring each new chain and pin set, where none with room does."""
    missing = {*new.chains, *new.pin_sets}
    for row, has in zip(detailed, has_room, strict=True):
        if has:
            missing.difference_update(_content_ids(row))
    whole = []
    for row, has in zip(detailed, has_room, strict=True):
        whole.append(has or not missing.isdisjoint(_content_ids(row)))
        missing.difference_update(_content_ids(row))
    return whole
