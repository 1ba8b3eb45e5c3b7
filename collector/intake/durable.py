"""One batch of rows, made durable or not: tried again, halved round a row that Postgres refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4, uuid5

import asyncpg
import structlog

from collector.errors import Reason
from collector.intake.flush import Known, flush
from collector.store import quarantine
from collector.store.connect import STORE_DOWN, Connection, refuses_the_row
from collector.store.ledger import Account
from collector.store.rows import Row

log = structlog.get_logger()

_TRIES = 3  # of one batch, while Postgres does not answer
_PATIENCE = 5.0  # seconds for one try
_PAUSE = 0.3


class Outcome(StrEnum):
    """What became of one row."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNSTORABLE = "unstorable"
    NOT_DURABLE = "not_durable"


@dataclass(slots=True)
class Batch:
    """Rows under one batch id, and entries for the ledger that go out with them.

    ``outcomes`` fills up as parts are committed. ``doubt`` is the part whose commit may have
    happened although its answer was lost: (its batch id, where its rows start and end).
    """

    rows: list[Row]
    counts: Counter[Account]
    id: UUID = field(default_factory=uuid4)
    outcomes: list[Outcome | None] = field(init=False)
    doubt: tuple[UUID, int, int] | None = None

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.rows)

    async def store(
        self,
        pool: asyncpg.Pool,
        known: Known,
        clock: Callable[[], datetime],
        failed: Callable[[], None] = lambda: None,
    ) -> bool:
        """Try, and try again with the same id. False: some rows have no outcome.

        failed: called for each try that Postgres did not answer.
        """
        for attempt in range(_TRIES):
            try:
                async with asyncio.timeout(_PATIENCE), pool.acquire() as connection:
                    await self._part(connection, 0, len(self.rows), self.id, known, clock)
                return True
            except STORE_DOWN as error:
                log.debug("flush.failed", attempt=attempt, error=type(error).__name__)
                # What was believed to be there may have gone with another server.
                known.touched.clear()
                known.partitions.clear()
                failed()
            except Exception:
                # A fault of our own: nothing of this batch is called durable, and the next goes on.
                log.exception("flush.crashed")
                return False
            if attempt + 1 < _TRIES:
                await asyncio.sleep(_PAUSE * 2**attempt)
        return False

    async def _part(
        self,
        connection: Connection,
        start: int,
        end: int,
        id_: UUID,
        known: Known,
        clock: Callable[[], datetime],
    ) -> None:
        """Rows[start:end] in one transaction, or in two halves, each with an id of its own."""
        rows = self.rows[start:end]
        if rows and None not in self.outcomes[start:end]:
            return  # an earlier try got this far
        try:
            self.doubt = (id_, start, end)
            accepted = await flush(connection, rows, self.counts, id_, known, clock())
            self.doubt = None
        except Exception as error:
            state = refuses_the_row(error)
            if state is None or not rows:
                raise
            self.doubt = None
            if len(rows) == 1:
                await self._refuse(connection, start, state, id_, known, clock())
                return
            middle = (start + end) // 2
            await self._part(connection, start, middle, uuid5(id_, "left"), known, clock)
            await self._part(connection, middle, end, uuid5(id_, "right"), known, clock)
            return
        self.counts.clear()
        for index in range(len(rows)):
            told = Outcome.ACCEPTED if index in accepted else Outcome.DUPLICATE
            self.outcomes[start + index] = told

    async def _refuse(
        self, connection: Connection, place: int, state: str, id_: UUID, known: Known, now: datetime
    ) -> None:
        row = self.rows[place]
        log.warning("row.refused", sqlstate=state, dialect=row.violation.dialect.value)
        rejected = Account(row.project, row.violation.dialect.value, "rejected", Reason.UNSTORABLE)
        async with connection.transaction():
            tally = self.counts + Counter({rejected: 1})
            await flush(connection, [], tally, uuid5(id_, "refused"), known, now)
            await quarantine.add(connection, row, state)
        self.counts.clear()
        self.outcomes[place] = Outcome.UNSTORABLE
