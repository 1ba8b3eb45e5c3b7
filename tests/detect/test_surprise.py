"""The tail of the negative binomial against sums of exact fractions, and where floats end."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.detect.surprise import log_tail, surprise


def exact_tail(count: int, size: int, mean: Fraction) -> Fraction:
    """1 - sum of P(X = k) for k < count, in fractions; whole sizes, so that all is rational."""
    stays = Fraction(size) / (size + mean)
    term = stays**size
    below = Fraction(0)
    for k in range(count):
        below += term
        term *= Fraction(size + k, k + 1) * (1 - stays)
    return 1 - below


def log_of(number: Fraction) -> float:
    with localcontext() as context:
        context.prec = 60
        return float((Decimal(number.numerator) / Decimal(number.denominator)).ln())


@pytest.mark.parametrize("size", [1, 2, 4, 50])
@pytest.mark.parametrize("mean", [Fraction(1, 100), Fraction(1, 3), Fraction(7), Fraction(400)])
@pytest.mark.parametrize("count", [1, 2, 5, 30, 250])
def test_the_tail_is_the_exact_one(count: int, mean: Fraction, size: int) -> None:
    told = log_tail(count, float(size), float(mean))
    assert told == pytest.approx(log_of(exact_tail(count, size, mean)), rel=1e-9, abs=1e-12)


def test_a_size_that_is_no_whole_number_against_a_sum_of_the_tail() -> None:
    size, mean, count = 2.625, 0.8, 12
    step = mean / (size + mean)
    term = math.exp(
        math.lgamma(size + count)
        - math.lgamma(size)
        - math.lgamma(count + 1)
        + size * math.log(1 - step)
        + count * math.log(step)
    )
    tail = 0.0
    for k in range(count, 400):
        tail += term
        term *= (size + k) / (k + 1) * step
    assert log_tail(count, size, mean) == pytest.approx(math.log(tail), rel=1e-9)


def test_far_beyond_what_a_float_holds() -> None:
    told = log_tail(1000, 50.0, 0.5)
    assert told < -2000
    assert told == pytest.approx(log_of(exact_tail(1000, 50, Fraction(1, 2))), rel=1e-9)


def test_nothing_expected_and_nothing_seen() -> None:
    assert log_tail(0, 3.0, 0.0) == 0.0
    assert log_tail(1, 3.0, 0.0) == -math.inf


@given(
    count=st.integers(0, 100_000),
    mean=st.floats(1e-9, 1e6),
    evidence=st.floats(1, 1e6),
    dispersion=st.floats(1, 50),
)
@settings(max_examples=300, deadline=None)
def test_one_more_is_never_less_surprising(
    count: int, mean: float, evidence: float, dispersion: float
) -> None:
    one = surprise(count, mean, evidence, dispersion)
    more = surprise(count + 1, mean, evidence, dispersion)
    assert -0.6 - 1e-9 <= one <= more + 1e-6 * max(1.0, abs(more))


@given(mean=st.floats(0.001, 100), count=st.integers(1, 1000))
@settings(max_examples=100, deadline=None)
def test_less_expected_is_never_less_surprising(mean: float, count: int) -> None:
    assert surprise(count, mean / 2, 10, 4) >= surprise(count, mean, 10, 4) - 1e-9


def test_a_poorly_known_rate_surprises_less() -> None:
    assert surprise(20, 1.0, 1.0, 50) < surprise(20, 1.0, 100.0, 50)
