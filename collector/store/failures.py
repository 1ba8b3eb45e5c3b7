"""Everything that violations leave: delivery, row, sighting, and their part of every sum, in one statement.

A row is sent as one value of the type ``ingested``, and not as one array a column: the driver looks
closely at each element of an array, which was a third of what storing a report cost, and Postgres keeps
a list for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from collector.detect.usual import Of
from collector.fingerprint import Grade
from collector.model import Dialect, ProjectId, TimeTrust, platform_label
from collector.store import content, deliveries, ledger, rollups
from collector.store.connect import Connection
from collector.store.content import Content
from collector.store.ledger import Account
from collector.store.rows import Columns, Entry, Row, details

_VIOLATION = (
    "received_at, delivery, project, signature, app_key, environment, dialect, kind, host, noted_host, port, "
    "enforced, blocked, weak, client_time, client_time_raw, time_trust, app_id, app_version, platform, "
    "os_version, sdk, sdk_version, install, occurrences, pin_set, served_chain, validated_chain, test, "
    "trusted, weight"
)
# Of a batch next to none is from a silenced network: their keys go along, and no column with each row.
# sighting.install stands for the sender where no install was told: "counted". failed_at: by the client's clock,
# where that can be believed.
_BELIEVED = f"'{TimeTrust.CLIENT_UTC}', '{TimeTrust.SERVER_MINUS_AGE}'"
_OF_NEW = f"""
stored AS (
    INSERT INTO violation ({_VIOLATION}, details) SELECT {_VIOLATION}, details::jsonb FROM new WHERE whole
), sighted AS (
    INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
        operator_network, received_at, environment, app, app_version, platform, pin_set, chain, silenced,
        failed_at, class)
    SELECT project, host, kind, counted, install IS NULL, leaf, signature, network, operator_network,
        received_at, environment, coalesce(app_id, app_key), coalesce(app_version, ''),
        coalesce(platform, ''), pin_set, coalesce(validated_chain, served_chain),
        delivery IN (SELECT unnest($2::bytea[])),
        CASE WHEN time_trust IN ({_BELIEVED}) THEN client_time END, class
    FROM new WHERE NOT test RETURNING id
), waits AS (
    INSERT INTO waiting (sightings) SELECT array_agg(id) FROM sighted HAVING count(*) > 0
), summed AS (
    {rollups.OF_NEW}
)"""  # noqa: S608 (names of our own)
_ADD = f"""
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::ingested[])
), {_OF_NEW}
SELECT
"""  # noqa: S608 (as above)
# Where ``whole`` is not told, a row is delivered and counts in the ledger, and leaves nothing else.
_CAREFUL = f"""
WITH {deliveries.begun(batch="$3", now="$4", projects="$5")},
given AS MATERIALIZED (
    SELECT *, project = ANY(ARRAY(SELECT id FROM there)) AS is_there
    FROM unnest($1::ingested[]) WHERE EXISTS (SELECT FROM begun)
), {deliveries.recorded(batch="$3")},
-- content
new AS MATERIALIZED (
    SELECT * FROM given WHERE whole IS NOT NULL AND delivery IN (SELECT key FROM recorded)
), {_OF_NEW}, told AS MATERIALIZED (
    SELECT project, is_there, dialect, delivery IN (SELECT key FROM recorded) AS is_new, count(*) AS items
    FROM given GROUP BY 1, 2, 3, 4
    UNION ALL
    SELECT project, project = ANY(ARRAY(SELECT id FROM there)), dialect, false, items
    FROM unnest($7::ledger_entry[])
), entered AS (
    {ledger.of_told(entries="$6", now="$4")}
    WHERE EXISTS (SELECT FROM begun)
)
SELECT EXISTS (SELECT FROM begun) AS is_new, ARRAY(SELECT id FROM there) AS there,
    ARRAY(SELECT key FROM recorded) AS recorded
"""  # noqa: S608 (as above)


def _on_trust(stored: str, first: int) -> str:
    """Nothing of it is stored, or all: so it is known before what the ledger says of it. stored: parts that store
    more than deliveries. first: the first parameter behind those parts' own."""
    batch, now, projects, entries = (f"${first + n}" for n in range(4))
    return f"""
WITH {deliveries.begun_if_all_are_there(batch=batch, now=now, projects=projects)},
given AS MATERIALIZED (
    SELECT * FROM unnest($1::ingested[]) WHERE EXISTS (SELECT FROM begun)
), {deliveries.recorded_on_trust(batch=batch)},
{stored}entered AS (
    {ledger.of(entries=entries, now=now)} WHERE EXISTS (SELECT FROM begun)
)
SELECT EXISTS (SELECT FROM begun) AS is_new, ARRAY(SELECT id FROM there) AS there,
    (SELECT count(*) FROM recorded) AS recorded
"""  # noqa: S608 (names of our own)


_TRUSTING = _on_trust(
    f"""-- content
new AS MATERIALIZED (SELECT * FROM given WHERE whole IS NOT NULL), {_OF_NEW}, """,  # noqa: S608 (as above)
    first=3,
)
# Of windows, and of what is parsed later: to make ready what would store nothing takes as long as the rest.
_TRUSTING_ALONE = _on_trust("", first=2)
# Content comes after the deliveries: who waits for a report that another flush is about to deliver keeps nobody
# waiting who has the same chain.
_HAS_STORED = "(SELECT count(*) > 0 FROM recorded)"
_CAREFUL_WITH_CONTENT, _TRUSTING_WITH_CONTENT = (
    statement.replace(
        "-- content", f"{content.added(now='$4', first=first, condition=_HAS_STORED)},"
    )
    for statement, first in ((_CAREFUL, 8), (_TRUSTING, 7))
)


class NotOnTrustError(Exception):
    """Some of a batch was there already, or its project is not any more: it has to be stored with care.

    keys: of its deliveries, with when they were received.
    """

    def __init__(self, keys: Mapping[bytes, datetime]) -> None:
        super().__init__(f"one of {len(keys)} keys")
        self.keys = keys


@dataclass(frozen=True, slots=True)
class Delivered:
    """is_new: False if the batch was committed before; then nothing was stored. there: projects; they
    stay until the transaction ends. recorded: keys that count now; the others of those projects are
    duplicates."""

    is_new: bool
    there: AbstractSet[ProjectId]
    recorded: AbstractSet[bytes]


async def deliver(
    connection: Connection,
    batch: UUID,
    now: datetime,
    rows: Sequence[Row],
    whole: Sequence[bool],
    others: Sequence[Entry],
    repeats: Mapping[tuple[ProjectId, Dialect], int],
    counts: Mapping[Account, int],
    new: Content,
    usual: Mapping[Of, str],
    *,
    careful: bool = True,
) -> Delivered:
    """Enter a batch, and store of it what counts: each report once, in one statement.

    whole: which of the rows are stored as violations; the others leave their sighting. A test suite's
    traffic is kept, and never sighted. others: are delivered, and the caller stores them. Keys of rows
    and others must differ; repeats: how many had one of theirs. counts: entries for the ledger that go
    along. new: content of the rows that may not be there yet. usual: classes that sightings have until they
    are counted. careful: some may have been delivered before. Otherwise all are stored, or NotOnTrustError is
    raised, and the transaction has to end.
    """
    entries = (*rows, *others)
    projects = sorted({one.project for one in entries} | {project for project, _ in repeats})
    given = [
        *(_ingested(row, is_whole, usual) for row, is_whole in zip(rows, whole, strict=True)),
        *map(_only_delivered, others),
    ]
    added = await content.arguments(new, now.date()) if new else ()
    if careful:
        repeated = [
            (project, dialect.value, "", "", n) for (project, dialect), n in repeats.items()
        ]
        told = await connection.fetchrow(
            _CAREFUL_WITH_CONTENT if new else _CAREFUL,
            given, _silenced(rows), batch, now, projects, ledger.entries(counts), repeated, *added,
        )  # fmt: skip
        assert told is not None
        return Delivered(told["is_new"], set(map(ProjectId, told["there"])), set(told["recorded"]))
    keys = {one.delivery.key: one.received_at for one in entries}
    statement, silenced = _TRUSTING_ALONE, []
    if rows:
        statement, silenced = _TRUSTING_WITH_CONTENT if new else _TRUSTING, [_silenced(rows)]
    entered = ledger.entries(counts) + ledger.of_all(entries, repeats)
    try:
        told = await connection.fetchrow(
            statement, given, *silenced, batch, now, projects, entered, *added
        )
    except asyncpg.UniqueViolationError as error:
        if deliveries.was_there(error):
            raise NotOnTrustError(keys) from None
        raise
    assert told is not None
    if len(told["there"]) < len(projects):
        raise NotOnTrustError(keys)
    recorded = set(keys) if told["is_new"] else set()
    return Delivered(told["is_new"], set(map(ProjectId, told["there"])), recorded)


async def add(
    connection: Connection, rows: Sequence[Row], whole: Sequence[bool], usual: Mapping[Of, str]
) -> None:
    """``deliver`` what was delivered before, and is in the ledger."""
    if rows:
        new = [_ingested(row, is_whole, usual) for row, is_whole in zip(rows, whole, strict=True)]
        await connection.execute(_ADD, new, _silenced(rows))


def _silenced(rows: Sequence[Row]) -> list[bytes]:
    return [row.delivery.key for row in rows if row.silenced]


def _ingested(row: Row, is_whole: bool, usual: Mapping[Of, str]) -> tuple[object, ...]:
    """In the order of the type's fields."""
    v = row.violation
    raw = v.client_time_raw if is_whole else None
    shared = row.shared
    columns = None if shared is None else shared.columns
    if columns is None:
        columns = _columns(row)
        if shared is not None:
            shared.columns = columns
    filed, app, rest = columns.whole if is_whole else columns.thin
    return (
        row.received_at, row.delivery.key, *filed, v.client_time,
        raw if raw is None or isinstance(raw, str) else str(raw), v.time_trust, *app, row.install, *rest,
        row.install_or_estimate, row.network, row.operator_network, platform_label(v.platform), is_whole,
        usual.get(columns.of),
    )  # fmt: skip


def _only_delivered(one: Entry) -> tuple[object, ...]:
    """As ``_ingested``, with ``whole`` and most others not told."""
    return (
        one.received_at, one.delivery.key, one.project, *(None,) * 3, one.dialect.value, *(None,) * 6,
        one.delivery.grade is Grade.WEAK, *(None,) * 25,
    )  # fmt: skip


def _columns(row: Row) -> Columns:
    """Those that rows share which differ only in sender and time. A thin one says nothing of what only a
    violation has."""
    v = row.violation
    is_weak = row.delivery.grade is Grade.WEAK
    leaf = str(v.leaf) if v.leaf else None
    under = (row.project, row.signature, row.app_key, row.environment, v.dialect, v.kind, v.name)
    app = (v.app_id, v.app_version, v.platform)
    whole = (
        (*under, v.noted_host, v.port, v.enforced, v.blocked, is_weak),
        (*app, v.os_version, v.sdk, v.sdk_version),
        (
            v.occurrences, row.pin_set, row.served_chain, row.validated_chain, v.test, row.trusted, v.weight,
            details(v), leaf,
        ),
    )  # fmt: skip
    chain = row.validated_chain or row.served_chain
    thin = (
        (*under, None, None, v.enforced, None, is_weak),
        (*app, None, None, None),
        (v.occurrences, row.pin_set, None, chain, v.test, None, v.weight, None, leaf),
    )
    return Columns(whole, thin, (row.project, v.name, v.kind.value, chain or b""))
