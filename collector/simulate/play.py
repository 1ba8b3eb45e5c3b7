"""A fleet's reports over real HTTP, each at its time and from its address."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp

from collector.simulate.fleet import Fleet, Sent, address

_AT_ONCE = 64
_WAIT = aiohttp.ClientTimeout(total=30)


@dataclass(slots=True)
class Told:
    """Answers by status, and items by what the server said became of them."""

    answers: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)


async def play(
    fleet: Fleet,
    url: str,
    speed: float,
    at: Callable[[float], Awaitable[None]] | None = None,
    progress: Callable[[float, Told], None] | None = None,
) -> Told:
    """Send all of it. speed: simulated seconds in a real one. at: called at each report's time."""
    loop, told = asyncio.get_running_loop(), Told()
    began, places = loop.time(), asyncio.Semaphore(_AT_ONCE)
    loopback = _is_loopback(url)
    async with asyncio.TaskGroup() as group:
        for sent in fleet.reports():
            await asyncio.sleep(max(0.0, began + sent.at / speed - loop.time()))
            if at is not None:
                await at(sent.at)
            if progress is not None:
                progress(sent.at, told)
            await places.acquire()
            task = group.create_task(_post(url, sent, told, loopback=loopback))
            task.add_done_callback(lambda _: places.release())
    await asyncio.sleep(max(0.0, began + fleet.seconds / speed - loop.time()))
    return told


def _is_loopback(url: str) -> bool:
    """Whether each sender can have an address of its own there: only Linux owns all of 127/8."""
    host = urlsplit(url).hostname or ""
    try:
        local = ipaddress.ip_address(host) in ipaddress.ip_network("127.0.0.0/8")
    except ValueError:
        local = host == "localhost"
    return local and sys.platform == "linux"


async def _post(url: str, sent: Sent, told: Told, *, loopback: bool) -> None:
    message = sent.make(datetime.now(UTC))
    source = address(sent.network, sent.host, loopback=loopback)
    headers = {"User-Agent": message.agent, "Content-Type": message.content_type}
    if not loopback:
        headers["X-Forwarded-For"] = source
    connector = aiohttp.TCPConnector(
        local_addr=(source, 0) if loopback else None,
        force_close=True,
        family=socket.AF_INET if loopback else socket.AF_UNSPEC,
    )
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=_WAIT) as session,
            session.post(
                url, data=message.body.encode(), headers=headers, allow_redirects=False
            ) as answer,
        ):
            told.answers[str(answer.status)] += 1
            if answer.status == 200:
                for name, items in (await answer.json(content_type=None)).items():
                    if isinstance(items, int):
                        told.items[name] += items
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        told.answers[type(error).__name__] += 1
