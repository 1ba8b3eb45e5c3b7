"""Segments of a spool as crashes, disks and other versions leave them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec

from collector.intake import frames, segments
from collector.intake.frames import Frame
from collector.model import ProjectId
from collector.store.ledger import Account
from collector.store.rows import Row
from tests.make import KEY, neutral, row


def report(marker: str, project: int) -> Row:
    key = replace(KEY, project=ProjectId(project), project_name="one")
    app = {"id": "com.example.wallet", "version": marker}
    # Received now: of what was received ten days ago no identity is kept, whatever the time of other tests.
    return row(neutral(event_id=str(uuid4()), app=app), key=key, received_at=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Part:
    """A frame of a segment, or what became of one. flip: a byte that the disk changed. cut: bytes that
    a crash left out at its end."""

    payload: bytes
    items: int
    flip: int | None = None
    cut: int = 0

    def within(self, path: Path) -> bytes:
        """As it stands in that segment."""
        whole = bytearray(frames.sealed(self.payload, self.items, segments.key_of(path)))
        if self.flip is not None:
            whole[self.flip % len(whole)] ^= 0x40
        return bytes(whole[: len(whole) - self.cut])


def framed(*rows: Row, counts: Counter[Account] | None = None) -> Part:
    return Part(frames.packed(Frame(uuid4(), rows, counts or Counter())), len(rows))


def with_nul(marker: str, project: int) -> Row:
    """One that Postgres refuses."""
    found = report(marker, project)
    broken = msgspec.structs.replace(found.violation, device="a\x00b", app_version="a\x00b")
    return msgspec.structs.replace(found, violation=broken)


def without_time(marker: str, project: int) -> Row:
    """One that no code of ours can store: as of another version, with another type."""
    return msgspec.structs.replace(report(marker, project), received_at="never")


def entries(project: ProjectId, many: int) -> Counter[Account]:
    """Of the ledger: items that were ignored."""
    return Counter(
        {
            Account(project, "generic", "ignored", "success"): many,
            Account(project, "", "received"): many,
        }
    )


def leave(spool: Path, parts: Sequence[Part]) -> Path:
    """A segment of a process that is no more, there all at once."""
    path = spool / f"00000000000000000001-1-{os.urandom(3).hex()}.spool"
    partial = path.with_suffix(".partial")
    partial.write_bytes(b"".join(part.within(path) for part in parts))
    partial.chmod(0o600)
    partial.rename(path)
    return path
