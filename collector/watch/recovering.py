"""Whether those who broke connect again: what trusted keys count of an open spike, and what is usual of it.

Failures of clients that tell each time (``Signs.retries``) are taken from there, too, and not from reports. Those
come with public keys and have no cap by network: who sends many of them and stops would end a page that
others still need.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from collector.detect.spike_state import Known, State
from collector.detect.successes import LAG, is_alike, reference_hours, same_minutes, usual
from collector.store import segments
from collector.store.connect import Connection
from collector.store.segments import Segment

_WIDTHS = (10, 30)  # minutes; the longer on a small host
_ENOUGH = 1000  # expected ones
_FAILED, _REFERENCE = 15, 60  # minutes in which failures are counted; of a reference hour
_BEFORE = 30  # minutes before it opened, in which a spike's installs began to fail
Sums = Mapping[Segment, Sequence[float]]
Place = tuple[int, str]


@dataclass(slots=True)
class Recovering:
    """Remembers the reference hours of open spikes, which are over and do not change."""

    _hours: dict[Place, tuple[int, Sums]] = field(default_factory=dict)

    async def known(
        self,
        connection: Connection,
        place: Place,
        class_: str,
        state: State,
        known: Known,
        now: int,
    ) -> Known:
        """With successes and what was expected, where trusted keys tell both; else as it was."""
        incident = state.incident
        if incident is None or not known.successes_60:
            self._hours.pop(place, None)
            return known
        began = min(incident.opened, incident.tau or incident.opened)
        if self._hours.get(place, (None,))[0] != began:
            hours = await segments.successes(connection, *place, _times(reference_hours(began)))
            self._hours[place] = began, hours
        reference = self._hours[place][1]
        affected = await segments.affected(
            connection, *place, class_, _time(incident.opened - _BEFORE)
        )
        for width in _WIDTHS:
            minutes = same_minutes(began, now, width)
            sums = await segments.successes(connection, *place, _times(minutes))
            told, hours_ = _of(sums, affected, len(minutes)), _of(reference, affected, 8)
            if not told[0] and not any(some[0] for some in sums.values()):
                return known  # nobody tells of anybody: what counts them is away
            before = [
                (told[day], hours_[day])
                for day in range(1, len(minutes))
                if is_alike(began, now, day)
            ]
            expected = usual(before, hours_[0])
            if expected >= _ENOUGH:
                until = now + 1 - LAG
                failed = await segments.failures(
                    connection, *place, _time(until - _FAILED), _time(until)
                )
                # As many as they would be at the hour before the break.
                scale = hours_[0] * width / (_REFERENCE * expected)
                return msgspec.structs.replace(
                    known, successes=int(told[0]), usual=expected, retries=failed * scale
                )
        return known


def _of(sums: Sums, affected: Collection[Segment], length: int) -> list[float]:
    """Of those segments that may hold affected installs: what a window does not tell may be any."""
    found = [0.0] * length
    for (platform, version), told in sums.items():
        if any(platform in ("", p) and version in ("", v) for p, v in affected):
            found = [a + b for a, b in zip(found, told, strict=True)]
    return found


def _time(minute: int) -> datetime:
    return datetime.fromtimestamp(60 * minute, UTC)


def _times(stretches: Sequence[tuple[int, int]]) -> list[tuple[datetime, datetime]]:
    return [(_time(a), _time(b)) for a, b in stretches]
