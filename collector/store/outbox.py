"""What channels are owed: written with the alert, claimed, sent, settled.

Rows of one thread and channel go out in the order in which they were written: the next one waits until
the one before it was sent, given up or superseded. A claim ends by itself, so a crash between claim and
settling repeats a send and never skips one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.alert import Alert, Event, Message, from_json, to_text
from collector.store import lease
from collector.store.connect import Connection

TOGETHER = timedelta(minutes=10)  # alerts of one host that fire so close are one page
_ERROR = 200  # characters
_KEPT = timedelta(days=30)
_STALE = timedelta(days=7)  # what waits so long has no channel any more


@dataclass(frozen=True, slots=True)
class Owed:
    """To a channel. ``joins``: one page a host. ``keyed``: its receiver keeps incidents by their keys,
    so it is told of what joined, and pages again only once the incident was closed."""

    channel: str
    joins: bool = False
    keyed: bool = False


@dataclass(frozen=True, slots=True)
class Claimed:
    """``tries``: sends that were begun, this one included."""

    id: int
    message: Message
    tries: int


_PUT = """
INSERT INTO delivery_out (alert, channel, event, thread, body, state, created_at, due_at, ended_at, epoch)
VALUES ($1, $2, $3, $4, $5::jsonb, $6::text, $7::timestamptz, $7,
    CASE WHEN $6::text = 'waiting' THEN NULL ELSE $7::timestamptz END,
    COALESCE($8, (SELECT epoch FROM watcher_lease), 0))
"""
_OWN_THREAD = """
SELECT thread, event FROM delivery_out WHERE alert = $1 AND channel = $2 ORDER BY id DESC LIMIT 1
"""


async def put(
    connection: Connection,
    alert: Alert,
    event: Event,
    owed: Sequence[Owed],
    *,
    epoch: int | None,
    now: datetime,
) -> None:
    """In the transaction that wrote the alert, and after that. epoch None: a person's doing.

    Raises StaleEpochError.
    """
    if epoch is not None:
        await lease.hold(connection, epoch)
    body = to_text(alert)
    for one in owed:
        last = await connection.fetchrow(_OWN_THREAD, alert.id, one.channel)
        pages = event in (Event.FIRED, Event.BECAME_PAGE)
        if last is not None:
            thread = last["thread"]
        else:
            joined = await _page_of_host(connection, alert, one, now) if pages else None
            thread = joined or alert.dedup_key
        state = "waiting"
        if last is None and pages and thread != alert.dedup_key and not one.keyed:
            state = "joined"
        elif event is Event.RESOLVED and await _goes_on(connection, alert, one.channel, thread):
            state = "joined"  # whoever was paged hears of the end once all of it is over
        told = [(event, state)]
        if one.keyed and pages and last is not None and last["event"] != Event.RESOLVED:
            told.insert(0, (Event.RESOLVED, state))  # an open incident would swallow the new page
        for what, how in told:
            await connection.execute(
                _PUT, alert.id, one.channel, what, thread, body, how, now, epoch
            )


_PAGE_OF_HOST = """
SELECT d.thread FROM delivery_out d JOIN alert a ON a.id = d.alert
WHERE d.channel = $1 AND a.host = $2 AND a.audience = $3 AND a.id <> $4
AND a.state = 'firing' AND a.severity = 'page' AND EXISTS (
    SELECT FROM delivery_out first
    WHERE first.thread = d.thread AND first.channel = d.channel AND first.event IN ('fired', 'became_page')
    AND first.state IN ('waiting', 'sent') AND first.created_at > $5
)
ORDER BY d.id LIMIT 1
"""


async def _page_of_host(
    connection: Connection, alert: Alert, one: Owed, now: datetime
) -> str | None:
    if not one.joins:
        return None
    thread: str | None = await connection.fetchval(
        _PAGE_OF_HOST, one.channel, alert.host, alert.audience, alert.id, now - TOGETHER
    )
    return thread


_GOES_ON = """
SELECT EXISTS (
    SELECT FROM delivery_out d JOIN alert a ON a.id = d.alert
    WHERE d.thread = $1 AND d.channel = $2 AND a.id <> $3 AND a.state = 'firing'
)
"""


async def _goes_on(connection: Connection, alert: Alert, channel: str, thread: str) -> bool:
    return bool(await connection.fetchval(_GOES_ON, thread, channel, alert.id))


# Nobody is woken for what is over: the message of its end says when it began. Of several changes that
# wait the last one says it all.
_SUPERSEDE = """
UPDATE delivery_out d SET state = 'superseded', ended_at = $2, epoch = $3
WHERE d.channel = $1 AND d.state = 'waiting' AND (d.claimed_until IS NULL OR d.claimed_until <= $2)
AND EXISTS (
    SELECT FROM delivery_out later
    WHERE later.channel = d.channel AND later.thread = d.thread AND later.id > d.id
    AND later.state = 'waiting' AND (
        (later.event = 'resolved' AND d.event <> 'resolved')
        OR (later.event = 'cause_changed' AND d.event = 'cause_changed' AND later.alert = d.alert)
    )
)
"""
_CLAIM = """
UPDATE delivery_out SET claimed_until = $4, tries = tries + 1, epoch = $5
WHERE id IN (
    SELECT d.id FROM delivery_out d
    WHERE d.channel = $1 AND d.state = 'waiting' AND d.due_at <= $2
    AND (d.claimed_until IS NULL OR d.claimed_until <= $2)
    AND NOT EXISTS (
        SELECT FROM delivery_out earlier
        WHERE earlier.channel = d.channel AND earlier.thread = d.thread AND earlier.id < d.id
        AND earlier.state = 'waiting'
    )
    ORDER BY d.body ->> 'severity' = 'page' DESC, d.id LIMIT $3 FOR UPDATE SKIP LOCKED
)
RETURNING id, event, thread, body, tries
"""


async def claim(
    connection: Connection, channel: str, most: int, *, until: datetime, epoch: int, now: datetime
) -> list[Claimed]:
    """What is due to a channel, pages first, at most one of each thread. The caller sends and settles
    it before ``until``; after that it is claimed again. Raises StaleEpochError."""
    async with connection.transaction():
        await lease.hold(connection, epoch)
        await connection.execute(_SUPERSEDE, channel, now, epoch)
        rows = await connection.fetch(_CLAIM, channel, now, most, until, epoch)
    return [
        Claimed(
            row["id"],
            Message(str(row["id"]), Event(row["event"]), from_json(row["body"]), row["thread"]),
            row["tries"],
        )
        for row in sorted(rows, key=lambda row: int(row["id"]))
    ]


_SETTLE = """
UPDATE delivery_out SET state = $3::text, last_error = $4, due_at = COALESCE($5, due_at), claimed_until = NULL,
    ended_at = CASE WHEN $3::text = 'waiting' THEN NULL ELSE $6::timestamptz END
WHERE id = $1 AND state = 'waiting' AND epoch = $2
AND EXISTS (SELECT FROM watcher_lease WHERE epoch = $2)
RETURNING id
"""


async def sent(connection: Connection, id_: int, *, epoch: int, now: datetime) -> bool:
    """False: the epoch is stale, and whoever has the lease now sends it again."""
    done = await connection.fetchval(_SETTLE, id_, epoch, "sent", None, None, now)
    return done is not None


async def failed(
    connection: Connection,
    id_: int,
    *,
    error: str,
    again: datetime | None,
    epoch: int,
    now: datetime,
) -> bool:
    """again None: given up. error: without addresses and secrets. False: as ``sent``."""
    state = "given_up" if again is None else "waiting"
    done = await connection.fetchval(_SETTLE, id_, epoch, state, error[:_ERROR], again, now)
    return done is not None


async def prune(connection: Connection, now: datetime) -> None:
    """Forget what was settled long ago, and what waits for a channel that is gone."""
    await connection.execute(
        "DELETE FROM delivery_out WHERE (ended_at < $1 OR (state = 'waiting' AND created_at < $2))"
        " AND alert NOT IN (SELECT id FROM alert WHERE state = 'firing')",
        now - _KEPT,
        now - _STALE,
    )
