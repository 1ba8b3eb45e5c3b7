"""What counts as the fix of a spike, and what only looks like one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from collector.detect.fixes import Shown, fixed_at
from collector.detect.served import Rotation, RotationState
from tests.make import NOON

OLD, BAD, NEW = b"old" * 8, b"bad" * 8, b"new" * 8
MINUTE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=30)


def rotation(at: int, old: bytes = OLD, new: bytes = BAD, **more: Any) -> Rotation:
    """at: minutes after NOON."""
    when = NOON + at * MINUTE
    told = {
        "probed_at": when,
        "state": RotationState.DONE,
        "old_leaves": frozenset({old}),
        "new_leaves": frozenset({new}),
        **more,
    }
    return Rotation(id=at, project=None, host="api.example.com", at=when, **told)


def fixed(*rotations: Rotation, shown: dict[bytes, int] | None = None) -> int | None:
    """Of a spike that opened at NOON + 5, asked at NOON + 60: minutes after NOON."""
    told = fixed_at(
        rotations,
        [Shown(leaf, NOON + at * MINUTE) for leaf, at in (shown or {}).items()],
        {},
        NOON + 5 * MINUTE,
        NOON + 60 * MINUTE,
    )
    return None if told is None else int((told - NOON) / MINUTE)


def test_nothing_is_known() -> None:
    assert fixed() is None
    assert fixed(rotation(0)) is None
    assert fixed(rotation(0), shown={BAD: 1}) is None


def test_new_keys_are_the_fix() -> None:
    assert fixed(rotation(0), rotation(30, BAD, NEW)) == 30
    assert fixed(rotation(0), rotation(30, BAD, NEW), shown={NEW: 30}) == 30
    assert fixed(rotation(0), rotation(70, BAD, NEW)) is None  # planned
    observed = rotation(30, BAD, NEW, probed_at=None, observed_at=NOON)
    assert fixed(rotation(0), observed) is None  # reports can be made up


def test_old_keys_are_the_fix() -> None:
    assert fixed(rotation(0), shown={OLD: 20}) == 20


@pytest.mark.parametrize("also", [{}, {"observed_at": NOON}])
def test_addresses_that_never_changed_do_not_tell_when(also: dict[str, Any]) -> None:
    """The bad ones were taken out of the name: the others have served the old key all along."""
    told = fixed_at(
        [rotation(0, **also)], [Shown(OLD, LONG_AGO)], {BAD: NOON + 12 * MINUTE}, NOON + 5 * MINUTE,
        NOON + 60 * MINUTE,
    )  # fmt: skip
    assert told == NOON + 12 * MINUTE


def test_half_a_fix_is_none() -> None:
    assert fixed(rotation(0), shown={OLD: 20, BAD: 0}) is None
    assert fixed(rotation(0), rotation(30, BAD, NEW), shown={NEW: 30, BAD: 0}) is None
    # The fix was rolled back, to what broke.
    assert fixed(rotation(0), rotation(30, BAD, NEW), shown={BAD: 40}) is None


def test_keys_that_are_neither_tell_nothing() -> None:
    assert fixed(rotation(0), shown={NEW: 20}) is None
    assert fixed(shown={OLD: 20}) is None


def test_a_rotation_that_is_not_served_is_not_rolled_back() -> None:
    declared = rotation(0, probed_at=None, declared_at=NOON, planned_at=NOON)
    told = fixed_at([declared], [Shown(OLD, LONG_AGO)], {}, NOON + 5 * MINUTE, NOON + 60 * MINUTE)
    assert told is None


def test_who_ends_the_rotation_says_that_it_is_mended() -> None:
    ended = rotation(0, ended_at=NOON + 25 * MINUTE, state=RotationState.ENDED)
    assert fixed(ended) == 25
    assert fixed(ended, shown={OLD: 20}) == 25
    assert fixed(ended, shown={BAD: 0}) is None  # a probe knows better
    before = rotation(0, ended_at=NOON + MINUTE, state=RotationState.ENDED)
    assert fixed(before) is None


def test_one_that_nobody_probes_is_ended_by_its_declaration() -> None:
    declared: dict[str, Any] = {"probed_at": None, "declared_at": NOON, "planned_at": NOON}
    ended = rotation(0, ended_at=NOON + 25 * MINUTE, state=RotationState.ENDED, **declared)
    assert fixed(ended) == 25
    cancelled = rotation(0, ended_at=NOON + MINUTE, state=RotationState.ENDED, **declared)
    assert fixed(cancelled) is None
