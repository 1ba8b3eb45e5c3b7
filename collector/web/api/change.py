"""A change over the API: one transaction that holds the change and its line of the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import structlog

from collector.store import access
from collector.store.connect import Connection
from collector.web.access import Who

log = structlog.get_logger()


@dataclass(slots=True)
class Change:
    """One change, while it is made. ``is_one``: False where all was so already."""

    details: dict[str, object]
    is_one: bool = True
    connection: Connection = field(init=False)


@dataclass(frozen=True, slots=True)
class Changes:
    """Where changes are made, and by whose clock."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]

    @asynccontextmanager
    async def by(
        self, who: Who, action: str, subject: str, **details: object
    ) -> AsyncIterator[Change]:
        """action: ``noun.verb_past``. details: what was changed to; never a secret."""
        change = Change(details)
        async with self.pool.acquire() as connection, connection.transaction():
            change.connection = connection
            yield change
            if change.is_one:
                await access.record(
                    connection,
                    self.clock(),
                    who=who.name,
                    action=action,
                    subject=subject,
                    details=change.details,
                )
        if change.is_one:
            log.info(action, who=who.name)
