"""A case: all that is known of one signature when it is judged. Made of sightings in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.detect.classes import Class, Look, Reported, class_of, covering, differs, look
from collector.detect.knowledge import NO_ROOTS, NOTHING, Knowledge, Known
from collector.detect.paths import Roots, full_path
from collector.detect.served import Rotation, ServedChain
from collector.model import Certificate, Hash, Kind
from collector.pins.model import ShippedPinSet, matches

MANY_INSTALLS, MANY_NETWORKS = 20, 10
Pins = tuple[Hash, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One sighting. ``at``: of receipt. ``validated``: the chain is the one that the client built.
    ``os``: system and version, ``sdk``: library and version, "" where not told."""

    install: bytes
    network: bytes
    operator_network: bytes
    at: datetime
    chain: Reported | None
    leaf: Hash | None = None
    pins: Pins = ()
    app: str = ""
    version: str = ""
    platform: str = ""
    os: str = ""
    sdk: str = ""
    validated: bool = False
    environment: str = "production"
    test: bool = False
    browser: bool = False


@dataclass(frozen=True, slots=True)
class Reach:
    """How many distinct ones."""

    installs: int = 0
    networks: int = 0
    operator_networks: int = 0

    def is_many(self) -> bool:
        return self.installs >= MANY_INSTALLS and self.networks >= MANY_NETWORKS


def reach(seen: Iterable[Seen]) -> Reach:
    told = list(seen)
    return Reach(
        len({one.install for one in told}),
        len({one.network for one in told}),
        len({one.operator_network for one in told}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Probing:
    """How the host's probes go. ``well_since``: each has succeeded from then on; ``asked_at``: the last
    one; None: there is none."""

    well_since: datetime | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is known beside the reports. ``served``: what this host ever served, as probes saw it;
    ``registry``: pin sets that were imported for it."""

    known: Knowledge = NOTHING
    roots: Roots = NO_ROOTS
    served: tuple[ServedChain, ...] = ()
    rotations: tuple[Rotation, ...] = ()
    registry: tuple[ShippedPinSet, ...] = ()
    probing: Probing = Probing()


@dataclass(frozen=True, slots=True)
class Looked:
    """A sighting with what its chain shows, its class, and what is known of its leaf."""

    seen: Seen
    look: Look | None
    class_: Class
    known: Known | None

    @property
    def leaf(self) -> Hash | None:
        return self.seen.chain.leaf if self.seen.chain is not None else self.seen.leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``sightings`` are in order of receipt, then of who they are from. ``first_seen``: of the
    signature, which may be before all sightings that are still there."""

    host: str
    kind: Kind
    first_seen: datetime
    last_seen: datetime
    sightings: tuple[Looked, ...]
    around: Surroundings

    def of(self, wanted: Callable[[Looked], bool]) -> Case:
        """The same with fewer sightings."""
        kept = tuple(one for one in self.sightings if wanted(one))
        first = kept[0].seen.at if kept and len(kept) < len(self.sightings) else self.first_seen
        last = kept[-1].seen.at if kept else self.last_seen
        return Case(
            host=self.host, kind=self.kind, first_seen=first, last_seen=last, sightings=kept,
            around=self.around,
        )  # fmt: skip

    @property
    def reach(self) -> Reach:
        return reach(one.seen for one in self.sightings)

    @property
    def leaves(self) -> tuple[Hash, ...]:
        return tuple(sorted({one.leaf for one in self.sightings if one.leaf is not None}))

    @property
    def looks(self) -> tuple[Look, ...]:
        """Each chain once, in order of its first sighting."""
        return tuple(dict.fromkeys(one.look for one in self.sightings if one.look is not None))

    @property
    def onset(self) -> datetime:
        """When its leaves were reported first: a signature may be older than they are."""
        return self.sightings[0].seen.at if self.sightings else self.first_seen

    def share(self, what: Callable[[Looked], object]) -> tuple[object, float]:
        """The value that most installs have, and their share of all."""
        installs: dict[object, set[bytes]] = {}
        for one in self.sightings:
            installs.setdefault(what(one), set()).add(one.seen.install)
        if not installs:
            return "", 0.0
        most = max(installs, key=lambda value: (len(installs[value]), str(value)))
        everyone = {one.seen.install for one in self.sightings}
        return most, len(installs[most]) / len(everyone)

    def served_with(self, leaf: Hash | None) -> tuple[ServedChain, ...]:
        """What this host serves with such a leaf, seen last first."""
        return tuple(chain for chain in self.around.served if leaf in _hashes(chain.leaf))

    def full(self, chain: ServedChain) -> tuple[Certificate, ...]:
        return full_path(chain.chain, self.around.roots)


def _hashes(certificate: Certificate) -> tuple[Hash, Hash]:
    return Hash("sha256", certificate.spki_sha256), Hash("sha1", certificate.spki_sha1)


def satisfies(seen: Look, pins: Pins) -> tuple[int, ...]:
    """Places of a chain at which a pin matches: of the path that signatures prove, or of its hashes."""
    if seen.path:
        return tuple(match.place for match in matches(pins, seen.path))
    if seen.reported.certificates:
        return ()
    return tuple(n for n, value in enumerate(seen.reported.hashes) if value and value in pins)


def case_of(
    host: str,
    kind: Kind,
    sightings: Iterable[Seen],
    around: Surroundings,
    first_seen: datetime | None = None,
    looks: Mapping[Reported, Look] | None = None,
) -> Case:
    """At least one sighting. Their order does not matter. looks: of chains that were looked at before."""
    told = sorted(sightings, key=_order)
    known: dict[Reported, Look] = dict(looks or {})
    looked = []
    for one in told:
        chain = None
        if one.chain is not None:
            chain = known.get(one.chain)
            if chain is None:
                chain = known[one.chain] = look(one.chain, around.known, around.roots)
        leaf = one.chain.leaf if one.chain is not None else one.leaf
        class_ = class_of(chain, kind, host, one.at, around.known, leaf)
        looked.append(Looked(one, chain, class_, around.known.knows(leaf, host)))
    first = told[0].at
    return Case(
        host=host, kind=kind, first_seen=min(first, first_seen or first), last_seen=told[-1].at,
        sightings=tuple(looked), around=around,
    )  # fmt: skip


def _order(one: Seen) -> tuple[object, ...]:
    leaf = one.chain.leaf if one.chain is not None else one.leaf
    return one.at, one.install, one.network, str(leaf), one.app, one.version, one.platform, one.pins


def is_forged_pins(one: Looked, registry: tuple[ShippedPinSet, ...]) -> bool:
    """Whether the release that a report names is known to ship other pins."""
    seen = one.seen
    return differs(seen.pins, covering(registry, seen.app, seen.version, seen.platform))


DAY = timedelta(days=1)
