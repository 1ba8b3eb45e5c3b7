"""A worker's end of the link: tells the supervisor how it is, and stops when the supervisor is gone."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog

from collector.background import running
from collector.workers.link import Failed, Snapshot, framed, hear_question

log = structlog.get_logger()

_EVERY = 1.0  # seconds
_LAST_WORD = 2.0  # seconds that it may take


class Lifeline:
    """``listens``: set once the public listener is there; nothing is told before."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link  # our own copy: it says the last word when the loop's is closed
        self.listens = asyncio.Event()

    @asynccontextmanager
    async def held(self, look: Callable[[int], Snapshot]) -> AsyncIterator[None]:
        """Tell and listen for the life of the block. look: by the number of the newest question."""
        link = self._link.dup()
        link.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=link)
        try:
            async with running("link", self._speak(reader, writer, look)):
                yield
        finally:
            writer.close()
            try:
                async with asyncio.timeout(_LAST_WORD):
                    await writer.wait_closed()
            except OSError:  # and TimeoutError
                writer.transport.abort()

    async def _speak(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        look: Callable[[int], Snapshot],
    ) -> None:
        newest = 0
        question = asyncio.create_task(hear_question(reader))
        listens = asyncio.create_task(self.listens.wait())
        try:
            await asyncio.wait((question, listens), return_when=asyncio.FIRST_COMPLETED)
            while True:
                if question.done():
                    heard = question.result()
                    if heard is None:
                        break
                    newest = heard
                    question = asyncio.create_task(hear_question(reader))
                # A supervisor that does not read gets no heap of snapshots.
                if not writer.transport.get_write_buffer_size():
                    writer.write(framed(look(newest)))
                await asyncio.wait((question,), timeout=_EVERY)
        finally:
            question.cancel()
            listens.cancel()
        log.error("supervisor.gone")
        signal.raise_signal(signal.SIGTERM)
        await asyncio.Event().wait()  # until the process has stopped in order

    def tell(self, last: Snapshot | Failed) -> None:
        """The last word, when nothing can change any more."""
        with suppress(OSError):
            self._link.settimeout(_LAST_WORD)
            self._link.sendall(framed(last))

    def close(self) -> None:
        self._link.close()
