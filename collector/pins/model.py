"""The nouns of pin sets: what a release ships, and how a chain looks to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.model import Certificate, Hash
from collector.pins.versions import is_between


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedPinSet:
    """What releases of an app pin for one host, as somebody who knows registered it.

    ``host`` is a lower-case A-label; ``include_subdomains``: also every name under it. ``*.`` before it
    stands for exactly one label, as OkHttp means it. ``app``, ``platform`` and both ends of the version
    range: None is any; the ends are in the range. ``pins`` are sorted, each once; none at all: the host
    is taken out of what is pinned for a domain above it. ``enforced`` False: failures are reported and
    not blocked. ``expires``: from then on clients do not pin. ``report_uris``: where failures are sent;
    ``default_report_uri``: also to the SDK's makers. ``format`` names the reader, ``source`` the file.
    """

    host: str
    pins: tuple[Hash, ...]
    include_subdomains: bool = False
    app: str | None = None
    platform: str | None = None
    version_from: str | None = None
    version_to: str | None = None
    enforced: bool | None = None
    starts: datetime | None = None
    expires: datetime | None = None
    report_uris: tuple[str, ...] = ()
    default_report_uri: bool = False
    format: str = ""
    source: str = ""

    def covers_host(self, host: str) -> bool:
        if self.host.startswith("*."):
            return host.partition(".")[2] == self.host[2:]
        return host == self.host or (self.include_subdomains and host.endswith("." + self.host))

    def covers_version(self, version: str) -> bool:
        return is_between(version, self.version_from, self.version_to)

    def pins_at(self, at: datetime) -> bool:
        """Whether clients pin then: the set is in force, and has not expired."""
        return (self.starts is None or self.starts <= at) and (
            self.expires is None or at < self.expires
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPinSet:
    """A pin set that enough installs of a version agree on. It informs, and is never the registry.

    ``app_version`` and ``platform`` are "" where reports do not tell. ``networks``: of the day that
    had most of them, since networks of two days cannot be compared.
    """

    host: str
    app: str
    app_version: str
    platform: str
    pins: tuple[Hash, ...]
    installs: int
    networks: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class Match:
    """A pin that a chain satisfies, and where. place: 0 is the leaf."""

    pin: Hash
    place: int


def matches(pins: Sequence[Hash], chain: Sequence[Certificate]) -> tuple[Match, ...]:
    """Which pins a chain satisfies, leaf first. SHA-256 is compared with SHA-256, SHA-1 with SHA-1."""
    found = []
    for place, certificate in enumerate(chain):
        for pin in pins:
            told = certificate.spki_sha256 if pin.kind == "sha256" else certificate.spki_sha1
            if pin.kind in ("sha256", "sha1") and pin.digest == told:
                found.append(Match(pin, place))
    return tuple(found)
