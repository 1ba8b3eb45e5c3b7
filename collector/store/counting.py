"""Sightings that wait to be counted, and installs that were. Each function is one step of a transaction
that holds the lock: one process counts at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from collector.detect.classes import Class
from collector.detect.counting import AGAIN, Before, Counted, Sighting, capping
from collector.store.connect import Connection
from collector.store.rows import columns

# In the order of ``Sighting``'s fields.
_SIGHTING = """id, project, host, kind, install, estimated, leaf, signature, network, operator_network,
    received_at, environment, app, app_version, platform, pin_set, chain, silenced, failed_at,
    class"""


async def hold(connection: Connection) -> bool:
    """Until the transaction ends nobody else counts; False: somebody does."""
    lock = "SELECT pg_try_advisory_xact_lock(hashtext('pinfall.count'))"
    return bool(await connection.fetchval(lock))


async def stop(connection: Connection) -> None:
    """Nobody counts from here until the transaction ends, and who did has committed."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('pinfall.count'))")


# A row that waits names what one flush stored. Some of these are gone before they are counted. By their
# places: what was emptied a moment ago is believed to be empty, and joined row by row with what is read anew
# for each of them.
WAITING = f"""
WITH first AS (
    SELECT ctid, sum(cardinality(sightings)) OVER (ORDER BY id) - cardinality(sightings) AS before
    FROM (SELECT ctid, * FROM waiting ORDER BY id LIMIT $1) AS oldest
), taken AS (
    DELETE FROM waiting WHERE ctid = ANY(ARRAY(SELECT ctid FROM first WHERE before < $1))
    RETURNING sightings
)
SELECT {_SIGHTING} FROM sighting WHERE id = ANY(ARRAY(SELECT unnest(sightings) FROM taken)) ORDER BY id
"""  # noqa: S608 (names of our own)


async def waiting(connection: Connection, most: int) -> list[Sighting]:
    """Some, oldest first: those of flushes until there are ``most``. They do not wait any more."""
    return [_sighting(row) for row in await connection.fetch(WAITING, most)]


def _sighting(row: asyncpg.Record) -> Sighting:
    return Sighting(*row)


_CLASSED = """
UPDATE sighting SET class = given.class
FROM unnest($1::bigint[], $2::text[]) AS given(id, class)
WHERE sighting.id = given.id
"""


async def classed(connection: Connection, classes: Mapping[int, Class]) -> None:
    if classes:
        told = [class_.value for class_ in classes.values()]
        await connection.execute(_CLASSED, list(classes), told)


_INSTALLS = """
SELECT id, project, host, class, install, at FROM counted_install
WHERE install = ANY($1) AND at > $2 AND at < $3
"""
_NETWORKS = """
SELECT project, host, class, network, at FROM counted_install
WHERE network = ANY($1) AND at > $2 AND at < $3 AND within_cap
"""


async def before(connection: Connection, classed: Sequence[tuple[Sighting, Class]]) -> Before:
    """What is counted of the same installs, around these, and of the networks whose caps matter."""
    told = Before()
    sightings = [one for one, _ in classed if one.counts]
    if not sightings:
        return told
    first = min(one.received_at for one in sightings) - AGAIN
    last = max(one.received_at for one in sightings) + AGAIN
    installs = {one.install for one in sightings}
    for row in await connection.fetch(_INSTALLS, list(installs), first, last):
        place = row["project"], row["host"], Class(row["class"])
        told.add(place, row["install"], b"", row["at"], row["id"], within_cap=False)
    networks = capping(classed, told)
    for row in await connection.fetch(_NETWORKS, list(networks), first, last):
        place = row["project"], row["host"], Class(row["class"])
        told.networks.setdefault((place, row["network"]), []).append(row["at"])
    return told


# Values of the table's own row type: one a row, where the driver would look closely at each of one a column.
_ADD = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, leaf, app, app_version, platform, failed_at)
SELECT project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, leaf, app, app_version, platform, failed_at
FROM unnest($1::counted_install[])
"""


async def add(
    connection: Connection, counted: Sequence[Counted], moved: Sequence[int] = ()
) -> None:
    """moved: rows that go."""
    if moved:
        await connection.execute("DELETE FROM counted_install WHERE id = ANY($1)", list(moved))
        await taken_back(connection)
    if not counted:
        return
    rows = [
        (  # in the order of the table's columns
            None, s.project, s.host, one.class_.value, s.install, s.estimated, s.received_at, one.within_cap,
            s.network, s.operator_network, s.signature, s.leaf, s.app, s.app_version, s.platform,
            s.failed_at,
        )
        for one in counted
        for s in (one.sighting,)
    ]  # fmt: skip
    await connection.execute(_ADD, rows)


# Each host that was reported by the index of (project, host, received_at); those that are not admitted, too.
_OTHERS = """
SELECT received_at, id FROM (
    SELECT project, host FROM signature WHERE last_seen >= $1 UNION SELECT project, host FROM rollup_delta
) AS place CROSS JOIN LATERAL (
    SELECT received_at, id FROM sighting
    WHERE project = place.project AND host = place.host AND received_at >= $1 AND class <> 'self'
        AND leaf = ANY($3)
) AS there
WHERE (received_at, id) > ($1, $2) ORDER BY received_at, id LIMIT $4
"""


async def others(
    connection: Connection, after: tuple[datetime, int], leaves: Collection[str], most: int
) -> list[tuple[datetime, int]]:
    """Sightings of these leaves that were counted as somebody else's, oldest first: when, and which."""
    rows = await connection.fetch(_OTHERS, *after, list(leaves), most)
    return [(row["received_at"], row["id"]) for row in rows]


_AGAIN = f"""
SELECT {_SIGHTING} FROM sighting WHERE id = ANY($1) AND class <> 'self' FOR UPDATE
"""  # noqa: S608


async def again(connection: Connection, ids: Sequence[int]) -> list[tuple[Sighting, Class]]:
    """Those with the class that they were counted in."""
    told = map(_sighting, await connection.fetch(_AGAIN, list(ids)))
    return [(one, Class(one.class_)) for one in told if one.class_]


_WITHDRAW = """
DELETE FROM counted_install c
USING unnest($1::int[], $2::text[], $3::text[], $4::bytea[], $5::timestamptz[])
    AS given(project, host, class, install, at)
WHERE c.install = given.install AND c.at = given.at AND c.project = given.project
    AND c.host = given.host AND c.class = given.class
"""


async def withdraw(connection: Connection, told: Sequence[tuple[Sighting, Class]]) -> None:
    """What was counted of these sightings, in these classes, is not any more."""
    if told:
        rows = [(s.project, s.host, c.value, s.install, s.received_at) for s, c in told]
        await connection.execute(_WITHDRAW, *columns(rows))
        await taken_back(connection)


async def taken_back(connection: Connection) -> None:
    """Tell it to those who read only what is new, in the transaction in which it is."""
    await connection.execute("INSERT INTO taken_back DEFAULT VALUES")


async def newest_taken_back(connection: Connection) -> int:
    """While the lock is held, another number than before says that some were."""
    newest: int = await connection.fetchval("SELECT coalesce(max(id), 0) FROM taken_back")
    return newest


async def judge_again(connection: Connection, signatures: Collection[bytes]) -> None:
    """Their causes are worked out anew in the next round."""
    if signatures:
        again = "UPDATE signature SET cause_at = NULL WHERE id = ANY($1)"
        await connection.execute(again, sorted(signatures))


_NETWORKLESS = """
UPDATE counted_install SET network = '', operator_network = ''
WHERE id IN (SELECT id FROM counted_install WHERE at < $1 AND network <> '' LIMIT $2)
"""
_OLD = """
DELETE FROM counted_install WHERE id IN (SELECT id FROM counted_install WHERE at < $1 LIMIT $2)
"""


async def forget_before(
    connection: Connection, networks: datetime, installs: datetime, most: int
) -> bool:
    """Hashes of networks go first, installs long after, some of each; whether there may be more. Both are
    older than whatever is read anew."""
    await connection.execute("DELETE FROM taken_back WHERE at < $1", networks)
    gone = [
        int((await connection.execute(statement, at, most)).rpartition(" ")[2])
        for statement, at in ((_NETWORKLESS, networks), (_OLD, installs))
    ]
    return max(gone) == most
