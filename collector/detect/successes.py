"""How many connections should have gone well, from how many did on earlier days."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

_DAY = 1440
_KEPT = 7  # days of which connections are known
LAG = 7  # minutes until a window of a few minutes has come
_BEFORE = (80, 20)  # minutes before a break from which to which the reference hour lasts
Stretch = tuple[int, int]  # minutes since 1970: from, to before


def usual(before: Sequence[tuple[float, float]], reference: float) -> float:
    """Successes expected of a stretch of minutes; 0.0 where nothing says.

    before: for each earlier day or week, the successes of the same minutes and those of a reference
    hour. reference: of that hour this time. It has to end before the change, so that a break does not
    lower what is expected; it carries what is different this time: a weekend, more users.
    """
    told = [minutes * reference / hour for minutes, hour in before if hour > 0]
    return float(median(told)) if told else 0.0


def reference_hours(began: int) -> list[Stretch]:
    """The hour before a break that began then, and the same one of each day before."""
    first, last = (began - back for back in _BEFORE)
    return [(first - day * _DAY, last - day * _DAY) for day in range(_KEPT + 1)]


def same_minutes(began: int, now: int, width: int) -> list[Stretch]:
    """The last ``width`` minutes that are known in full, and the same ones after each of the earlier
    reference hours, as far as they are kept; at the places of ``reference_hours``."""
    last = now + 1 - LAG
    days = (now - (began - _BEFORE[0])) // _DAY  # that it has lasted
    found = [(last - width, last)]
    for day in range(1, _KEPT + 1 - days):
        shift = (days + day) * _DAY
        found.append((last - width - shift, last - shift))
    return found


def is_alike(began: int, now: int, day: int) -> bool:
    """Whether of ``day`` (1: the one before) minutes and reference hour lie as they do now: a Saturday is
    not like a Friday."""
    reference, days = began - _BEFORE[0], (now - (began - _BEFORE[0])) // _DAY
    here = _weekend(now - LAG) - _weekend(reference)
    return here == _weekend(now - LAG - (days + day) * _DAY) - _weekend(reference - day * _DAY)


def _weekend(at: int) -> bool:
    return (at // _DAY + 3) % 7 >= 5  # 1970 began on a Thursday
