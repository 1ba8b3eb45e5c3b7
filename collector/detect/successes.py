"""How many connections should have gone well, from how many did on earlier days."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def usual(before: Sequence[tuple[int, int]], reference: int) -> float:
    """Successes expected of a stretch of minutes; 0.0 where nothing says.

    before: for each earlier day or week, the successes of the same minutes and those of a reference
    hour. reference: of that hour this time. It has to end before the change, so that a break does not
    lower what is expected; it carries what is different this time: a weekend, more users.
    """
    told = [minutes * reference / hour for minutes, hour in before if hour > 0]
    return float(median(told)) if told else 0.0
