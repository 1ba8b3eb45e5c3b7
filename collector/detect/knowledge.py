"""What we know of our own keys: which leaves hosts of ours serve, and which authorities stand above."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.detect.paths import Roots, path_of
from collector.detect.rotation_state import is_cancelled
from collector.detect.served import Rotation, RotationSource, ServedChain
from collector.model import Hash

STALE = timedelta(days=9)  # a leaf that was last seen longer before a report is not ours any more


@dataclass(frozen=True, slots=True)
class Known:
    """A leaf of ours. ``host`` None: of all of a project. ``last_seen`` None: it was registered, or
    declared and not ended, and does not go stale. ``how``: "probed", "declared", "registered"."""

    host: str | None
    how: str
    last_seen: datetime | None

    def is_ours_at(self, at: datetime) -> bool:
        return self.last_seen is None or at - self.last_seen <= STALE


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Of one project. ``leaves``: by the hash that reports name them by, SHA-256 or SHA-1 of the SPKI.
    ``public``: keys of authorities that our hosts serve with a trusted path; ``own``: of those that they
    serve without one, and keys that were registered."""

    leaves: Mapping[Hash, tuple[Known, ...]]
    public: frozenset[bytes] = frozenset()
    own: frozenset[bytes] = frozenset()

    def knows(self, leaf: Hash | None, host: str) -> Known | None:
        """The best that is known of a leaf: for this host first, then what was seen last."""
        if leaf is None:
            return None
        found = self.leaves.get(leaf, ())
        here = [known for known in found if known.host in (None, host)]
        return max(here or found, key=_lateness, default=None)


def _lateness(known: Known) -> tuple[bool, float, str, str]:
    last = known.last_seen
    return last is None, last.timestamp() if last else 0.0, known.host or "", known.how


def knowledge(
    served: Iterable[ServedChain] = (),
    rotations: Iterable[Rotation] = (),
    registered: Iterable[bytes] = (),
) -> Knowledge:
    """registered: SHA-256 of public keys. A rotation that only reports speak of makes nothing ours."""
    leaves: dict[Hash, dict[Known, None]] = {}

    def add(leaf: Hash, known: Known) -> None:
        leaves.setdefault(leaf, {})[known] = None

    public: set[bytes] = set()
    own = set(registered)
    for chain in served:
        known = Known(chain.host, "probed", chain.last_seen)
        add(Hash("sha256", chain.leaf.spki_sha256), known)
        add(Hash("sha1", chain.leaf.spki_sha1), known)
        issuers = {c.spki_sha256 for c in path_of(chain.chain)[1:]}
        (public if chain.trusted else own).update(issuers)
    for rotation in rotations:
        if RotationSource.DECLARED not in rotation.sources:
            continue
        for digest in rotation.new_leaves:
            add(Hash("sha256", digest), Known(rotation.host, "declared", rotation.ended_at))
        for digest in rotation.old_leaves:
            add(Hash("sha256", digest), Known(rotation.host, "declared", rotation.at))
        if is_cancelled(rotation):
            continue
        # The declared leaf is ours from the declaration on, and not only once somebody has seen it.
        for certificate in rotation.chain[:1]:
            known = Known(rotation.host, "declared", rotation.ended_at)
            add(Hash("sha256", certificate.spki_sha256), known)
            add(Hash("sha1", certificate.spki_sha1), known)
    for digest in own & set(registered):
        add(Hash("sha256", digest), Known(None, "registered", None))
    told = {leaf: tuple(sorted(found, key=_lateness)) for leaf, found in leaves.items()}
    return Knowledge(told, frozenset(public), frozenset(own - public))


NOTHING = Knowledge({})
NO_ROOTS = Roots(frozenset(), {})
