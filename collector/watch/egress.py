"""Networks that an operator declared as the egress of many: each of their installs counts."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from collector.detect.counting import Sighting
from collector.fingerprint import network_hash, network_of

_MOST = 65_536  # networks of one declaration
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Egress:
    """Sightings hold a network's hash only, of the day's secret: so all that are declared are hashed."""

    def __init__(
        self, declared: Iterable[Network], secrets: Callable[[], Mapping[date, bytes]]
    ) -> None:
        self._networks = [part for one in declared for part in _parts(one)]
        self._secrets = secrets
        self._hashed: dict[date, frozenset[bytes]] = {}

    def __call__(self, sighting: Sighting) -> bool:
        """Whether its network is one of them; of a day whose secret is gone, none is."""
        if not self._networks:
            return False
        day = sighting.received_at.date()
        if day not in self._hashed:
            secret = self._secrets().get(day)
            if secret is None:
                return False
            self._hashed = {
                known: hashed for known, hashed in self._hashed.items() if known in self._secrets()
            }
            self._hashed[day] = frozenset(
                network_hash(secret, "network", network) for network in self._networks
            )
        return sighting.network in self._hashed[day]


def _parts(declared: Network) -> list[bytes]:
    """The /24s or /48s that it is made of, or that it lies in; as ``fingerprint.network_of`` tells them."""
    size = 24 if declared.version == 4 else 48
    if declared.prefixlen >= size:
        return [network_of(declared.network_address)]
    if 2 ** (size - declared.prefixlen) > _MOST:
        raise ValueError(f"{declared} is larger than {_MOST} networks")
    return [network_of(part.network_address) for part in declared.subnets(new_prefix=size)]
