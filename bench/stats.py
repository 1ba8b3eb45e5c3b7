"""Figures of rounds: medians, percentiles, ratios."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of them do not exceed.

    Raises ValueError if there are none.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


def paired_ratio(over: Sequence[float], under: Sequence[float]) -> float | None:
    """The median of ratios, round by round: what drifts with the machine drops out.

    None where a round is missing, or there is nothing to divide by.
    """
    if not over or len(over) != len(under) or min(under) <= 0:
        return None
    return median(a / b for a, b in zip(over, under, strict=True))
