"""What lies in the spool, into Postgres: exact by delivery key and batch id, and never in a hurry.

A frame is the batch that it was, under its own id: whether a crash, or a commit whose answer was lost,
comes before, between or after, Postgres holds each of its rows once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
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


@dataclass(slots=True)
class Replay:
    """failed: how often a frame failed while Postgres answered, by batch id."""

    spool: Spool
    intake: Intake
    since: datetime | None = None  # receipt of the oldest that was replayed since somebody asked
    failed: dict[UUID, int] = field(default_factory=dict)
    _done: dict[Path, set[int]] = field(
        default_factory=dict
    )  # frames of segments that are not done

    async def tick(self) -> None:
        """Replay all there is, as far as Postgres takes it; find out whether it is back."""
        await self.spool.look()
        if self.intake.is_down and not await self.intake.look_again():
            return
        if not self.spool.items and not segments.listed(self.spool.directory):
            return
        await self.spool.do(self.spool.seal)
        for path in segments.listed(self.spool.directory):
            if not await self._segment(path):
                break
        await self.spool.look()

    async def _segment(self, path: Path) -> bool:
        """False where Postgres went away meanwhile."""
        reading = await self.spool.do(lambda: Reading.take(path))
        if reading is None:
            return True  # another process writes it, or replays it
        done = self._done.setdefault(path, set())
        try:
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
            if not left:
                await self.spool.do(reading.done)
                del self._done[path]
                log.info("spool.replayed", segment=path.name)
        finally:
            reading.close()
        return True

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
