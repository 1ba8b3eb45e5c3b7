"""How unlikely a count is, where fewer were expected."""

from __future__ import annotations

import math

_TINY = 1e-300
_CLOSE = 1e-13
_WORST_STEPS = 20_000
_ADDED = 32  # the largest count whose terms are added up
_PLAIN = 1e-3  # a probability from which on they tell it to nine digits
_LN10 = math.log(10)
WINDOWS_PRICE = 0.6  # of looking at several windows: log10 of four


def log_tail(count: int, size: float, mean: float) -> float:
    """ln P(X >= count) for X negative binomial of that mean and variance mean + mean² / size.

    count >= 0, size > 0, mean >= 0. The result is <= 0, and -inf only where mean is 0. Relative error
    of the probability under 1e-9 for counts up to a million, also where it is far below what a float
    holds.

    P(X >= n) is the regularised incomplete beta function I_x(n, size) at x = mean / (size + mean)
    (NIST DLMF 8.17.24), here by its continued fraction (DLMF 8.17.22, evaluated as Lentz does).
    """
    if count <= 0:
        return 0.0
    if mean <= 0:
        return -math.inf
    below, above = mean / (size + mean), size / (size + mean)
    if count <= _ADDED:
        rest = _rest(count, size, below, above)
        if rest > _PLAIN:
            return math.log(rest)
    if below <= (count + 1) / (count + size + 2):
        return min(0.0, _log_beta(count, size, below, above))
    # Past the middle the other tail is the small one, and the fraction converges there.
    return math.log1p(-min(1 - 1e-16, math.exp(_log_beta(size, count, above, below))))


def _rest(count: int, size: float, below: float, above: float) -> float:
    """P(X >= count), as what all smaller counts leave of 1: exact as long as that is not small."""
    term: float = above**size
    rest = 1.0 - term
    for smaller in range(1, count):
        term *= (smaller - 1 + size) / smaller * below
        rest -= term
    return rest


def _log_beta(a: float, b: float, x: float, rest: float) -> float:
    """ln I_x(a, b); rest: 1 - x, given since it may be tiny."""
    front = (
        a * math.log(x)
        + b * math.log(rest)
        - math.log(a)
        + math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
    )
    return front + math.log(_fraction(a, b, x))


def _fraction(a: float, b: float, x: float) -> float:
    c = 1.0
    d = 1.0 / (1.0 - (a + b) * x / (a + 1.0) or _TINY)
    result = d
    for m in range(1, _WORST_STEPS):
        double = a + 2 * m
        even = m * (b - m) * x / ((double - 1.0) * double)
        d = 1.0 / (1.0 + even * d or _TINY)
        c = 1.0 + even / c or _TINY
        result *= d * c
        odd = -(a + m) * (a + b + m) * x / (double * (double + 1.0))
        d = 1.0 / (1.0 + odd * d or _TINY)
        c = 1.0 + odd / c or _TINY
        step = d * c
        result *= step
        if abs(step - 1.0) < _CLOSE:
            break
    return result


def surprise(count: int, mean: float, evidence: float, dispersion: float) -> float:
    """s = -log10 P(NB >= count) - 0.6: 7 is less than one in ten million, said of several windows.

    evidence: ``a`` of the baseline, how many installs it was learned from; dispersion: its kappa. Both
    widen the distribution: a rate that is hardly known, and installs that come in crowds.
    """
    size = 1.0 / (1.0 / evidence + 1.0 / dispersion)
    return -log_tail(count, size, mean) / _LN10 - WINDOWS_PRICE
