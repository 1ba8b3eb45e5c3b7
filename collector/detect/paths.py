"""From the certificates of a report to the path that they prove, and to what stands at its top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from collector.model import Certificate
from collector.reports.certificates import facts, signed_by


@dataclass(frozen=True, slots=True)
class Roots:
    """Authorities that devices trust as they come. ``keys``: their SPKI SHA-256, also of roots that
    only older devices know; ``by_subject``: those whose certificates are at hand."""

    keys: frozenset[bytes]
    by_subject: Mapping[str, tuple[Certificate, ...]]

    @classmethod
    def of(cls, certificates: Iterable[Certificate], keys: Iterable[bytes] = ()) -> Roots:
        """keys: of roots whose certificates are not at hand."""
        by_subject: dict[str, tuple[Certificate, ...]] = {}
        known = set(keys)
        for certificate in certificates:
            subject = facts(certificate.der).subject
            known.add(certificate.spki_sha256)
            if subject:
                by_subject[subject] = (*by_subject.get(subject, ()), certificate)
        return cls(frozenset(known), by_subject)

    def issuer_of(self, certificate: Certificate) -> Certificate | None:
        """The root that signed it, as its signature proves."""
        issuer = facts(certificate.der).issuer
        for root in self.by_subject.get(issuer or "", ()):
            if signed_by(certificate, root):
                return root
        return None


def path_of(certificates: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Leaf first: only links that are signed. What does not belong is left out, wherever it stands, since
    servers send authorities in any order, and forgers append genuine ones."""
    if not certificates:
        return ()
    path, rest = [certificates[0]], list(certificates[1:])
    while rest and not facts(path[-1].der).self_signed:
        above = next((c for c in rest if signed_by(path[-1], c)), None)
        if above is None:
            break
        path.append(above)
        rest.remove(above)
    return tuple(path)


def is_broken(certificates: Sequence[Certificate], path: Sequence[Certificate]) -> bool:
    """Whether the certificate above the path's end has the name of its issuer, and did not sign it: no
    server and no client makes that, only who writes a report by hand."""
    if not path:
        return False
    top = facts(path[-1].der)
    if top.self_signed or not top.issuer:
        return False
    return any(facts(c.der).subject == top.issuer for c in certificates if c not in path)


class Anchor(StrEnum):
    """What stands at the top of a path."""

    PUBLIC = "public"  # a root that devices trust as they come
    OWN = "own"  # an authority that we ourselves set up, or registered
    PRIVATE = "private"  # another root, shown
    OPEN = "open"  # the report ends below the root, as those of Android do


def anchor(
    path: Sequence[Certificate],
    roots: Roots,
    public: frozenset[bytes] = frozenset(),
    own: frozenset[bytes] = frozenset(),
) -> Anchor:
    """public: keys of authorities that hosts of ours serve with a trusted path. own: keys of
    authorities that they serve without one, and keys that were registered."""
    for certificate in path[1:]:
        if certificate.spki_sha256 in roots.keys or certificate.spki_sha256 in public:
            return Anchor.PUBLIC
    if any(certificate.spki_sha256 in own for certificate in path):
        return Anchor.OWN
    if not path:
        return Anchor.OPEN
    if facts(path[-1].der).self_signed:
        return Anchor.PRIVATE
    return Anchor.PUBLIC if roots.issuer_of(path[-1]) else Anchor.OPEN


def full_path(served: Sequence[Certificate], roots: Roots) -> tuple[Certificate, ...]:
    """What a host serves, with the root above it where it is known: what pins may match."""
    path = path_of(served)
    root = roots.issuer_of(path[-1]) if path else None
    if root is None or any(root.spki_sha256 == c.spki_sha256 for c in path):
        return path
    return (*path, root)
