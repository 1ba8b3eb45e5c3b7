"""What a lint may know beside the pin sets: chains that hosts served, authorities, proven keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from collector.model import Certificate, Hash
from collector.pins.issuers import Issuer, issuer_of
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import facts, role

_BESIDE = timedelta(minutes=15)  # chains seen so near to each other are served side by side


class Served(Protocol):
    """A chain that a host served, leaf first: ``detect.served.ServedChain``, which is above this room."""

    @property
    def host(self) -> str: ...
    @property
    def chain(self) -> tuple[Certificate, ...]: ...
    @property
    def last_seen(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Known:
    """``served``: of any hosts, in any order. ``authorities``: public roots, and others whose pins may be
    in a set. ``proven`` None: nobody looked."""

    served: Sequence[Served] = ()
    authorities: Sequence[Certificate] = ()
    proven: frozenset[Hash] | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A pin and whose key it is: "leaf", "intermediate" or "root"; None: not known. ``now``: it is in a
    chain that is served now."""

    pin: Hash
    role: str | None = None
    certificate: Certificate | None = None
    now: bool = False

    @property
    def issuer(self) -> Issuer | None:
        """Of an authority's key."""
        if self.certificate is None or self.role == "leaf":
            return None
        return issuer_of(self.certificate)


def of_set(one: ShippedPinSet, known: Known) -> list[Served]:
    """Chains of the hosts that a set is for."""
    return [served for served in known.served if served.chain and one.covers_host(served.host)]


def now(chains: Sequence[Served]) -> list[Served]:
    """Of each host those that were seen last, side by side."""
    newest: dict[str, datetime] = {}
    for served in chains:
        newest[served.host] = max(served.last_seen, newest.get(served.host, served.last_seen))
    return [served for served in chains if newest[served.host] - served.last_seen <= _BESIDE]


def whole(chain: Sequence[Certificate], known: Known) -> list[Certificate]:
    """A chain with the root that servers leave out, where it is known by its name."""
    told = list(chain)
    last = facts(told[-1].der)
    if last.issuer and not last.self_signed:
        told += [root for root in known.authorities if facts(root.der).subject == last.issuer][:1]
    return told


def placed(one: ShippedPinSet, known: Known) -> list[Placed]:
    """Each pin of the set, as far as it is known whose key it is."""
    chains = of_set(one, known)
    current = {id(served) for served in now(chains)}
    found: dict[bytes, Placed] = {}
    for authority in known.authorities:
        kind = "root" if facts(authority.der).self_signed else "intermediate"
        for digest in (authority.spki_sha256, authority.spki_sha1):
            found[digest] = Placed(Hash("", digest), kind, authority)
    for served in sorted(
        chains, key=lambda served: id(served) in current
    ):  # what is served now last
        for place, certificate in enumerate(whole(served.chain, known)):
            for digest in (certificate.spki_sha256, certificate.spki_sha1):
                at = id(served) in current
                before = found.get(digest)
                at = at or (before is not None and before.now)
                found[digest] = Placed(Hash("", digest), role(place, certificate), certificate, at)
    told = ((pin, found.get(pin.digest)) for pin in one.pins)
    return [Placed(pin, at.role, at.certificate, at.now) if at else Placed(pin) for pin, at in told]
