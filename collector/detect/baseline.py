"""What is usual for a host at this hour of the week, learned from the last 21 days."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

HOURS = 21 * 24  # that are learned from
WEEK = 168  # hours
WARM = 7 * 24  # hours of history from which a host is known
PRIOR = 0.003  # installs a minute, before anything was learned
PRIOR_UNKNOWN = 0.02  # the same where clients report no chains
_BESIDE = 0.5  # weight of the hour before and after, in any week
_DAY_BESIDE = 0.25  # weight of the same hour a day before and after
_LEFT_OUT = 20  # one in so many of the highest hours says nothing of the mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """rate: installs a minute that are usual in each hour of the week (168, or 1 on a cold host).
    lowest: the same as the quietest of the last three weeks had it. evidence: ``a`` of each hour.
    dispersion: kappa, 1 (crowds) to 50 (as if each came alone)."""

    rate: Sequence[float]
    lowest: Sequence[float]
    evidence: Sequence[float]
    dispersion: float
    cold: bool

    def place(self, hour: int) -> int:
        """Where the numbers of an hour stand. hour: since 1970."""
        return hour % len(self.rate)


def winsorised(counts: Sequence[int]) -> list[float]:
    """Counts an hour, the unusual ones cut: y <- min(y, max(3, 3m + 4 sqrt(m), 6 median)).

    m: the mean without the highest twentieth, so that a bad day does not raise its own bound.
    """
    ordered = sorted(counts)
    kept = ordered[: len(ordered) - len(ordered) // _LEFT_OUT]
    mean = sum(kept) / len(kept)
    bound = max(3.0, 3 * mean + 4 * math.sqrt(mean), 6.0 * ordered[len(ordered) // 2])
    if ordered[-1] <= bound:
        return [float(count) for count in counts]
    return [min(count, bound) for count in counts]


def cold_baseline(*, chains: bool) -> Baseline:
    prior = PRIOR if chains else PRIOR_UNKNOWN
    return Baseline(rate=(prior,), lowest=(prior,), evidence=(1.0,), dispersion=3.0, cold=True)


def learn(counts: Sequence[int], last_hour: int, *, chains: bool) -> Baseline:
    """counts: newly affected installs an hour, oldest first, the last one of ``last_hour`` (hours since
    1970), at most 504 of them are used. chains: clients report the chains they saw.

    A host of less than 7 days is cold: nothing is learned by the hour, its drift does that.
    """
    if len(counts) < WARM:
        return cold_baseline(chains=chains)
    counts = counts[-HOURS:]
    if not any(counts):
        return _never(len(counts), last_hour % WEEK, chains)
    return _learned(counts, last_hour, chains)


@lru_cache(maxsize=1024)
def _never(hours: int, last_hour: int, chains: bool) -> Baseline:
    """Of hosts where nothing failed in so many hours: most are, and each hour all of them learn."""
    return _learned([0] * hours, last_hour, chains)


def _learned(counts: Sequence[int], last_hour: int, chains: bool) -> Baseline:
    first = last_hour - len(counts) + 1
    kept = winsorised(counts)
    sums, hours, squares = [0.0] * WEEK, [0] * WEEK, 0.0
    for place, count in enumerate(kept):
        hour = (first + place) % WEEK
        hours[hour] += 1
        if count:
            sums[hour] += count
            squares += count * count
    prior = PRIOR if chains else PRIOR_UNKNOWN
    level = (sum(sums) + 1) / (60 * len(kept) + 1 / prior)
    near, minutes = _spread(sums), [60 * weight for weight in _spread(hours)]
    evidence = [1 + count for count in near]
    rate = [a / (1 / level + e) for a, e in zip(evidence, minutes, strict=True)]
    return Baseline(
        rate=rate,
        lowest=_lowest(kept, rate, level),
        evidence=evidence,
        dispersion=_dispersion(rate, sums, hours, squares, 50.0 if chains else 4.0),
        cold=False,
    )


def _spread(sums: Sequence[float]) -> list[float]:
    """Each hour of the week with its neighbours: one hour beside it, and a day beside it."""
    around = [*sums[-24:], *sums, *sums[:24]]
    return [
        around[h + 24]
        + _BESIDE * (around[h + 23] + around[h + 25])
        + _DAY_BESIDE * (around[h] + around[h + 48])
        for h in range(WEEK)
    ]


def _lowest(kept: Sequence[float], rate: Sequence[float], level: float) -> Sequence[float]:
    """The rate of each hour as if every week were like the quietest of the whole ones.

    Whoever would hide a break under forged failures has to forge for three weeks.
    """
    whole = len(kept) // WEEK
    weeks = (sum(kept[len(kept) - WEEK * (k + 1) : len(kept) - WEEK * k]) for k in range(whole))
    quietest = (min(weeks) + 1) / (60 * WEEK + 1 / level)
    share = min(1.0, quietest / level)
    return rate if share == 1.0 else [share * mean for mean in rate]


def _dispersion(
    rate: Sequence[float], sums: Sequence[float], hours: Sequence[int], squares: float, most: float
) -> float:
    """kappa = (sum mu² + 12) / (max(0, sum((y - mu)² - mu)) + 4), with mu an hour."""
    of_means, excess = 0.0, squares
    for minute, total, count in zip(rate, sums, hours, strict=True):
        mean = 60 * minute
        of_means += count * mean * mean
        excess += count * (mean * mean - mean) - 2 * mean * total
    return min(most, max(1.0, (of_means + 12) / (max(0.0, excess) + 4)))
