"""Something between `serve` and Postgres that loses connections just when a transaction is committed.

A kill at a random moment hardly ever comes between a commit and its answer; and that is where a report
may be stored, and nobody knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

HOWS = ("before", "after", "late")
_SOCKET = ".s.PGSQL.5432"
_LATE = 3.0  # seconds: longer than the product waits for a commit


class Between:
    """``cut``: of the next commits, by how: it never gets there, its answer is lost, or it gets there long
    after whoever sent it has given up. ``done``: how many of them came about."""

    def __init__(self, url: str) -> None:
        self._there = parse_qs(urlsplit(url).query)["host"][0]
        self._here = Path(
            tempfile.mkdtemp(prefix="pinfall-")
        )  # short, as paths of sockets have to be
        self.url = url.partition("?")[0] + f"?host={quote(str(self._here), safe='')}"
        self.cut: list[str] = []
        self.done = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._connected, self._here / _SOCKET)
        try:
            yield
        finally:
            server.close()
            shutil.rmtree(self._here)

    async def _connected(self, told: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        try:
            said, ask = await asyncio.open_unix_connection(f"{self._there}/{_SOCKET}")
        except OSError:
            answer.transport.abort()
            return
        there = asyncio.create_task(self._back(said, answer))
        try:
            while data := await told.read(65_536):
                if self.cut and b"COMMIT" in data:
                    self.done += 1
                    there.cancel()  # nothing that is said from here on gets back
                    await self._lose(self.cut.pop(), data, said, ask, answer)
                    return
                ask.write(data)
                await ask.drain()
        except OSError:
            pass
        finally:
            there.cancel()
            answer.transport.abort()
            ask.transport.abort()

    async def _back(self, said: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await said.read(65_536):
                answer.write(data)
                await answer.drain()
        answer.transport.abort()

    async def _lose(
        self,
        how: str,
        data: bytes,
        said: asyncio.StreamReader,
        ask: asyncio.StreamWriter,
        answer: asyncio.StreamWriter,
    ) -> None:
        if how == "before":
            return
        if how == "late":
            answer.transport.abort()
            await asyncio.sleep(_LATE)
        ask.write(data)
        await ask.drain()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(said.read(1), 30.0)  # it is committed
