"""When the keys of a host changed, as probes saw it and as clients reported it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.detect.served import Rotation, RotationState, ServedChain
from collector.reports.certificates import facts

FIRST_LOOK = timedelta(seconds=30)  # one probe of a port, with all its addresses
BESIDE = timedelta(minutes=15)  # leaves seen at most so far apart are served side by side
INSTALLS = 10
OPERATOR_NETWORKS = 5
VALID_LATELY = timedelta(days=30)  # before it was reported


@dataclass(slots=True)
class Leaf:
    """A public key that a host serves or served, by all of its chains. ``port``: where it was first."""

    port: int
    first_seen: datetime
    last_seen: datetime


def leaves(chains: Iterable[ServedChain]) -> dict[bytes, Leaf]:
    """Of one host, by SPKI SHA-256."""
    found: dict[bytes, Leaf] = {}
    for chain in sorted(chains, key=lambda c: (c.first_seen, c.port)):
        spki = chain.leaf.spki_sha256
        known = found.setdefault(spki, Leaf(chain.port, chain.first_seen, chain.last_seen))
        known.last_seen = max(known.last_seen, chain.last_seen)
    return found


def probed(chains: Sequence[ServedChain], since: datetime) -> list[Rotation]:
    """New leaves of one host that were first seen at ``since`` or later: one rotation each.

    What the first probe of a port found was there before: it is no rotation. ``old_leaves`` are
    those that were served until then, by the last that was seen of them. Whether a chain is trusted
    does not matter: the host serves it.
    """
    if not chains:
        return []
    known = leaves(chains)
    begins: dict[int, datetime] = {}
    for chain in chains:
        begins[chain.port] = min(chain.first_seen, begins.get(chain.port, chain.first_seen))
    return [
        Rotation(
            id=None,
            project=None,
            host=chains[0].host,
            at=leaf.first_seen,
            state=RotationState.DONE,
            probed_at=leaf.first_seen,
            old_leaves=before(known, leaf.first_seen),
            new_leaves=frozenset({spki}),
        )
        for spki, leaf in sorted(known.items())
        if leaf.first_seen >= since and leaf.first_seen > begins[leaf.port] + FIRST_LOOK
    ]


def before(known: dict[bytes, Leaf], at: datetime) -> frozenset[bytes]:
    """Leaves that were served until then, by the last that was seen of each."""
    until = {spki: min(leaf.last_seen, at) for spki, leaf in known.items() if leaf.first_seen < at}
    if not until:
        return frozenset()
    edge = max(until.values()) - BESIDE
    return frozenset(spki for spki, seen in until.items() if seen >= edge)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A new certificate for a key that was served before, or other issuers above it.

    No rotation for clients that pin the leaf; ``new_issuers``: SPKI SHA-256 above the leaf that
    never stood above it before, which matters to those that pin an intermediate.
    """

    host: str
    leaf: bytes
    at: datetime
    certificate: bytes  # SHA-256 of the leaf's DER
    is_new_certificate: bool
    not_after: datetime | None
    new_issuers: frozenset[bytes]


def renewals(chains: Sequence[ServedChain]) -> list[Renewal]:
    """Of one host, oldest first. What several ports or the same probe show is told once."""
    found: list[Renewal] = []
    begins: dict[bytes, datetime] = {}
    certificates: dict[bytes, set[bytes]] = {}
    issuers: dict[bytes, set[bytes]] = {}
    for served in sorted(chains, key=lambda c: (c.first_seen, c.port, c.leaf.sha256)):
        leaf = served.leaf
        above = {certificate.spki_sha256 for certificate in served.chain[1:]}
        begin = begins.setdefault(leaf.spki_sha256, served.first_seen)
        known = certificates.setdefault(leaf.spki_sha256, set())
        stood = issuers.setdefault(leaf.spki_sha256, set())
        is_new = leaf.sha256 not in known
        if served.first_seen > begin + FIRST_LOOK and (is_new or above - stood):
            not_after = facts(leaf.der).not_after
            told = Renewal(
                served.host, leaf.spki_sha256, served.first_seen, leaf.sha256, is_new, not_after,
                frozenset(above - stood),
            )  # fmt: skip
            found.append(told)
        known.add(leaf.sha256)
        stood |= above
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A leaf that no probe saw, as clients reported it of one host within a bounded time.

    ``operator_networks`` are hashed with a secret of the day: count within one day. ``trusted``:
    whether a reported chain leads from it to a public root, for this host; a certificate in a report
    still proves nothing about who served it.
    """

    leaf: bytes
    installs: int
    operator_networks: int
    first_seen: datetime
    not_before: datetime | None
    trusted: bool


def is_observed(row: Reported) -> bool:
    """Enough installs in enough networks report a leaf that is trusted and became valid lately."""
    return (
        row.installs >= INSTALLS
        and row.operator_networks >= OPERATOR_NETWORKS
        and row.trusted
        and row.not_before is not None
        and row.first_seen - VALID_LATELY <= row.not_before <= row.first_seen
    )


def observed(host: str, rows: Iterable[Reported]) -> list[Rotation]:
    """Rotations that only reports tell of: one a leaf."""
    return [
        Rotation(
            id=None,
            project=None,
            host=host,
            at=row.first_seen,
            state=RotationState.DONE,
            observed_at=row.first_seen,
            new_leaves=frozenset({row.leaf}),
        )
        for row in rows
        if is_observed(row)
    ]
