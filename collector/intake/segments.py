"""The spool's files: segments that are only appended to, locked by who writes them.

`<time>-<pid>-<random>.spool`; in the order of their names they are in the order of time. The name is the
key of the frames in it: a segment under another name is damaged. One whose lock can be had has no writer
any more. All functions block: they run in a thread of their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from collector.intake.frames import HEAD, Found, frames, header

ENDING = ".spool"
LARGEST = 16 * 1024 * 1024  # bytes of a segment; a crash within a replay repeats at most one
ASIDE = ".refused"  # frames that Postgres or this version cannot take, kept for a person to look at


def listed(directory: Path) -> list[Path]:
    """Segments, oldest first."""
    return sorted(path for path in directory.iterdir() if path.name.endswith(ENDING))


def key_of(path: Path) -> bytes:
    """Of the frames in a segment: nobody outside can guess it."""
    return path.name.removesuffix(ENDING).encode()[:64]


def used(directory: Path) -> int:
    """Bytes of all files, those that were put aside included."""
    total = 0
    for path in directory.iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(slots=True)
class Segment:
    """One that is being written. Open it with ``Segment.new``."""

    path: Path
    handle: int
    size: int = 0
    items: int = 0

    @classmethod
    def new(cls, directory: Path) -> Segment:
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(8)}{ENDING}"
        path = directory / name
        # Listed only once it is locked: or whoever replays takes it for one that nobody writes, and
        # what is appended goes into a file that is gone.
        making = path.with_suffix(".new")
        handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            making.rename(path)
            sync(directory)
        except OSError:
            os.close(handle)
            making.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return cls(path, handle)

    def append(self, data: bytes, items: int) -> None:
        """Durable when this returns. Raises OSError: then nothing of it is there."""
        try:
            written = 0
            while written < len(data):
                written += os.write(self.handle, memoryview(data)[written:])
            os.fdatasync(self.handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.handle, self.size)
                os.lseek(self.handle, self.size, os.SEEK_SET)
            raise
        self.size += len(data)
        self.items += items

    def close(self) -> None:
        """Let go of the lock: from now on anybody may replay it."""
        os.close(self.handle)
        if not self.size:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Reading:
    """A segment that is being replayed, and that nobody else writes or replays."""

    path: Path
    handle: int
    data: bytes = field(repr=False)

    @classmethod
    def take(cls, path: Path) -> Reading | None:
        """None where somebody writes or replays it, or it is gone."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():  # else whoever had it before us was done with it
                with os.fdopen(os.dup(handle), "rb") as file:
                    return cls(path, handle, file.read())
        except BlockingIOError:
            pass
        os.close(handle)
        return None

    def frames(self) -> Iterator[Found]:
        return frames(self.data, key_of(self.path))

    def done(self) -> None:
        """All of it is in Postgres, or put aside."""
        self.path.unlink(missing_ok=True)
        sync(self.path.parent)

    def close(self) -> None:
        os.close(self.handle)


def put_aside(path: Path, start: int, data: bytes) -> bool:
    """Keep bytes of a segment that cannot be replayed, so that the rest of it can go.

    start: where they stand in it. False: they were kept before. Raises OSError; then nothing is kept.
    """
    kept = path.with_name(f"{path.name.removesuffix(ENDING)}-{start}{ASIDE}")
    if kept.exists():
        return False
    partial = kept.with_suffix(".new")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        partial.rename(kept)
        sync(path.parent)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return True


def waiting(path: Path) -> int:
    """Items in a segment, by its headers alone, as far as they can be followed."""
    items, place, key = 0, 0, key_of(path)
    with path.open("rb") as file:
        while (head := header(file.read(HEAD), 0, key)) is not None:
            items += head[1]
            place += HEAD + head[0]
            file.seek(place)
    return items
