"""One timeline of rotations a host, out of what was declared, probed and observed. Which of them are
one event: ``same_rotation``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import combinations

from collector.detect.changes import BESIDE, Reported, before, leaves, observed, probed
from collector.detect.rotation_state import declared_leaf, first, judged, new_leaves, seen_at
from collector.detect.same_rotation import join, may_be, same_event, together
from collector.detect.served import Rotation, ServedChain

_Same = Callable[[Rotation, Rotation], bool]


def merge(rotations: Iterable[Rotation], now: datetime) -> list[Rotation]:
    """Those of one host, each event once, oldest first; by the rules of ``same_rotation``, until
    none applies.

    In whichever order they come, the result is the same; and it merges to itself. Of the rows that
    become one, the one with the lowest id stays.
    """
    found = sorted((judged(rotation, now) for rotation in rotations), key=_order)
    while True:
        joined = found
        for rule in (same_event, together):
            joined = _grouped(joined, rule)
        joined = [judged(rotation, now) for rotation in _matched(joined)]
        joined.sort(key=_order)
        if joined == found:
            return found
        found = joined


def timeline(
    known: Sequence[Rotation],
    chains: Sequence[ServedChain],
    reported: Iterable[Reported],
    host: str,
    now: datetime,
    since: datetime,
) -> list[Rotation]:
    """What is known of a host, and what its served chains and its reports add.

    known: has to hold every rotation that began at ``since`` or later, and all that wait.
    """
    changes = probed(chains, since)
    waiting = [_back_again(rotation, chains, changes) for rotation in known]
    return merge([*waiting, *changes, *observed(host, reported)], now)


def _back_again(
    rotation: Rotation, chains: Sequence[ServedChain], changes: Sequence[Rotation]
) -> Rotation:
    """A declared key that was served before (a way back, or a renewal with the same key) is never new:
    it is there once a probe sees it at the planned time or later."""
    leaf, planned = declared_leaf(rotation), rotation.planned_at
    if leaf is None or planned is None or rotation.ended_at or leaf in rotation.new_leaves:
        return rotation
    known = leaves(chains).get(leaf)
    if known is None or known.last_seen < planned:
        return rotation
    if any(same_event(rotation, change) for change in changes):
        return rotation
    return replace(
        rotation,
        probed_at=first(rotation.probed_at, known.last_seen),
        old_leaves=before(leaves(chains), known.last_seen) - {leaf},
        new_leaves=rotation.new_leaves | {leaf},
    )


def open_until(rotation: Rotation, chains: Iterable[ServedChain]) -> datetime:
    """When one of its old leaves was last seen beside the new ones; else the time of the rotation."""
    known = leaves(chains)
    new = [known[leaf] for leaf in new_leaves(rotation) if leaf in known]
    old = [known[leaf] for leaf in rotation.old_leaves if leaf in known]
    if not new:
        return rotation.at
    newest = max(leaf.last_seen for leaf in new)
    return max([rotation.at, *(min(leaf.last_seen, newest) for leaf in old)])


def is_open(rotation: Rotation, chains: Sequence[ServedChain], now: datetime) -> bool:
    """Whether old and new leaves are served side by side as of the last probes: a roll-out that goes
    on, during which clients may fail at any time."""
    if rotation.ended_at is not None or not rotation.old_leaves or not chains:
        return False
    known = leaves(chains)
    edge = now - BESIDE

    def is_served(which: Iterable[bytes]) -> bool:
        return any(leaf in known and known[leaf].last_seen >= edge for leaf in which)

    return is_served(rotation.old_leaves) and is_served(new_leaves(rotation))


def _matched(rotations: Sequence[Rotation]) -> list[Rotation]:
    """Declarations that wait, each with the change that it told of."""
    live = [rotation for rotation in rotations if rotation.ended_at is None]
    waiting = [r for r in live if r.planned_at is not None and seen_at(r) is None]
    changes = [r for r in live if r.probed_at is not None]
    last = {
        n: max(
            (d for d, declared in enumerate(waiting) if may_be(declared, change)),
            key=lambda d: (waiting[d].planned_at, _order(waiting[d])),
            default=None,
        )
        for n, change in enumerate(changes)
    }
    earliest = {
        d: min(
            (n for n, change in enumerate(changes) if may_be(declared, change)),
            key=lambda n: (changes[n].probed_at, _order(changes[n])),
            default=None,
        )
        for d, declared in enumerate(waiting)
    }
    pairs = {d: n for n, d in last.items() if d is not None and earliest[d] == n}
    taken = {id(waiting[d]) for d in pairs} | {id(changes[n]) for n in pairs.values()}
    left = [rotation for rotation in rotations if id(rotation) not in taken]
    return left + [join(waiting[d], changes[n]) for d, n in pairs.items()]


def _grouped(rotations: Sequence[Rotation], is_same: _Same) -> list[Rotation]:
    """Joined with all that are the same as it, or as one that is."""
    group = list(range(len(rotations)))
    for a, b in combinations(range(len(rotations)), 2):
        if group[a] != group[b] and is_same(rotations[a], rotations[b]):
            old, new = group[b], group[a]
            group = [new if each == old else each for each in group]
    joined: dict[int, Rotation] = {}
    for place, rotation in zip(group, rotations, strict=True):
        joined[place] = join(joined[place], rotation) if place in joined else rotation
    return list(joined.values())


def _order(rotation: Rotation) -> tuple[object, ...]:
    """Total but for equal ones, so that the order they came in tells nothing."""
    r = rotation
    times = (r.planned_at, r.declared_at, r.probed_at, r.observed_at, r.ended_at)
    return (
        r.at,
        -1 if r.id is None else r.id,
        [time.timestamp() if time else 0.0 for time in times],
        sorted(r.new_leaves),
        sorted(r.old_leaves),
        [certificate.sha256 for certificate in r.chain],
        (r.note, r.declared_by or "", -1 if r.project is None else r.project),
    )
