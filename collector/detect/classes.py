"""Class of a report: which of three counts it belongs to. Decided a report, never inherited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collector.detect.dictionary import Product, product_among
from collector.detect.knowledge import Knowledge
from collector.detect.paths import Anchor, Roots, anchor, is_broken, path_of
from collector.model import Certificate, Hash, Kind
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import facts


class Class(StrEnum):
    """What detection counts apart."""

    SELF = "self"
    INTERCEPTION = "interception"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reported:
    """A chain as a report has it, leaf first. ``hashes``: of each place, None where it cannot be read;
    ``certificates``: those that were sent whole; ``subjects``: names beside hashes."""

    hashes: tuple[Hash | None, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    subjects: tuple[str, ...] = ()

    @property
    def leaf(self) -> Hash | None:
        return self.hashes[0] if self.hashes else None

    @property
    def unreadable(self) -> int:
        return sum(1 for value in self.hashes if value is None)


@dataclass(frozen=True, slots=True)
class Look:
    """What a chain shows, checked once: the path that signatures prove, what is above it, whether its
    links contradict each other, and the product that its issuers call themselves."""

    reported: Reported
    path: tuple[Certificate, ...]
    anchor: Anchor
    broken: bool
    product: Product | None


def look(reported: Reported, known: Knowledge, roots: Roots) -> Look:
    """Milliseconds where signatures are new."""
    chain = reported.certificates
    if chain and reported.hashes[:1] == (None,):
        chain = ()  # the leaf cannot be read: what is left is no path of it
    path = path_of(chain)
    if path:
        top = anchor(path, roots, known.public, known.own)
        names = _issuers(path)
    else:
        top, names = _told(reported, known, roots), reported.subjects[1:]
    product = None if top in (Anchor.PUBLIC, Anchor.OWN) else product_among(names)
    return Look(reported, path, top, is_broken(chain, path), product)


def _issuers(path: Sequence[Certificate]) -> tuple[str, ...]:
    return tuple(name for c in path if (name := facts(c.der).issuer))


def _told(reported: Reported, known: Knowledge, roots: Roots) -> Anchor:
    """Of hashes only. Where names stand beside them it is a text of OkHttp, whose last is the root."""
    above = [value.digest for value in reported.hashes[1:] if value and value.kind == "sha256"]
    if any(digest in roots.keys or digest in known.public for digest in above):
        return Anchor.PUBLIC
    if any(digest in known.own for digest in above):
        return Anchor.OWN
    ends = reported.hashes[-1] if len(reported.hashes) > 1 and reported.subjects else None
    return Anchor.PRIVATE if ends is not None and ends.kind == "sha256" else Anchor.OPEN


def class_of(
    seen: Look | None,
    kind: Kind,
    host: str,
    at: datetime,
    known: Knowledge,
    leaf: Hash | None = None,
) -> Class:
    """leaf: where there is no chain to look at. at: of receipt."""
    leaf = seen.reported.leaf if seen is not None else leaf
    found = known.knows(leaf, host)
    if found is not None and found.is_ours_at(at):
        return Class.SELF
    if seen is not None and (seen.anchor is Anchor.PRIVATE or seen.product is not None):
        return Class.INTERCEPTION
    if kind is Kind.USER_ANCHOR and (seen is None or seen.anchor is not Anchor.OWN):
        return Class.INTERCEPTION  # the client itself says that its user installed the root
    return Class.UNKNOWN


def covering(
    sets: Iterable[ShippedPinSet], app: str, version: str, platform: str
) -> list[ShippedPinSet]:
    """What was imported of this release; sets of other hosts are left out before."""
    return [
        shipped
        for shipped in sets
        if shipped.app in (None, app)
        and (shipped.platform is None or shipped.platform.upper() == platform.upper())
        and version
        and shipped.covers_version(version)
    ]


def differs(pins: Sequence[Hash], sets: Sequence[ShippedPinSet]) -> bool:
    """Whether a release is known to ship other pins than a report says. A report without pins says
    nothing; neither does a release that is not imported."""
    if not pins or not sets:
        return False
    told = set(pins)
    shipped = [set(one.pins) for one in sets]
    return told not in shipped and told != set().union(*shipped)
