"""Who sent a request: the peer, unless the peer is a proxy that the operator trusts."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import Sequence
from functools import lru_cache

from aiohttp import web

from collector.fingerprint import IPAddress, network_of
from collector.intake.prepare import canonical
from collector.settings import Network

_FOR = re.compile(r"(?:^|;)\s*for\s*=\s*(\"[^\"]*\"|[^;\"\s]*)", re.IGNORECASE)
_MOST_HOPS = 32
_NOBODY = canonical("0.0.0.0")  # noqa: S104 (gone before it was asked: never taken for this machine)


def _entry(text: str) -> IPAddress | None:
    """An address as proxies write it: with or without a port, brackets, quotes."""
    try:
        return canonical(text)
    except ValueError:
        pass
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return canonical(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def trusted(address: IPAddress, proxies: tuple[Network, ...]) -> bool:
    return any(address.version == n.version and address in n for n in proxies)


def _walk(peer: IPAddress, hops: Sequence[str], proxies: tuple[Network, ...]) -> IPAddress:
    """From the right: the first that is not a trusted proxy. What cannot be read stops the walk at
    the proxy that passed it on: further left anybody can have written anything."""
    address = peer
    for hop in reversed(hops[-_MOST_HOPS:]):
        if not trusted(address, proxies):
            break
        found = _entry(hop)
        if found is None:
            break
        address = found
    return address


def client_address(
    peer: IPAddress,
    forwarded_for: Sequence[str],
    forwarded: Sequence[str],
    proxies: tuple[Network, ...],
) -> IPAddress:
    """The sender's address.

    forwarded_for, forwarded: all lines of X-Forwarded-For and Forwarded, in order. A proxy writes
    one of them and may pass the other on as the client wrote it: where they disagree, neither is
    believed, and the sender is the proxy.
    """
    if not proxies or not trusted(peer, proxies):
        return peer
    told = []
    if forwarded_for:
        told.append(_walk(peer, ",".join(forwarded_for).split(","), proxies))
    if forwarded:
        hops = [(m[1] if (m := _FOR.search(hop)) else "") for hop in ",".join(forwarded).split(",")]
        told.append(_walk(peer, hops, proxies))
    if not told or any(address != told[0] for address in told):
        return peer
    return told[0]


def peer_of(transport: asyncio.BaseTransport | None) -> IPAddress:
    name = transport.get_extra_info("peername") if transport else None
    return canonical(name[0]) if isinstance(name, tuple) else _NOBODY


def one_hop(peer: IPAddress, told: str | None, proxies: tuple[Network, ...]) -> IPAddress | None:
    """``client_address`` of at most one line of X-Forwarded-For; None where that has several hops."""
    if told is None or not proxies or not trusted(peer, proxies):
        return peer
    return None if "," in told else _entry(told) or peer


def address_of(request: web.BaseRequest, proxies: tuple[Network, ...]) -> IPAddress:
    peer = peer_of(request.transport)
    if not proxies or not trusted(peer, proxies):
        return peer
    headers = request.headers
    told = headers.getall("X-Forwarded-For", [])
    if len(told) == 1 and "," not in told[0] and "Forwarded" not in headers:
        return _entry(told[0]) or peer  # one proxy, which wrote one hop: as nearly all are
    return client_address(peer, told, headers.getall("Forwarded", []), proxies)


class OneAddress:
    """Notices that all reports come from one network: a proxy that nobody declared."""

    WINDOW = 1000
    SHARE = 0.95
    WARNING = "all reports come from one address: set PINFALL_TRUSTED_PROXIES"

    def __init__(self) -> None:
        self._recent: deque[IPAddress] = deque(maxlen=self.WINDOW)

    def saw(self, address: IPAddress, items: int = 1) -> None:
        if items == 1:
            self._recent.append(address)
        else:
            self._recent.extend([address] * min(items, self.WINDOW))

    @property
    def warning(self) -> str | None:
        """Counted when somebody asks: that is seldom, and reports are many."""
        if len(self._recent) < self.WINDOW:
            return None
        [(_, most)] = Counter(network_of(address) for address in self._recent).most_common(1)
        return self.WARNING if most >= self.SHARE * self.WINDOW else None
