"""What the watcher remembers of hosts: stored with the minute that it was worked out for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.store import lease
from collector.store.connect import Connection


@dataclass(frozen=True, slots=True)
class Remembered:
    """``state``: JSON of the watcher's own."""

    project: int
    host: str
    state: str
    evaluated_up_to: datetime


async def load(connection: Connection) -> list[Remembered]:
    rows = await connection.fetch("SELECT * FROM detector_state")
    return [
        Remembered(row["project"], row["host"], row["state"], row["evaluated_up_to"])
        for row in rows
    ]


_SAVE = """
INSERT INTO detector_state (project, host, state, evaluated_up_to)
SELECT given.project, given.host, given.state::jsonb, given.at
FROM unnest($1::int[], $2::text[], $3::text[], $4::timestamptz[]) AS given(project, host, state, at)
WHERE EXISTS (SELECT FROM project WHERE id = given.project)
ORDER BY given.project, given.host
ON CONFLICT (project, host) DO UPDATE SET
    state = excluded.state, evaluated_up_to = excluded.evaluated_up_to
"""


async def save(connection: Connection, told: Sequence[Remembered], epoch: int) -> None:
    """Inside a transaction. Raises StaleEpochError."""
    await lease.hold(connection, epoch)
    await connection.execute(
        _SAVE,
        [one.project for one in told],
        [one.host for one in told],
        [one.state for one in told],
        [one.evaluated_up_to for one in told],
    )
