"""How far a rotation got, and what is asked of one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from collector.detect.served import Rotation, RotationState

GRACE = timedelta(hours=2)  # after the planned time a rotation is late
PROMPT = timedelta(minutes=15)  # a probe may see a change so long after it was made


def seen_at(rotation: Rotation) -> datetime | None:
    """When the new keys were first seen, by a probe or by enough installs."""
    return first(rotation.probed_at, rotation.observed_at)


def declared_leaf(rotation: Rotation) -> bytes | None:
    return rotation.chain[0].spki_sha256 if rotation.chain else None


def new_leaves(rotation: Rotation) -> frozenset[bytes]:
    """Those that were seen, and the one that was declared."""
    leaf = declared_leaf(rotation)
    return rotation.new_leaves if leaf is None else rotation.new_leaves | {leaf}


def is_cancelled(rotation: Rotation) -> bool:
    """Ended before anything was seen of it: its chain is no longer to come."""
    return rotation.ended_at is not None and seen_at(rotation) is None


def judged(rotation: Rotation, now: datetime) -> Rotation:
    """With its state, and its best known time: when it was seen, but the planned time where that was
    at most PROMPT before."""
    seen, planned = seen_at(rotation), rotation.planned_at
    at = seen or planned or rotation.at
    if seen and planned and timedelta() <= seen - planned <= PROMPT:
        at = planned
    return replace(rotation, at=at, state=_state(rotation, seen, now))


def _state(rotation: Rotation, seen: datetime | None, now: datetime) -> RotationState:
    if rotation.ended_at is not None:
        return RotationState.ENDED
    planned = rotation.planned_at
    if planned is None:
        return RotationState.DONE
    if seen is None:
        return RotationState.NOT_SEEN if now > planned + GRACE else RotationState.PLANNED
    leaf = declared_leaf(rotation)
    if leaf is not None and leaf not in rotation.new_leaves:
        return RotationState.OTHER_CHAIN
    return RotationState.LATE if seen > planned + GRACE else RotationState.DONE


def first(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
