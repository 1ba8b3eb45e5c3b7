"""The spool: where batches go when Postgres does not take them, durable like a commit.

Several processes may share a directory: each appends to a segment of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from collector.errors import PinfallError
from collector.intake import segments
from collector.intake.frames import HEAD, Frame, packed, sealed
from collector.intake.segments import LARGEST, Segment

log = structlog.get_logger()
T = TypeVar("T")


class SpoolFullError(OSError):
    """No room within the bound, or on the disk."""


class Spool:
    """most: bytes of all files in the directory, beyond which nothing more is taken."""

    def __init__(self, directory: Path, most: int) -> None:
        """Raises PinfallError where the directory cannot be used."""
        self.directory = directory
        self.most = most
        self.bytes = 0
        self.items = 0  # that wait, in all segments
        self.is_full = False
        self._segment: Segment | None = None
        self._counted: dict[Path, tuple[int, int]] = {}  # size and items of each segment
        self._thread = ThreadPoolExecutor(1, "spool")
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            Segment.new(directory).close()  # what cannot be written is better known now
            self._look()
        except OSError as error:
            raise PinfallError(f"the spool {directory} cannot be used: {error.strerror}") from None

    async def append(self, told: Frame) -> None:
        """Durable when this returns. Raises OSError where it is not: nothing of it is there then."""
        payload = packed(told)
        await self.do(lambda: self._append(payload, told.items))

    def _append(self, payload: bytes, items: int) -> None:
        size = HEAD + len(payload)
        if self.bytes + size > self.most:
            self._tell_full(full=True)
            raise SpoolFullError(errno.ENOSPC, "the spool is as large as it may be")
        try:
            if self._segment is None or self._segment.size + size > LARGEST:
                self.seal()
                self._segment = Segment.new(self.directory)
            key = segments.key_of(self._segment.path)
            self._segment.append(sealed(payload, items, key), items)
        except OSError as error:
            self._tell_full(full=True)
            with contextlib.suppress(OSError):
                self.seal()  # whatever the disk did to it, the next try gets a fresh one
            raise SpoolFullError(error.errno, "the spool's disk takes no more") from None
        self._tell_full(full=False)
        self.bytes += size
        self.items += items

    def _tell_full(self, *, full: bool) -> None:
        if full and not self.is_full:
            log.error("spool.full", bytes=self.bytes, most=self.most)
        self.is_full = full

    def seal(self) -> None:
        """End this process' segment: what is in it can be replayed. Only in the spool's thread."""
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    async def do(self, work: Callable[[], T]) -> T:
        """In the spool's thread, one thing at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def look(self) -> None:
        """Bytes and items as they are on the disk, whoever wrote them."""
        await self.do(self._look)

    def _look(self) -> None:
        counted: dict[Path, tuple[int, int]] = {}
        for path in segments.listed(self.directory):
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_size
                known = self._counted.get(path)
                same = known is not None and known[0] == size
                counted[path] = known if known and same else (size, segments.waiting(path))
        self._counted = counted
        self.bytes = segments.used(self.directory)
        self.items = sum(items for _, items in counted.values())

    async def close(self) -> None:
        await self.do(self.seal)
        self._thread.shutdown()
