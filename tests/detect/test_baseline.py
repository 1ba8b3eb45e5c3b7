"""Baseline, drift and exposure against the formulas worked out the long way."""

import math
from statistics import median

import pytest

from collector.detect import drift
from collector.detect.baseline import HOURS, learn, winsorised
from collector.detect.exposure import Exposure

LAST = 30_000  # hours since 1970


def counts_of(hours: int = HOURS) -> list[int]:
    """Some seasonal counts without chance in them."""
    return [
        (7 * h) % 5 + (3 if (LAST - hours + 1 + h) % 24 in (9, 10) else 0) for h in range(hours)
    ]


def long_way(counts: list[int], hour: int, prior: float) -> tuple[float, float]:
    """a and mu of an hour of the week, pair by pair."""
    first = LAST - len(counts) + 1
    seen = minutes = 0.0
    for place, count in enumerate(counts):
        apart = (first + place - hour) % 168
        weight = {0: 1.0, 1: 0.5, 167: 0.5, 24: 0.25, 144: 0.25}.get(apart, 0.0)
        seen += weight * count
        minutes += weight * 60
    level = (sum(counts) + 1) / (60 * len(counts) + 1 / prior)
    return 1 + seen, (1 + seen) / (1 / level + minutes)


@pytest.mark.parametrize(("chains", "prior"), [(True, 0.003), (False, 0.02)])
def test_the_rate_of_each_hour(chains: bool, prior: float) -> None:
    counts = counts_of()
    assert winsorised(counts) == counts, "nothing in it is unusual"
    baseline = learn(counts, LAST, chains=chains)
    for hour in range(LAST + 1, LAST + 169):
        a, mu = long_way(counts, hour, prior)
        place = baseline.place(hour)
        assert baseline.evidence[place] == pytest.approx(a)
        assert baseline.rate[place] == pytest.approx(mu)


@pytest.mark.parametrize(("chains", "prior", "most"), [(True, 0.003, 50.0), (False, 0.02, 4.0)])
def test_the_dispersion(chains: bool, prior: float, most: float) -> None:
    counts = counts_of()
    squares = excess = 0.0
    for place, count in enumerate(counts):
        mean = 60 * long_way(counts, LAST - len(counts) + 1 + place, prior)[1]
        squares += mean * mean
        excess += (count - mean) ** 2 - mean
    kappa = min(most, max(1.0, (squares + 12) / (max(0.0, excess) + 4)))
    assert learn(counts, LAST, chains=chains).dispersion == pytest.approx(kappa)


def test_a_bad_day_is_cut_and_does_not_raise_its_own_bound() -> None:
    quiet = counts_of()
    bad = [*quiet[:-20], *[100_000] * 20]
    kept = sorted(quiet[:-20])
    mean = sum(kept) / len(kept)
    bound = 3 * mean + 4 * math.sqrt(mean)
    assert max(winsorised(bad)) <= max(1.2 * bound, 6 * median(quiet) + 6)


def test_under_seven_days_a_host_is_cold() -> None:
    assert learn(counts_of(167), LAST, chains=True).cold
    assert learn(counts_of(167), LAST, chains=True).rate[0] == 0.003
    assert learn([], LAST, chains=False).rate[0] == 0.02
    assert not learn(counts_of(168), LAST, chains=True).cold


def test_after_a_change_the_quietest_week_counts() -> None:
    week = counts_of(168)
    forged = learn([*week, *week, *[2 * count for count in week]], LAST, chains=True)
    usual = learn([*week, *week, *week], LAST, chains=True)
    ratio = forged.lowest[5] / usual.lowest[5]
    assert forged.rate[5] > 1.2 * usual.rate[5]
    assert ratio == pytest.approx(1.0, abs=0.05)


def test_drift_follows_and_forgets() -> None:
    seen = expected = 0.0
    for _ in range(20_000):
        seen, expected = drift.learned(seen, expected, 3, 1.0)
    assert drift.factor(seen, expected, cold=False) == pytest.approx(3.0, rel=0.01)
    assert drift.factor(1e9, 1.0, cold=False) == 5.0
    assert drift.factor(1e9, 1.0, cold=True) == 1000.0
    assert drift.factor(0.0, 1e9, cold=False) == 0.5
    assert drift.learned(0.0, 0.0, 10**6, 0.1) == (4.0, 0.1), "a crowd is cut"


def test_expected_counts_over_hours_of_unlike_rates() -> None:
    exposure = Exposure(10, [1.0, 2.0])
    assert exposure.expected(600, 660) == 60
    assert exposure.expected(650, 670) == 10 + 20
    exposure.add(5.0)
    assert exposure.expected(719, 721) == 2 + 5


def test_a_gap_adds_nothing_and_comes_back_over_ten_minutes() -> None:
    exposure = Exposure(0, [1.0, 1.0, 1.0, 1.0])
    gap = [(60, 90)]
    assert exposure.expected(50, 90, gap) == 10
    assert exposure.expected(60, 90, gap) == 0
    assert exposure.expected(90, 95, gap) == 5 + 15, "half of the thirty that were missed"
    assert exposure.expected(90, 100, gap) == 10 + 30
    assert exposure.expected(50, 200, gap) == pytest.approx(150)
