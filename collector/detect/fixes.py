"""When what broke the clients of a host was mended, as far as operators and probes tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.detect.rotation_state import is_cancelled, new_leaves
from collector.detect.served import Rotation

_MINUTE = timedelta(minutes=1)  # as exactly as the opening of a spike is known


@dataclass(frozen=True, slots=True)
class Shown:
    """A leaf, as SPKI SHA-256, that one address of a host shows to probes now, and since when."""

    leaf: bytes
    since: datetime


def fixed_at(
    rotations: Iterable[Rotation],
    shown: Sequence[Shown],
    last_seen: Mapping[bytes, datetime],
    opened: datetime,
    now: datetime,
) -> datetime | None:
    """Of a spike that opened then; None: nothing tells of a fix.

    rotations: of the host, in any order. shown: empty where no probe can see it. last_seen: when probes
    saw each leaf last.

    The fix is a later change of keys, declared or probed; or that an operator ended the rotation before
    which it broke; or that every address which answers shows keys of before that rotation again. It is
    none while any address still shows the keys of that rotation: half a roll-back mends half the clients,
    and whoever ends a rotation may only mean that it is through.
    """
    told = [each for each in rotations if not (is_cancelled(each) and _ended_before(each, opened))]
    broke = max(
        (each for each in told if each.at < opened + _MINUTE and new_leaves(each)),
        key=lambda each: each.at,
        default=None,
    )
    fixes = [
        each.at
        for each in told
        if opened + _MINUTE <= each.at <= now
        and each.ended_at is None
        and (each.declared_at is not None or each.probed_at is not None)
    ]
    if broke is not None:
        bad = new_leaves(broke)
        if any(one.leaf in bad for one in shown):
            return None
        if broke.ended_at is not None and opened <= broke.ended_at <= now:
            fixes.append(broke.ended_at)
        if shown and all(one.leaf in broke.old_leaves for one in shown):
            seen = [last_seen[leaf] for leaf in bad if leaf in last_seen]
            fixes.append(max([*(one.since for one in shown), *seen]))
        fixes = [at for at in fixes if at > broke.at]
    return max(fixes, default=None)


def _ended_before(rotation: Rotation, at: datetime) -> bool:
    return rotation.ended_at is not None and rotation.ended_at < at
