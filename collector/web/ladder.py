"""A chain as pages show it: one place a certificate, leaf first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from collector.model import Certificate, Hash
from collector.reports.certificates import Facts, facts, role
from collector.web import rendering

_SANS = 8  # names that are shown


@dataclass(frozen=True, slots=True)
class Place:
    """One certificate, or only its hash. ``pinned``: one of the pins in question is of it."""

    role: str
    pin: str | None
    subject: str | None
    issuer: str | None = None
    validity: str | None = None
    sans: str | None = None
    key: str | None = None
    pinned: bool = False


def ladder(chain: Sequence[Certificate], pins: Collection[str]) -> list[Place]:
    """pins: as ``Hash`` writes them."""
    return [_place(number, certificate, pins) for number, certificate in enumerate(chain)]


def _place(number: int, certificate: Certificate, pins: Collection[str]) -> Place:
    told: Facts = facts(certificate.der)
    pin = str(Hash("sha256", certificate.spki_sha256))
    sha1 = str(Hash("sha1", certificate.spki_sha1))
    return Place(
        role(number, certificate),
        pin,
        told.subject if told.subject is not None else "too odd to tell",
        told.issuer,
        f"{rendering.time(told.not_before)} to {rendering.time(told.not_after)}",
        ", ".join(told.sans[:_SANS]) + (" …" if len(told.sans) > _SANS else ""),
        told.key,
        pin in pins or sha1 in pins,
    )
