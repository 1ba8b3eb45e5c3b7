"""What a host serves and when that changes: nouns that probes, declarations and reports share."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from collector.model import Certificate, Hash
from collector.reports.certificates import facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChain:
    """A chain that a probe saw, leaf first and as the server sent it.

    ``trusted``: by the roots that were asked, for this host, when it was last seen; ``problem``: why
    not. ``key_type``: of the leaf, such as "ECDSA secp256r1".
    """

    host: str
    port: int
    chain: tuple[Certificate, ...]
    trusted: bool
    problem: str | None
    key_type: str | None
    first_seen: datetime
    last_seen: datetime

    @property
    def leaf(self) -> Certificate:
        return self.chain[0]


_ONE_LOOK = timedelta(minutes=1)  # in which a probe asks all addresses of a host


def served_before(chains: Sequence[ServedChain], held: Container[str]) -> datetime | None:
    """notAfter of the latest leaf that the newest look at its port did not see any more, and whose chain
    holds one of these pins (``sha256/…``): what can be served again."""
    newest: dict[int, datetime] = {}
    for one in chains:
        newest[one.port] = max(one.last_seen, newest.get(one.port, one.last_seen))
    now = {one.leaf.spki_sha256 for one in chains if newest[one.port] - one.last_seen <= _ONE_LOOK}
    ends = [
        facts(one.leaf.der).not_after
        for one in chains
        if one.leaf.spki_sha256 not in now
        and any(str(Hash("sha256", c.spki_sha256)) in held for c in one.chain)
    ]
    return max((at for at in ends if at is not None), default=None)


class RotationState(StrEnum):
    """How far a rotation got."""

    PLANNED = "planned"  # declared, and not due yet, or due and within its grace
    DONE = "done"  # the keys changed, as a probe or enough installs saw
    LATE = "late"  # done, more than its grace after the planned time
    OTHER_CHAIN = "other_chain"  # the keys changed, to other ones than were declared
    NOT_SEEN = "not_seen"  # due, and no probe sees it
    ENDED = "ended"  # an operator closed it


class RotationSource(StrEnum):
    DECLARED = "declared"
    PROBED = "probed"
    OBSERVED = "observed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A change of the keys that a host serves. ``at``: the best known time of it.

    ``project`` None: of the host, in whichever project. Leaves are SPKI SHA-256 digests; ``chain`` is
    the coming one, where it was declared. One rotation has several sources where they are one event.
    """

    id: int | None
    project: int | None
    host: str
    at: datetime
    state: RotationState
    planned_at: datetime | None = None
    declared_at: datetime | None = None
    declared_by: str | None = None
    probed_at: datetime | None = None
    observed_at: datetime | None = None
    old_leaves: frozenset[bytes] = frozenset()
    new_leaves: frozenset[bytes] = frozenset()
    chain: tuple[Certificate, ...] = ()
    note: str = ""
    ended_at: datetime | None = None

    @property
    def sources(self) -> tuple[RotationSource, ...]:
        told = (
            (RotationSource.DECLARED, self.declared_at),
            (RotationSource.PROBED, self.probed_at),
            (RotationSource.OBSERVED, self.observed_at),
        )
        return tuple(source for source, at in told if at is not None)
