"""A small SMTP server that plays a mail server, and answers as a test tells it to."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class Mailbox:
    """``answers``: by command, or whole line in capitals, instead of the usual one."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    starttls: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(words: str) -> None:
            writer.write(f"{words}\r\n".encode())
            await writer.drain()

        secure = self.tls is not None and not self.starttls
        if self.answers.get("connect") == "silence":
            await asyncio.sleep(3600)
        await say(self.answers.get("connect", "220 mail.example ready"))
        while line := (await reader.readline()).decode().strip():
            command = line.split(" ")[0].upper()
            self.commands.append(command)
            answer = self.answers.get(line.upper(), self.answers.get(command))
            if answer is not None:
                await say(answer)
            elif command in ("EHLO", "HELO"):
                more = ["mail.example"]
                more += ["STARTTLS"] if self.starttls and not secure else []
                more += ["AUTH PLAIN"] if secure else []
                for word in more[:-1]:
                    await say(f"250-{word}")
                await say(f"250 {more[-1]}")
            elif command == "STARTTLS":
                await say("220 go on")
                await writer.start_tls(self.tls)  # type: ignore[arg-type]
                secure = True
            elif command == "AUTH":
                self.passwords.append(base64.b64decode(line.split(" ")[2]).decode())
                await say("235 welcome")
            elif command == "DATA":
                await say("354 go on")
                raw = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                self.raw.append(raw)
                self.mails.append(message_from_bytes(raw, policy=default))
                await say(self.answers.get("end of data", "250 taken"))
            else:
                await say("221 bye" if command == "QUIT" else "250 fine")


@asynccontextmanager
async def delivering(
    tls: ssl.SSLContext | None = None, *, starttls: bool = False
) -> AsyncIterator[Mailbox]:
    box = Mailbox(tls=tls, starttls=starttls)
    implicit = None if starttls else tls
    server = await asyncio.start_server(box.talk, "127.0.0.1", 0, ssl=implicit)
    box.port = server.sockets[0].getsockname()[1]
    async with server:
        yield box
