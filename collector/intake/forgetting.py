"""Taking an install out of what is deferred: who it is of stands within the frames alone."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from collector.fingerprint import install_hash_of
from collector.intake.frames import HEAD, Frame, header, read_frame
from collector.model import ProjectId
from collector.store import forget
from collector.store.connect import Connection
from collector.store.rows import Entry, Row

_SOME = 100  # frames at a time: nothing else is done for 10 ms

log = structlog.get_logger()


async def forget_deferred(
    connection: Connection, project: ProjectId, secret: bytes, install: str
) -> list[bytes]:
    """Delete what is deferred of an install; the identities that it had, for ``forget.install``.

    Call it first, in the same transaction: what is being taken meanwhile is waited for, and is then
    among the violations. A frame that cannot be read is left: it is told as such when it is taken.
    """
    hashes: dict[str, bytes] = {}

    def is_of(entry: Entry) -> bool:
        platform = (entry.violation if isinstance(entry, Row) else entry).platform or ""
        if platform not in hashes:
            hashes[platform] = install_hash_of(secret, platform, install)
        return entry.install == hashes[platform]

    ids: list[int] = []
    after = unreadable = 0
    while rows := await forget.deferred(connection, project, after, _SOME):
        after = rows[-1]["id"]
        for row in rows:
            told = _read(row["frame"])
            unreadable += told is None
            if told is not None and _any(told, is_of):
                ids.append(row["id"])
    if unreadable:
        log.warning("deferred.unreadable", project=project, frames=unreadable)
    return await forget.drop_deferred(connection, ids)


def _any(told: Frame, is_of: Callable[[Entry], bool]) -> bool:
    return any(is_of(entry) for entry in told.entries)


def _read(data: bytes) -> Frame | None:
    """With its header, as in the spool, or without."""
    try:
        return read_frame(data[HEAD:] if header(data) else data)
    except Exception:  # noqa: BLE001 (what a damaged frame decodes to can fail in any way)
        return None
