"""What changed at a host before a case began: what it serves, rotations, and the leaf's own age."""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.detect.cases import Case
from collector.detect.served import Rotation, ServedChain
from collector.model import Hash
from collector.reports.certificates import facts

BEFORE = timedelta(hours=1)  # that reports may precede what a probe sees of a rotation
AFTER = timedelta(days=7)  # that they may follow: iOS sends them when it likes


def served_now(case: Case) -> ServedChain | None:
    return max(case.around.served, key=lambda c: (c.last_seen, c.first_seen), default=None)


def own_chain(case: Case) -> ServedChain | None:
    """The chain that this host serves, or served, with the leaf that is reported."""
    found = [c for leaf in case.leaves for c in case.served_with(leaf)]
    return max(found, key=lambda c: c.last_seen, default=None)


def digests(leaves: tuple[Hash, ...]) -> frozenset[bytes]:
    return frozenset(leaf.digest for leaf in leaves if leaf.kind == "sha256")


def rotation_before(case: Case) -> Rotation | None:
    """The rotation that the first report follows."""
    told = [
        r
        for r in case.around.rotations
        if r.at - BEFORE <= case.onset <= r.at + AFTER
        and (not r.new_leaves or digests(case.leaves) & r.new_leaves or _only_sha1(case.leaves))
    ]
    return max(told, key=lambda r: r.at, default=None)


def _only_sha1(leaves: tuple[Hash, ...]) -> bool:
    return all(leaf.kind != "sha256" for leaf in leaves)


def valid_since(case: Case, chain: ServedChain | None) -> datetime | None:
    paths = [look.path for look in case.looks if look.path] + ([chain.chain] if chain else [])
    return facts(paths[0][0].der).not_before if paths else None


def has_new_keys(case: Case) -> bool:
    """Whether pins may be right, and match what we do not serve any more."""
    started = valid_since(case, own_chain(case))
    is_new = started is not None and started <= case.onset <= started + AFTER
    return is_new or rotation_before(case) is not None
