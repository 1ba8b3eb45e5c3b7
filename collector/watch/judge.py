"""The round that judges: signatures that were reported since, each as a case, some a round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
import structlog

from collector.detect.cases import Probing, Seen, Surroundings, case_of
from collector.detect.causes import Judgement, judge
from collector.detect.knowledge import knowledge
from collector.detect.paths import Roots
from collector.model import Kind
from collector.store import causes, ours
from collector.store.connect import Connection
from collector.store.ours import Ours

log = structlog.get_logger()
_ROUND = 40  # signatures
_PATIENCE = "SET LOCAL lock_timeout = '5s'"
_WAIT = "SELECT pg_advisory_xact_lock(hashtext('pinfall.causes'))"
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('pinfall.causes'))"


@dataclass(frozen=True, slots=True)
class Judging:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    roots: Roots

    async def tick(self) -> None:
        """Judge some. Of several processes one does."""
        now = self.clock()
        async with self.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_LOCK):
                return
            due = await causes.changed(connection, now, _ROUND)
            if due:
                await self._judge(connection, due, now)

    async def at_once(self, signature: bytes) -> None:
        """Judge one that somebody is about to read of. Where a round goes on and on, it is left to that."""
        now = self.clock()
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute(_PATIENCE)
                await connection.execute(_WAIT)
                await self._judge(connection, await causes.asked(connection, signature, now), now)
        except asyncpg.LockNotAvailableError:
            log.info("judge.busy")

    async def _judge(
        self, connection: Connection, due: Sequence[asyncpg.Record], now: datetime
    ) -> None:
        told = await ours.read(connection, now)
        judged: list[tuple[bytes, Judgement]] = []
        empty = []
        for row in due:
            seen = await causes.sightings(connection, row)
            if not seen:
                empty.append(row["id"])
                continue
            around = self._around(told, row, await ours.probing(connection, row["host"]))
            judged.append((row["id"], await asyncio.to_thread(_judged, row, seen, around)))
        await causes.judged(connection, judged, now)
        await causes.seen_nowhere(connection, empty, now)

    def _around(self, told: Ours, row: asyncpg.Record, probing: Probing) -> Surroundings:
        project, host = row["project"], row["host"]
        rotations = [r for r in told.rotations if r.project in (None, project)]
        registered = [key for owner, key in told.registered if owner in (None, project)]
        return Surroundings(
            known=knowledge(told.served, rotations, registered),
            roots=self.roots,
            served=tuple(chain for chain in told.served if chain.host == host),
            rotations=tuple(r for r in rotations if r.host == host),
            registry=tuple(
                s for owner, s in told.shipped if owner == project and s.covers_host(host)
            ),
            probing=probing,
        )


def _judged(row: asyncpg.Record, seen: Sequence[Seen], around: Surroundings) -> Judgement:
    return judge(case_of(row["host"], Kind(row["kind"]), seen, around, row["first_seen"]))
