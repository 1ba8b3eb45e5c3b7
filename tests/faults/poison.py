"""Segments of a spool as crashes, disks and other versions leave them."""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import msgspec

from collector.intake import frames
from collector.intake.frames import Frame, frame
from collector.model import ProjectId
from collector.store.ledger import Account
from collector.store.rows import Row
from tests.make import KEY, neutral, row


def report(marker: str, project: int) -> Row:
    key = replace(KEY, project=ProjectId(project), project_name="one")
    app = {"id": "com.example.wallet", "version": marker}
    return row(neutral(event_id=str(uuid4()), app=app), key=key)


def framed(*rows: Row, counts: Counter[Account] | None = None) -> bytes:
    return frame(Frame(uuid4(), rows, counts or Counter()))


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


def sealed(payload: bytes, items: int) -> bytes:
    """A frame whose checks are right, whatever its payload is."""
    size = struct.pack(">II", len(payload), items)
    check = blake2b(size, digest_size=4).digest()
    digest = blake2b(payload, digest_size=16).digest()
    return frames._HEAD.pack(frames._MAGIC, len(payload), items, check, digest) + payload


def flipped(whole: bytes, place: int) -> bytes:
    changed = bytearray(whole)
    changed[place % len(changed)] ^= 0x40
    return bytes(changed)


def leave(spool: Path, parts: Sequence[bytes]) -> Path:
    """A segment of a process that is no more, there all at once."""
    path = spool / f"00000000000000000001-1-{os.urandom(3).hex()}.spool"
    partial = path.with_suffix(".partial")
    partial.write_bytes(b"".join(parts))
    partial.chmod(0o600)
    partial.rename(path)
    return path
