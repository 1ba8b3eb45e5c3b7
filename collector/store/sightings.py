"""Sightings: the raw material of counting affected installs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from collector.store import chunks
from collector.store.connect import Connection
from collector.store.rows import Row, columns

_ADD = """
INSERT INTO sighting (project, host, kind, install, estimated, leaf, signature, network,
                      operator_network, received_at, environment)
SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::bytea[], $5::bool[], $6::text[],
                     $7::bytea[], $8::bytea[], $9::bytea[], $10::timestamptz[], $11::text[])
"""


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """One a violation that counts; a test suite's traffic is kept, and never counted."""
    values = [
        (
            row.project,
            row.host,
            row.violation.kind.value,
            row.install_or_estimate,
            row.install is None,
            str(row.violation.leaf) if row.violation.leaf else None,
            row.signature,
            row.network,
            row.operator_network,
            row.received_at,
            row.environment,
        )
        for row in rows
        if not row.violation.test
    ]
    if values:
        await connection.execute(_ADD, *columns(values))


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "sighting", "received_at < $1", at)
