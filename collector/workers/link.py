"""What a worker and its supervisor say to each other, over a socket that both inherit.

Each message is its length in four bytes and MessagePack. That the other end is closed is a message
too: the other process is gone.
"""

from __future__ import annotations

import asyncio
import struct

import msgspec

from collector.workers.merge import Family

_LENGTH = struct.Struct("!I")
_MOST = 64 * 1024 * 1024  # bytes of a message; more is no message of ours


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """How a worker is. The first one says that it listens."""

    answers: int  # the newest question it heard before it looked
    families: list[Family]
    warning: str | None
    is_down: bool  # its last commit failed


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A worker that cannot start says why, in place of a first snapshot."""

    reason: str


_read = msgspec.msgpack.Decoder(Snapshot | Failed)
_write = msgspec.msgpack.Encoder()


def framed(message: Snapshot | Failed | int) -> bytes:
    """int: a question of the supervisor's, by its number: it asks for a snapshot now."""
    body = _write.encode(message)
    return _LENGTH.pack(len(body)) + body


async def _body(reader: asyncio.StreamReader) -> bytes | None:
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > _MOST:
            return None
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def hear(reader: asyncio.StreamReader) -> Snapshot | Failed | None:
    """A worker's next message; None when the worker is gone, or speaks another language."""
    body = await _body(reader)
    try:
        return None if body is None else _read.decode(body)
    except msgspec.MsgspecError:
        return None


async def hear_question(reader: asyncio.StreamReader) -> int | None:
    """The supervisor's next question; None when the supervisor is gone."""
    body = await _body(reader)
    return None if body is None else msgspec.msgpack.decode(body, type=int)
