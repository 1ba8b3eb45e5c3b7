"""How far a host is from its usual level these days: more users, a new version, a holiday."""

from __future__ import annotations

LAG = 60  # minutes that wait, so that a break is seen before it is learned
_KEEP = 0.9995  # a minute: half is forgotten in a day
_PRIOR, _COLD_PRIOR = 2.0, 0.5
_LEAST, _MOST, _COLD_MOST = 0.5, 5.0, 1000.0


def learned(seen: float, expected: float, count: int, rate: float) -> tuple[float, float]:
    """A and B after one more minute, in which ``count`` installs were newly affected.

    rate: of the baseline, a minute. A crowd in one minute counts for no more than 3 + 10 rate.
    """
    return _KEEP * seen + min(count, 3 + 10 * rate), _KEEP * expected + rate


def factor(seen: float, expected: float, *, cold: bool) -> float:
    """g: what the baseline is multiplied with."""
    prior, most = (_COLD_PRIOR, _COLD_MOST) if cold else (_PRIOR, _MOST)
    return min(most, max(_LEAST, (prior + seen) / (prior + expected)))
