"""What a host serves and when that changes: nouns that probes, declarations and reports share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collector.model import Certificate


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
