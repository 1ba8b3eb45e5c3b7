"""What any proxy of the docs has to do, asked of a real one in front of a real collector."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import aiohttp

from tests.make import chain, neutral
from tests.web.conftest import Site

NAME = "reports.example.net"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def filled(text: str, changes: dict[str, str]) -> str:
    """The docs' text, for this machine."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def certified(directory: Path) -> None:
    """reports.pem and reports.key, and ca.pem that clients trust."""
    leaf, intermediate, root = chain(NAME)
    (directory / "reports.pem").write_text(leaf.pem + intermediate.pem)
    (directory / "reports.key").write_bytes(leaf.key_pem)
    (directory / "ca.pem").write_text(root.pem)


@contextmanager
def running(command: Sequence[str], port: int, directory: Path) -> Iterator[int]:
    """The program, once it listens; it is ended after."""
    # What programs keep for themselves stays here.
    env = {"HOME": str(directory), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    process = subprocess.Popen(command, env=env)
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < until, f"{command[0]} does not listen"
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def passes_reports_on(site: Site, proxy: int, directory: Path) -> None:
    """A chunked report passes with its sender's address, one that is too large does not, nothing is a
    redirect."""
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    # By its name, as clients ask: a proxy may serve others, too.
    connector = aiohttp.TCPConnector(ssl=context, resolver=_Here())
    url = f"https://{NAME}:{proxy}"
    raw = json.dumps(neutral(install_id="behind-a-proxy")).encode()

    async def chunks() -> AsyncIterator[bytes]:
        yield raw[:100]
        await asyncio.sleep(0.01)
        yield raw[100:]

    async with aiohttp.ClientSession(connector=connector) as session:
        # What the client writes itself is not believed.
        headers = {"X-Forwarded-For": "203.0.113.9"}
        async with session.post(
            f"{url}/r/{site.key}", data=chunks(), headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["accepted"] == 1
        large = io.BytesIO(b"x" * (5 << 20))
        async with session.post(f"{url}/r/{site.key}", data=large) as answer:
            assert answer.status == 413
        # No redirect: not to another scheme, not to a host of the configuration.
        async with session.get(f"{url}/healthz", allow_redirects=False) as answer:
            assert answer.status == 200
    direct = await site.post(neutral(install_id="without-a-proxy"))
    assert direct.json["accepted"] == 1
    counted = await site.pool.fetchrow(
        "SELECT count(*) AS sightings, count(DISTINCT network) AS networks FROM sighting"
    )
    assert (counted["sightings"], counted["networks"]) == (2, 1)


class _Here(aiohttp.abc.AbstractResolver):
    """Every name leads to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            {
                "hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET,
                "proto": 0, "flags": socket.AI_NUMERICHOST,
            }
        ]  # fmt: skip

    async def close(self) -> None:
        pass
