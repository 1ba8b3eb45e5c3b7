"""Names to addresses, once a probe."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from collector.probing.addresses import IPAddress

Resolve = Callable[[str], Awaitable[Sequence[IPAddress]]]
_SECONDS = 10.0


class ResolvingError(Exception):
    """A name has no address, or nobody knows; the message says which."""


async def system_resolver(host: str) -> list[IPAddress]:
    """As this machine resolves it, IPv4 and IPv6. An address stands for itself.

    Raises ResolvingError. A resolver that hangs costs a thread until it gives up by itself.
    """
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ResolvingError("no answer of the resolver within 10 s") from None
    except (OSError, UnicodeError) as error:
        raise ResolvingError(getattr(error, "strerror", None) or "no host name") from None
    return [ipaddress.ip_address(told[4][0]) for told in found]
