"""When two rotations of a host are one event, and what they are together.

They are if

1. they are the same row; or
2. they share a leaf (new, or the first of the declared chain): however far apart in time, but for a
   declaration that came more than a day (``AGAIN``) after the leaf was probed, which is another event:
   a key that comes back. One that was cancelled (ended before anything was seen) shares nothing; or
3. both were probed, at most 15 minutes (``TOGETHER``) apart: a deploy changes all its keys at once; or
4. both were declared without a chain, for times at most ``TOGETHER`` apart: each node's deploy hook
   tells of the same deploy; or
5. one was declared and no keys were seen that are its own, and the other was probed near in time: from
   an hour before the planned time (``EARLY``) until 24 hours after (``LATEST``) without a chain, until
   2 hours after (``GRACE``) with one, which then is OTHER_CHAIN. Of several, a change takes the
   last declaration that may be meant, and a declaration the first change; a change that has its
   declaration takes further ones without a chain only within ``EARLY`` of itself.

Rules 3 to 5 leave out what was ended. What reports show (observed) joins by its leaf alone: reports can
be forged, so they confirm no declaration that names no key.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.detect.rotation_state import GRACE, first, is_cancelled, new_leaves
from collector.detect.served import Rotation

TOGETHER = timedelta(minutes=15)
EARLY = timedelta(hours=1)
LATEST = timedelta(hours=24)
AGAIN = timedelta(hours=24)


def same_event(a: Rotation, b: Rotation) -> bool:
    if a.id is not None and a.id == b.id:
        return True
    if is_cancelled(a) or is_cancelled(b) or not new_leaves(a) & new_leaves(b):
        return False
    return not (_is_again(a, b) or _is_again(b, a))


def _is_again(declared: Rotation, before: Rotation) -> bool:
    return (
        declared.declared_at is not None
        and before.probed_at is not None
        and declared.declared_at > before.probed_at + AGAIN
    )


def together(a: Rotation, b: Rotation) -> bool:
    if a.ended_at is not None or b.ended_at is not None:
        return False
    if a.probed_at is not None and b.probed_at is not None:
        return abs(a.probed_at - b.probed_at) <= TOGETHER
    if a.planned_at is None or b.planned_at is None or a.chain or b.chain:
        return False
    return abs(a.planned_at - b.planned_at) <= TOGETHER


def may_be(declared: Rotation, change: Rotation) -> bool:
    planned, seen = declared.planned_at, change.probed_at
    if planned is None or seen is None:
        return False
    until = GRACE if declared.chain else LATEST
    if not -EARLY <= seen - planned <= until:
        return False
    return change.planned_at is None or (not declared.chain and abs(seen - planned) <= EARLY)


def join(a: Rotation, b: Rotation) -> Rotation:
    """One event out of two; associative and commutative. ``at`` and ``state`` are judged after.

    The first of each time counts; who declared it, is who did so first; of notes the fuller one stays.
    """
    new = a.new_leaves | b.new_leaves
    ids = [each.id for each in (a, b) if each.id is not None]
    chains = [each.chain for each in (a, b) if each.chain]
    declared = min((_declared(each) for each in (a, b) if each.declared_at), default=(None, None))
    return Rotation(
        id=min(ids, default=None),
        project=a.project if a.project == b.project else None,
        host=a.host,
        at=min(a.at, b.at),
        state=a.state,
        planned_at=first(a.planned_at, b.planned_at),
        declared_at=declared[0],
        declared_by=declared[1],
        probed_at=first(a.probed_at, b.probed_at),
        observed_at=first(a.observed_at, b.observed_at),
        old_leaves=(a.old_leaves | b.old_leaves) - new,
        new_leaves=new,
        chain=min(chains, key=lambda c: [each.sha256 for each in c], default=()),
        note=max(a.note, b.note, key=lambda note: (len(note), note)),
        ended_at=first(a.ended_at, b.ended_at),
    )


def _declared(rotation: Rotation) -> tuple[datetime | None, str | None]:
    return rotation.declared_at, rotation.declared_by or ""
