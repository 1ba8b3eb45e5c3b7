"""Everything that violations leave: rows, sightings, and their part of every sum, in one statement.

A row is sent as one value of the type ``ingested``, and not as one array a column: the driver looks
closely at each element of an array, which was a third of what storing a report cost, and Postgres keeps
a list for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from collector.fingerprint import Grade
from collector.model import platform_label
from collector.store import ledger, rollups, signatures
from collector.store.connect import Connection
from collector.store.ledger import Account
from collector.store.rows import Row, details

_VIOLATION = (
    "received_at, delivery, project, signature, app_key, environment, dialect, kind, host, noted_host, port, "
    "enforced, blocked, weak, client_time, client_time_raw, time_trust, app_id, app_version, platform, "
    "os_version, sdk, sdk_version, install, occurrences, pin_set, served_chain, validated_chain, test, "
    "trusted, weight"
)
# Of a batch next to none is from a silenced network: their keys go along, and no column with each row.
# sighting.install stands for the sender where no install was told: "counted".
_ADD = f"""
WITH new AS MATERIALIZED (
    SELECT * FROM unnest($1::ingested[])
), stored AS (
    INSERT INTO violation ({_VIOLATION}, details) SELECT {_VIOLATION}, details::jsonb FROM new WHERE whole
), sighted AS (
    INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
        operator_network, received_at, environment, app, app_version, platform, pin_set, chain, silenced)
    SELECT project, host, kind, counted, install IS NULL, leaf, signature, network, operator_network,
        received_at, environment, coalesce(app_id, app_key), coalesce(app_version, ''),
        coalesce(platform, ''), pin_set, coalesce(validated_chain, served_chain),
        delivery IN (SELECT unnest($4::bytea[]))
    FROM new WHERE NOT test RETURNING id
), waits AS (
    INSERT INTO waiting (sightings) SELECT array_agg(id) FROM sighted HAVING count(*) > 0
), summed AS (
    {rollups.OF_NEW}
), seen AS (
    {signatures.OF_NEW}
)
{ledger.append_from(3, "$2")}
"""  # noqa: S608 (names of our own)


async def add(
    connection: Connection,
    rows: Sequence[Row],
    whole: Sequence[bool],
    counts: Mapping[Account, int],
    now: datetime,
) -> None:
    """whole: which of them are stored as violations; the others leave their sighting. A test suite's
    traffic is kept, and never sighted. counts: entries for the ledger that go along."""
    if not rows:
        await ledger.append(connection, counts, now)
        return
    new = [_ingested(row, is_whole) for row, is_whole in zip(rows, whole, strict=True)]
    silenced = [row.delivery.key for row in rows if row.silenced]
    await connection.execute(_ADD, new, now, ledger.entries(counts), silenced)


def _ingested(row: Row, is_whole: bool) -> tuple[object, ...]:
    """In the order of the type's fields."""
    v = row.violation
    raw = v.client_time_raw
    shared = row.shared
    columns = None if shared is None else shared.columns
    if columns is None:
        columns = _columns(row)
        if shared is not None:
            shared.columns = columns
    filed, app, rest = columns
    return (
        row.received_at, row.delivery.key, *filed, v.client_time,
        raw if raw is None or isinstance(raw, str) else str(raw), v.time_trust, *app, row.install, *rest,
        row.install_or_estimate, row.network, row.operator_network, platform_label(v.platform), is_whole,
    )  # fmt: skip


def _columns(row: Row) -> tuple[tuple[object, ...], ...]:
    """Those that rows share which differ only in sender and time."""
    v = row.violation
    filed = (
        row.project, row.signature, row.app_key, row.environment, v.dialect, v.kind, v.name, v.noted_host,
        v.port, v.enforced, v.blocked, row.delivery.grade is Grade.WEAK,
    )  # fmt: skip
    app = (v.app_id, v.app_version, v.platform, v.os_version, v.sdk, v.sdk_version)
    rest = (
        v.occurrences, row.pin_set, row.served_chain, row.validated_chain, v.test, row.trusted, v.weight,
        details(v), str(v.leaf) if v.leaf else None,
    )  # fmt: skip
    return filed, app, rest
