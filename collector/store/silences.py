"""Silences by place: nothing is sent of what they cover; it is looked at as before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.reports.hosts import matches
from collector.store.connect import Connection


@dataclass(frozen=True, slots=True)
class Silence:
    """None: any. ``host``: a name, or ``*.example.com``."""

    project: int | None
    host: str | None
    kind: str | None
    until: datetime

    def covers(self, project: int, host: str, kind: str) -> bool:
        return (
            self.project in (None, project)
            and (self.host is None or self.host == host or matches(self.host, host))
            and self.kind in (None, kind)
        )


async def active(connection: Connection, now: datetime) -> Sequence[Silence]:
    rows = await connection.fetch(
        "SELECT project, host, kind, until FROM silence WHERE until > $1", now
    )
    return [Silence(row["project"], row["host"], row["kind"], row["until"]) for row in rows]
