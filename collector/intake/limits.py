"""How much one source may send: by address and by network first, and by key only where asked for.

The key in an app is public, so a flood on it is anybody's, and must not cost its owner an honest report.
Limits are generous: behind one address of a carrier stand thousands of phones. Pure: the time is an
argument.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from collector.fingerprint import IPAddress
from collector.intake.buckets import Buckets

RATE, BURST = 50.0, 2000.0  # items a second of one address (IPv6: of one /64), and at once
_NETWORK = 10  # times as much of a /24 or /48
_FLOOD = 10  # times a limit: from there on it is not worth reading
_BYTES = 16 * 1024  # of a body cost as much as an item
_SMALL_RATE, _SMALL_BURST = 0.2, 20.0  # of an address, never shed for the sake of its key
_QUOTA_SECONDS = 60  # of a key's quota may come at once
# This machine, or a proxy that nobody declared: behind it are all clients, and not one.
_OWN = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
_OWN_BEGINS = frozenset(own.network_address.packed[0] for own in _OWN if own.version == 4)


class Source(NamedTuple):
    """Who is counted. None: it is not limited."""

    address: bytes
    network: bytes


def source_of(address: IPAddress) -> Source | None:
    packed = address.packed
    if len(packed) == 4:
        if packed[0] in _OWN_BEGINS and any(address in own for own in _OWN if own.version == 4):
            return None
        return Source(packed, packed[:3])
    if any(address in own for own in _OWN if own.version == 6):
        return None
    return Source(packed[:8], packed[:6])


@dataclass(slots=True)
class Limits:
    rate: float = RATE
    burst: float = BURST
    _addresses: Buckets = field(init=False)
    _networks: Buckets = field(init=False)
    _floods: Buckets = field(init=False)
    _keys: dict[Hashable, Buckets] = field(init=False)
    _small: Buckets = field(init=False)
    _small_networks: Buckets = field(init=False)

    def __post_init__(self) -> None:
        rate, burst = self.rate, self.burst
        self._addresses = Buckets(rate, burst)
        self._networks = Buckets(rate * _NETWORK, burst * _NETWORK)
        self._floods = Buckets(rate * _FLOOD, burst * _FLOOD)
        self._keys = {}
        self._small = Buckets(_SMALL_RATE, _SMALL_BURST)
        self._small_networks = Buckets(_SMALL_RATE * _NETWORK, _SMALL_BURST * _NETWORK)

    def is_flood(self, source: Source, now: float) -> bool:
        """Whether an address sends so much that its requests are not read any more."""
        if self._addresses.level(source.address, now) >= 1:
            return False  # it is within its limit, and so within ten times of it
        return not self._floods.take(source.address, 1, now)

    def admit(
        self, source: Source, items: int, size: int, now: float, key: Hashable, quota: float | None
    ) -> int:
        """How many of a body's items are taken, from the first on.

        size: bytes of the body. quota: items a second of the key, if an operator set one; a key with
        another quota is another key.
        """
        if items == 1 and quota is None:
            cost = 1 + size / _BYTES
            # One that its network has no room for has paid of its own: it gets no more for it.
            if not self._addresses.take(source.address, cost, now):
                return 0
            return int(self._networks.take(source.network, cost, now))
        each = 1 + size / _BYTES / items
        room = min(
            self._addresses.level(source.address, now), self._networks.level(source.network, now)
        )
        taken = min(items, int(room / each))
        if quota is not None:
            taken = self._within_quota(source, taken, now, key, quota)
        if taken:
            self._addresses.spend(source.address, taken * each, now)
            self._networks.spend(source.network, taken * each, now)
        if items > 1:  # the request itself was counted when it came
            self._floods.spend(
                source.address, min(items - 1, self._floods.level(source.address, now)), now
            )
        return taken

    def admit_easily(self, source: Source, size: int, now: float) -> bool:
        """One item of a key without a quota, from a source that is within its limits. False: nothing was
        taken, and ``is_flood`` and ``admit`` are to be asked."""
        cost = 1 + size / _BYTES
        if self._networks.level(source.network, now) < cost:
            return False
        return self._addresses.take(source.address, cost, now) and self._networks.take(
            source.network, cost, now
        )

    def _within_quota(
        self, source: Source, items: int, now: float, key: Hashable, quota: float
    ) -> int:
        buckets = self._keys.get(key)
        if buckets is None:
            buckets = self._keys[key] = Buckets(quota, quota * _QUOTA_SECONDS, 1)
        small = min(
            self._small.level(source.address, now), self._small_networks.level(source.network, now)
        )
        own = min(items, int(small))
        of_key = min(items - own, int(buckets.level(key, now)))
        if own:
            self._small.spend(source.address, own, now)
            self._small_networks.spend(source.network, own, now)
        if of_key:
            buckets.spend(key, of_key, now)
        return own + of_key
