"""Which hosts become labels, which are proposed, which are still in use: in the flush's transaction."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime

from collector.intake.known import Known, Place
from collector.store import hosts
from collector.store.connect import Connection
from collector.store.rows import Entry, Row

_MOST_CANDIDATES = 20  # hosts of one flush that may be admitted; others get their turn


def are_known(rows: Sequence[Row], known: Known, now: datetime) -> bool:
    """Whether ``admit`` has nothing to do for them."""
    today = now.date()
    places = {(row.project, row.host) for row in rows}
    return all(place in known.admitted and known.is_fresh(place, today) for place in places)


async def admit(
    connection: Connection, fresh: Sequence[Entry], known: Known, now: datetime
) -> tuple[set[Place], list[Hashable]]:
    """(hosts that are admitted now, keys of the rows that were touched).

    Public windows admit nothing: they are claims, and cost nothing to make.
    """
    today = now.date()
    reported = {(e.project, e.host): e for e in fresh if isinstance(e, Row) or e.trusted}
    places = sorted(
        place for place in reported if place in known.admitted and not known.is_fresh(place, today)
    )
    if places:
        await hosts.see(connection, places, today)
    proposals = sorted(
        {
            (e.project, e.host, e.network)
            for e in fresh
            if isinstance(e, Row)
            and not (e.violation.test or e.registered or (e.project, e.host) in known.admitted)
            and not known.is_fresh((e.project, e.host, e.network), today)
        }
    )
    if proposals:
        await hosts.propose(connection, proposals, today)
    return await _admitted(connection, fresh, reported, known, now), [*places, *proposals]


async def _admitted(
    connection: Connection,
    fresh: Sequence[Entry],
    reported: dict[Place, Entry],
    known: Known,
    now: datetime,
) -> set[Place]:
    """After the proposals, which it counts."""
    local = {(e.project, e.host) for e in fresh if (isinstance(e, Row) and e.local) or e.trusted}
    candidates = [
        (place, entry)
        for place, entry in reported.items()
        if place not in known.admitted
        and (entry.registered or entry.matching or entry.open_project)
    ]
    if not candidates:
        return set()
    await hosts.lock(connection)
    # Named hosts first: those never wait for their turn. The others in no order that a sender knows,
    # so that nobody keeps a host back with names that come before it.
    candidates.sort(key=lambda told: (not told[1].registered, told[1].delivery.key))
    return {
        place
        for place, entry in candidates[:_MOST_CANDIDATES]
        if await hosts.admit(
            connection,
            *place,
            now,
            registered=entry.registered,
            matching=entry.matching,
            local=place in local,
        )
    }
