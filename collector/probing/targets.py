"""Whom to ask: hosts of pinfall.toml, and those that somebody registered. Never one that a report named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from collector.pinfall_toml import HostToml
from collector.probing.addresses import IPAddress
from collector.probing.roots import Roots, private_roots, public_roots
from collector.probing.tls import ClientCertificate
from collector.store.hosts import Probed

USUAL = timedelta(minutes=5)
JITTER = 0.1  # of it, more or less
SOONEST = timedelta(minutes=1)  # after the last time, whoever wants it


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    host: str
    port: int
    third_party: bool = False
    allow_private: bool = False
    addresses: frozenset[IPAddress] = frozenset()
    roots: Path | None = None
    client: ClientCertificate | None = None

    def trusted_roots(self) -> Roots:
        """Read anew, so that a file can be renewed. Raises OSError or ValueError."""
        return public_roots() if self.roots is None else private_roots(self.roots.read_bytes())


def targets(named: Sequence[HostToml], registered: Iterable[Probed]) -> list[Target]:
    """Each (host, port) once. What pinfall.toml says of one goes before what was registered."""
    found = {
        (host.host, host.port): Target(host=host.host, port=host.port, third_party=host.third_party)
        for host in registered
    }
    for told in named:
        found.pop((told.name, told.port), None)
        if told.probe:
            found[told.name, told.port] = _of(told)
    return sorted(found.values(), key=lambda target: (target.host, target.port))


def _of(told: HostToml) -> Target:
    client = None
    if told.client_cert is not None and told.client_key is not None:
        client = ClientCertificate(told.client_cert, told.client_key)
    return Target(
        host=told.name,
        port=told.port,
        third_party=told.third_party,
        allow_private=told.allow_private,
        addresses=told.addresses,
        roots=told.roots,
        client=client,
    )


def due_at(target: Target, last: datetime | None) -> datetime | None:
    """When a host is asked again, the same for every process; None: now, it never was.

    Jitter by host and time, so that hosts which were registered together do not stay together.
    """
    if last is None:
        return None
    told = sha256(f"{target.host}:{target.port}:{last.isoformat()}".encode()).digest()
    part = int.from_bytes(told[:4]) / 2**32  # 0 to 1
    return last + USUAL * (1 - JITTER + 2 * JITTER * part)
