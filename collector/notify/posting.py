"""One request to a receiver: bounded in time, without redirects, with errors that hold no address.

An answer's body is never read: it may be endless, and may hold what we sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from collector import __version__
from collector.notify.channel import DeliveryError, refused

_WITHIN = 15.0  # seconds, from the name's resolution to the answer's headers
_CONNECT = 7.0


@dataclass(frozen=True, slots=True)
class Poster:
    session: aiohttp.ClientSession
    clock: Callable[[], datetime]

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        proxy: str | None = None,
    ) -> None:
        """JSON. Raises DeliveryError."""
        told = {"Content-Type": "application/json", **(headers or {})}
        await self._ask("POST", url, body, told, proxy)

    async def get(self, url: str, *, proxy: str | None = None) -> None:
        """Raises DeliveryError."""
        await self._ask("GET", url, None, {}, proxy)

    async def _ask(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        proxy: str | None,
    ) -> None:
        try:
            async with self.session.request(
                method, url, data=body, headers=headers, proxy=proxy, allow_redirects=False
            ) as response:
                status, wait = response.status, response.headers.get("Retry-After")
                response.close()
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            raise DeliveryError(_why(error), permanent=False) from None
        failure = refused(status, wait, self.clock())
        if failure is not None:
            raise failure


def _why(error: Exception) -> str:
    """The type and the system's own words: others may hold the address."""
    number: object = getattr(error, "errno", None)
    known = f": {os.strerror(number)}" if isinstance(number, int) and number > 0 else ""
    return type(error).__name__ + known


def open_session() -> aiohttp.ClientSession:
    """For all channels. Connections are not kept: alerts are rare, and a stale one costs a try."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=0, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=_WITHIN, connect=_CONNECT),
        headers={"User-Agent": f"pinfall/{__version__}"},
    )
