"""When a surprising count may page, when it is a ticket, and what holds it back."""

from __future__ import annotations

from enum import StrEnum

import msgspec

ENOUGH = 7.0  # S
STANDS_OUT = 8.0  # s of the classes that never page
_TIMES = 4.0  # what was expected
_SPREAD = 0.75  # of what a page needs, outside the largest operator network
_CROWD = 30  # installs without which no count is told that has no cause
_CERTAIN = ENOUGH + 2  # S, with which four installs are enough: what a change adds was not needed


class Held(StrEnum):
    """Why a host does not page, or that nothing holds it back."""

    NOTHING = "nothing"
    USUAL = "usual"  # S is under 7
    FEW = "few"  # fewer installs than a page needs
    NEAR = "near"  # not enough times what was expected
    NO_CHANGE = "no_change"  # nothing of ours changed, and reports cannot be checked
    CLASS = "class"  # interception and unknown never page
    COLD = "cold"  # less than 7 days of history, and nothing of ours changed
    SUCCESSES = "successes"  # against what connects well, too few fail
    SUDDEN = "sudden"  # began long after the change, out of nothing, and reports cannot be checked


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host beside its counts.

    chains: its clients report the chains they saw; the counts are then of class self. probed: a probe
    can see what it serves. registry: pins in reports can be checked against imported pin sets.
    uncovered: what fails is of versions that no import covers. pages: False for the classes that are
    tickets at most: interception, unknown of hosts whose clients report chains.
    """

    chains: bool = True
    probed: bool = True
    registry: bool = False
    uncovered: bool = False
    pages: bool = True

    @property
    def checked(self) -> bool:
        """Whether made-up reports give themselves away: pins alone, without a chain, do not."""
        return self.registry and self.chains


def bonus(facts: Facts, age: int | None, confirmed: bool) -> float:
    """What a change, or that there was none, adds to s. age: minutes since the change, None: none."""
    if not facts.pages:
        return 0.0
    if age is not None:
        if not confirmed:
            return 0.0
        return 2.0 if age < 360 else 1.0
    return -5.0 if facts.checked else -3.0


def least(facts: Facts, *, changed: bool, cold: bool, certain: bool = False) -> int:
    """Installs under which nothing pages. certain: S leaves no doubt, and no operator network has more than
    a quarter of them."""
    if changed:
        if not facts.chains or facts.uncovered:
            return 12
        return 8 if cold else 4 if certain else 5
    if not facts.chains:
        return 100
    return _CROWD


def held(
    facts: Facts,
    total: float,
    count: int,
    spread: int,
    expected: float,
    *,
    changed: bool,
    cold: bool,
) -> Held:
    """total: S, the bonus included; spread: installs outside the largest operator network. The first
    gate that is shut."""
    if total < ENOUGH:
        return Held.USUAL
    if not facts.pages:
        return Held.CLASS
    if not changed and cold:
        return Held.COLD
    if not changed and not facts.checked and facts.probed:
        return Held.NO_CHANGE
    certain = total >= _CERTAIN and spread >= _SPREAD * count
    count = min(count, int(spread / _SPREAD))
    if count < least(facts, changed=changed, cold=cold, certain=certain):
        return Held.FEW
    if count < _TIMES * expected:
        return Held.NEAR
    return Held.NOTHING


def is_ticket(facts: Facts, total: float, count: int, expected: float, *, changed: bool) -> bool:
    """Whether what may not page is worth a ticket."""
    if not facts.pages:
        return total >= STANDS_OUT and count >= _CROWD
    enough = 5 if changed else _CROWD
    return total >= ENOUGH and count >= enough and count >= _TIMES * expected
