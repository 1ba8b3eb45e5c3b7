"""Names to addresses, once a probe."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

from collector.probing.addresses import IPAddress

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
_SECONDS = 10.0


class ResolvingError(Exception):
    """A name has no address, or nobody knows; the message says which."""


async def system_resolver(host: str) -> list[IPAddress]:
    """As this machine resolves it, IPv4 and IPv6. An address stands for itself.

    Raises ResolvingError.
    """
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(_SECONDS):
            found = await _looked_up(host)
    except TimeoutError:
        raise ResolvingError(f"no answer of the resolver within {_SECONDS:g} s") from None
    except (OSError, UnicodeError) as error:
        raise ResolvingError(getattr(error, "strerror", None) or "no host name") from None
    return [ipaddress.ip_address(address) for address in found]


async def _looked_up(host: str) -> list[str]:
    """In a thread of its own: the loop's few are there for reports, and a resolver that hangs would
    take them all; nor does the process wait for it at its end."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def tell(found: list[str], error: Exception | None) -> None:
        if answer.done():  # nobody waits any more
            return
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def look() -> None:
        found: list[str] = []
        failure: Exception | None = None
        try:
            told = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = [str(each[4][0]) for each in told]
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(tell, found, failure)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    return await answer
