"""One batch of rows, made durable or not: tried again, halved round a row that Postgres refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID, uuid4, uuid5

import asyncpg
import structlog

from collector.errors import Reason
from collector.intake.flush import flush
from collector.intake.known import Known
from collector.store import quarantine
from collector.store.connect import STORE_DOWN, Connection, lent, refuses_the_row
from collector.store.ledger import Account
from collector.store.rows import Entry, Sample

log = structlog.get_logger()

TRIES = 3  # of one batch, while Postgres does not answer and there is no spool
_PATIENCE = 5.0  # seconds for one try
_PAUSE = 0.3


class Outcome(StrEnum):
    """What became of one row."""

    __hash__ = str.__hash__

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    UNSTORABLE = "unstorable"
    UNKNOWN_KEY = "unknown_key"  # its project was deleted a moment ago
    NOT_DURABLE = "not_durable"
    SPOOLED = "spooled"


class Waiter(Protocol):
    """Who waits for the outcomes of some rows: a future, or an answer that is written at once. Told once,
    and only while it is not ``done``."""

    def done(self) -> bool: ...

    def set_result(self, result: Sequence[Outcome], /) -> None: ...


@dataclass(slots=True)
class Batch:
    """Rows under one batch id, and entries for the ledger that go out with them.

    ``outcomes`` fills up as parts are committed. ``doubts`` are parts whose commit may have happened
    although its answer was lost: where their rows start and end, by batch id. ``counts`` go out with
    the batch as a whole, under ``id``; what is left of them was not committed. ``samples`` are
    connections that were counted.
    """

    rows: list[Entry]
    counts: Counter[Account]
    id: UUID = field(default_factory=uuid4)
    outcomes: list[Outcome | None] = field(init=False)
    doubts: dict[UUID, tuple[int, int]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.rows)

    async def store(
        self,
        pool: asyncpg.Pool,
        known: Known,
        clock: Callable[[], datetime],
        failed: Callable[[BaseException | None], None] = lambda _: None,
        *,
        tries: int = TRIES,
        patience: float = _PATIENCE,
    ) -> bool:
        """Try, and try again with the same id. False: some rows have no outcome.

        failed: called for each try that Postgres did not answer. patience: seconds for one try.
        """
        for attempt in range(tries):
            try:
                async with lent(pool, patience) as connection:
                    await self._part(connection, 0, len(self.rows), self.id, known, clock)
                return True
            except STORE_DOWN as error:
                log.debug("flush.failed", attempt=attempt, error=type(error).__name__)
                # What was believed to be there may have gone with another server.
                known.touched.clear()
                known.partitions.clear()
                known.recent.forget()
                failed(error)
            except Exception:
                # A fault of our own: nothing of this batch is called durable, and the next goes on.
                log.exception("flush.crashed")
                return False
            if attempt + 1 < tries:
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
        whole = id_ == self.id
        counts = self.counts if whole else Counter[Account]()
        self.doubts[id_] = (start, end)
        try:
            flushed = await flush(connection, rows, counts, id_, known, clock())
        except Exception as error:
            state = refuses_the_row(error)
            if state is None or not rows:
                raise
            del self.doubts[id_]
            if len(rows) == 1:
                await self._refuse(connection, start, state, id_, known, clock())
                return
            middle = (start + end) // 2
            await self._part(connection, start, middle, uuid5(id_, "left"), known, clock)
            await self._part(connection, middle, end, uuid5(id_, "right"), known, clock)
            return
        del self.doubts[id_]
        self.samples.extend(flushed.samples)
        if whole:
            self.counts.clear()
        for index in range(len(rows)):
            told = Outcome.ACCEPTED if index in flushed.accepted else Outcome.DUPLICATE
            if index in flushed.gone:
                told = Outcome.UNKNOWN_KEY
            self.outcomes[start + index] = told

    async def _refuse(
        self, connection: Connection, place: int, state: str, id_: UUID, known: Known, now: datetime
    ) -> None:
        row = self.rows[place]
        log.warning("row.refused", sqlstate=state, dialect=row.dialect.value)
        dialect = row.dialect.value
        tally = Counter(
            {
                Account(row.project, dialect, "rejected", Reason.UNSTORABLE): 1,
                Account(row.project, "", "received"): 1,
            }
        )
        refused = uuid5(id_, "refused")
        self.doubts[refused] = (place, place + 1)
        async with connection.transaction():
            await flush(connection, [], tally, refused, known, now)
            await quarantine.add(connection, row, state)
        del self.doubts[refused]
        self.outcomes[place] = Outcome.UNSTORABLE
