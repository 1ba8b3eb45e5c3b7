"""Clients that speak to the public listener by hand."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from tests.web.conftest import Site


@dataclass
class Talk:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def heard(self, seconds: float = 20.0) -> bytes:
        """All until the other side ends it."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def answer(self, seconds: float = 20.0) -> bytes:
        """One answer, of a connection that stays."""
        async with asyncio.timeout(seconds):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                return head + await self.reader.readexactly(length)
            except (ConnectionError, asyncio.IncompleteReadError):
                return b""

    @property
    def is_open(self) -> bool:
        return not self.reader.at_eof() and self.reader.exception() is None


@contextlib.asynccontextmanager
async def talking(
    site: Site, count: int = 1, *, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[list[Talk]]:
    """Connections from an address of this machine: all of 127.0.0.0/8 is it."""
    port = site.collector.public_port
    talks: list[Talk] = []
    try:
        for _ in range(count):
            opened = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0), ssl=tls
            )
            talks.append(Talk(*opened))
        yield talks
    finally:
        for talk in talks:
            talk.writer.transport.abort()


async def until(told: Callable[[], bool], seconds: float = 20.0) -> None:
    """Raises TimeoutError where it does not become true."""
    async with asyncio.timeout(seconds):
        while not told():
            await asyncio.sleep(0.02)


def posted(site: Site, body: bytes, announced: int | None = None) -> bytes:
    """A request, with more announced than is there where somebody wants that."""
    length = len(body) if announced is None else announced
    head = f"POST /r/{site.key} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body
