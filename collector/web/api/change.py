"""A change over the API: one transaction that holds the change and its line of the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from collector.store import access
from collector.store.connect import Connection
from collector.web.access import Who

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Changes:
    """Where changes are made, and by whose clock."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]

    @asynccontextmanager
    async def by(
        self, who: Who, action: str, subject: str, **details: object
    ) -> AsyncIterator[Connection]:
        """action: ``noun.verb_past``. details: what was changed to; never a secret."""
        async with self.pool.acquire() as connection, connection.transaction():
            yield connection
            await access.record(
                connection,
                self.clock(),
                who=who.name,
                action=action,
                subject=subject,
                details=details,
            )
        log.info(action, who=who.name)
