"""Where a pin can be satisfied: what a server would send, and what clients put behind or instead of it.

A client checks pins against the path that it builds. That holds the leaf and, as a rule, what the server
sends; it ends at a root of the client's own store. That root is often not sent, and a pin to it is
satisfied all the same. Where the store also holds a certificate of the same key as one that is sent (a
root and its cross-sign), the path may end there, and what is sent behind it satisfies nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from collector.model import Certificate, Hash
from collector.reports.certificates import facts, role, signed_by
from collector.reports.pem import KeyRequest, told_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place of a path. ``role``: leaf, intermediate or root; ``sent``: by the server."""

    role: str
    name: str
    keys: tuple[Hash, Hash]  # SHA-256 and SHA-1 of the SPKI
    not_after: datetime | None = None
    sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """``places``: as sent, leaf first. ``ends``: roots that a client may add behind the last of them.

    ``sure``: how many of the places are in every client's path; those behind only where the store does
    not end it earlier, at the key of place ``sure - 1``. ``whole``: there is no store that does, so each path
    ends at one of ``ends``. ``known``: False where what is above the last
    place is not known, as of a request without its issuer.
    """

    places: tuple[Place, ...]
    ends: tuple[Place, ...] = ()
    sure: int
    whole: bool = True
    known: bool = True


@dataclass(frozen=True, slots=True)
class Held:
    """A pin that a path satisfies. ``condition``: None if every client's path has the place."""

    pin: Hash
    place: Place
    condition: str | None = None
    certain: bool = True  # False: some clients' paths end before it


def path_of(
    told: Sequence[Certificate] | KeyRequest,
    issuers: Sequence[Certificate] = (),
    roots: Sequence[Certificate] = (),
) -> Path:
    """told: a chain, leaf first; or a request, for a certificate that ``issuers`` will sign.

    issuers: of a request the chain above it, its issuer first; of a chain further roots that clients
    trust. roots: of public trust stores.
    """
    if isinstance(told, KeyRequest):
        leaf = Place(
            role="leaf",
            name=told.subject or next(iter(told.names), "the request's key"),
            keys=(Hash("sha256", told.spki_sha256), Hash("sha1", told.spki_sha1)),
        )
        above = [_place(n, c) for n, c in enumerate(issuers, 1)]
        return _path((leaf, *above), [None, *issuers], roots, known=bool(issuers))
    places = tuple(_place(number, certificate) for number, certificate in enumerate(told))
    return _path(places, list(told), [*roots, *issuers], known=True)


def _place(number: int, certificate: Certificate, *, sent: bool = True) -> Place:
    return Place(
        role=role(number, certificate),
        name=told_name(certificate),
        keys=(Hash("sha256", certificate.spki_sha256), Hash("sha1", certificate.spki_sha1)),
        not_after=facts(certificate.der).not_after,
        sent=sent,
    )


def _path(
    places: tuple[Place, ...],
    certificates: Sequence[Certificate | None],
    roots: Sequence[Certificate],
    *,
    known: bool,
) -> Path:
    by_name: dict[str | None, list[Certificate]] = {}
    for root in roots:
        by_name.setdefault(facts(root.der).subject, []).append(root)
    sure, whole = len(places), True
    ends: dict[bytes, Place] = {}
    for number, certificate in enumerate(certificates):
        if certificate is None or facts(certificate.der).self_signed:
            continue
        above = by_name.get(facts(certificate.der).issuer, ())
        for root in above:
            if not signed_by(certificate, root):
                continue
            if number == len(certificates) - 1:
                ends[root.spki_sha256] = _place(len(places), root, sent=False)
            elif _is(certificates[number + 1], root):
                sure, whole = min(sure, number + 2), False
    return Path(places=places, ends=tuple(ends.values()), sure=sure, whole=whole, known=known)


def _is(certificate: Certificate | None, root: Certificate) -> bool:
    return certificate is not None and certificate.spki_sha256 == root.spki_sha256


def satisfied(pins: Sequence[Hash], path: Path) -> tuple[Held, ...]:
    """What of a pin set a path satisfies: sure ones first, then leaf first. Digests compare within
    their kind, as in ``pins.model.matches``."""
    wanted = {(pin.kind, pin.digest): pin for pin in pins}
    found = []
    for number, place in enumerate(path.places):
        for key in place.keys:
            pin = wanted.get((key.kind, key.digest))
            if pin is not None:
                sure = number < path.sure
                told = None if sure else f"if the client's path goes on to {place.name}"
                found.append(Held(pin, place, told, certain=sure))
    certain = path.whole and len(path.ends) == 1
    for end in path.ends:
        for key in end.keys:
            pin = wanted.get((key.kind, key.digest))
            if pin is not None:
                told = f"if the client's path ends at {end.name}"
                found.append(Held(pin, end, told, certain=certain))
    return tuple(sorted(found, key=lambda held: (not held.certain, held.condition is not None)))
