"""What a client that ships a pin set does with a chain at some time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collector.model import Certificate
from collector.pins.model import Match, ShippedPinSet, matches


class Why(StrEnum):
    """What decided."""

    PIN = "pin"  # one of the pins is in the chain
    NO_PIN = "no_pin"  # none is
    NOT_ENFORCED = "not_enforced"  # none is, and the client only reports that
    EXPIRED = "expired"  # the client stopped pinning
    NOT_STARTED = "not_started"  # the release is not out yet
    NOT_PINNED = "not_pinned"  # the host is taken out of the domain's pins


@dataclass(frozen=True, slots=True)
class Acceptance:
    """``accepted`` None: pins decide nothing then, see ``why``; the chain's other checks still do.

    ``by``: the match nearest to the leaf. ``matched``: all of them, leaf first, also where pinning is
    off, so that one can see what enforcing would have done.
    """

    accepted: bool | None
    why: Why
    by: Match | None = None
    matched: tuple[Match, ...] = ()


def accepts(shipped: ShippedPinSet, chain: Sequence[Certificate], at: datetime) -> Acceptance:
    """Whether this pin set lets this chain pass at this time. chain: leaf first, as the client builds
    it (with its root, where that may be pinned)."""
    found = matches(shipped.pins, chain)
    nearest = found[0] if found else None
    if not shipped.pins:
        return Acceptance(None, Why.NOT_PINNED)
    if shipped.expires is not None and shipped.expires <= at:
        return Acceptance(None, Why.EXPIRED, nearest, found)
    if not shipped.pins_at(at):
        return Acceptance(None, Why.NOT_STARTED, nearest, found)
    if found:
        return Acceptance(True, Why.PIN, nearest, found)
    if shipped.enforced is False:
        return Acceptance(None, Why.NOT_ENFORCED)
    return Acceptance(False, Why.NO_PIN)
