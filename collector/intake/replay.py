"""What lies in the spool, into Postgres: exact by delivery key and batch id, and never in a hurry.

A frame is the batch that it was, under its own id: whether a crash, or a commit whose answer was lost,
comes before, between or after, Postgres holds each of its rows once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

import structlog

from collector.intake import segments
from collector.intake.durable import Batch
from collector.intake.frames import Found, Frame, read_frame
from collector.intake.queue import Intake
from collector.intake.segments import Reading
from collector.intake.spool import Spool

log = structlog.get_logger()

_TRIES = 3  # of a frame that fails although Postgres answers
_BUSY = 500  # rows in the queue from which on live reports come first
_YIELD = 0.25  # seconds
TURN = 10.0  # seconds of a round; then gauges are told, and the next round goes on from there


@dataclass(slots=True)
class Replay:
    """failed: how often a frame failed while Postgres answered, by batch id.

    A segment that was begun is held until all of it is done, over rounds and while Postgres is away:
    whoever else took it would count again what was counted.
    """

    spool: Spool
    intake: Intake
    since: datetime | None = None  # receipt of the oldest that was replayed since somebody asked
    failed: dict[UUID, int] = field(default_factory=dict)
    # Segments that were begun, and which of their frames are done.
    _held: dict[Path, tuple[Reading, set[int]]] = field(default_factory=dict)

    async def tick(self) -> None:
        """Replay all there is, as far as Postgres takes it; find out whether it is back."""
        await self.spool.look()
        if self.intake.is_down and not await self.intake.look_again():
            return
        if not self.spool.items and not segments.listed(self.spool.directory):
            return
        await self.spool.do(self.spool.seal)
        self._let_go({*self._held} - {*segments.listed(self.spool.directory)})
        until = asyncio.get_running_loop().time() + TURN
        for path in segments.listed(self.spool.directory):
            if not await self._segment(path, until):
                break
        await self.spool.look()

    async def _segment(self, path: Path, until: float) -> bool:
        """False where Postgres went away meanwhile, or it is late: at least one frame is tried."""
        if path not in self._held:
            await self.spool.do(lambda: self._take(path))
        if path not in self._held:
            return True  # another process writes it, or replays it
        reading, done = self._held[path]
        loop = asyncio.get_running_loop()
        left = False
        for found in reading.frames():
            if found.start in done:
                continue
            if self.intake.queued > _BUSY:
                await asyncio.sleep(_YIELD)
            told = await self._stretch(found, reading)
            if told is None:
                return False
            if told:
                done.add(found.start)
            left = left or not told
            if loop.time() >= until and found.end < len(reading.data):
                return False
        if not left:
            await self.spool.do(reading.done)
            self._let_go({path})
            log.info("spool.replayed", segment=path.name)
        return loop.time() < until

    def _take(self, path: Path) -> None:
        """In the spool's thread: nobody may wait for it any more when the lock is had."""
        reading = Reading.take(path)
        if reading is not None:
            self._held[path] = reading, set()

    def _let_go(self, paths: Collection[Path]) -> None:
        for path in paths:
            self._held.pop(path)[0].close()

    def close(self) -> None:
        """Leave what is not done to others."""
        self._let_go([*self._held])

    async def _stretch(self, found: Found, reading: Reading) -> bool | None:
        """True: done with it. False: it is left for another try. None: Postgres is away."""
        if found.payload is not None:
            return await self._frame(found.payload, found, reading)
        size = found.end - found.start
        if found.end == len(reading.data):
            # It was being written when the process ended: nobody was told that it is durable.
            log.warning("spool.torn", segment=reading.path.name, bytes=size)
        else:
            log.error("spool.damaged", segment=reading.path.name, bytes=size, items=found.items)
            return await self._aside(found, reading)
        return True

    async def _aside(self, found: Found, reading: Reading) -> bool:
        """False where the disk has no room for it: what lies behind it makes some, and it stays."""
        raw = reading.data[found.start : found.end]
        try:
            is_new = await self.spool.do(lambda: segments.put_aside(reading.path, found.start, raw))
        except OSError as error:
            log.error("spool.not_put_aside", bytes=len(raw), error=error.strerror)
            return False
        if is_new:  # and not by a process that had the segment before
            self.intake.metrics.spool_lost.inc(max(1, found.items))
        return True

    async def _frame(self, payload: bytes, found: Found, reading: Reading) -> bool | None:
        try:
            frame = read_frame(payload)
        except Exception as error:  # noqa: BLE001 (of another version, or damaged in a way of its own)
            log.error("spool.unreadable", items=found.items, error=type(error).__name__)
            return await self._aside(found, reading)
        loop = asyncio.get_running_loop()
        began = loop.time()
        batch = Batch(list(frame.entries), Counter(frame.counts), frame.id)
        stored = await self.intake.replay(batch)
        if stored:
            self.failed.pop(frame.id, None)
            self._remember(frame)
            if self.intake.queued:
                await asyncio.sleep(loop.time() - began)  # as much for others as for itself
            return True
        if not await self.intake.look_again():
            return None
        tries = self.failed[frame.id] = self.failed.get(frame.id, 0) + 1
        if tries < _TRIES:
            return False
        log.error("spool.refused", items=frame.items, batch=str(frame.id))
        if not await self._aside(found, reading):
            return False
        del self.failed[frame.id]
        await self.intake.refuse(batch)
        return True

    def _remember(self, frame: Frame) -> None:
        oldest = min((entry.received_at for entry in frame.entries), default=None)
        if oldest is not None and (self.since is None or oldest < self.since):
            self.since = oldest
