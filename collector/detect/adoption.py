"""How fast users take up new versions: shares of versions now, and where they go.

The curve, for one app and platform. ``older(v)`` is the share of uses on versions older than v. Nobody
goes back, so while no release comes it only falls. For each version it is taken to fall by a constant
ratio a day, ``older(v, t + h) = older(v, t) * exp(slope(v) * h)``: a weighted least-squares line through
ln(older + 0.5 / n) of the days since v was first seen, of the last FITTED, each weighted by its uses n;
never rising. Each version has a slope of its own, so that those who stay behind for long keep their pace
however fast the newest release spreads; and a longer tail is never cut by a shorter: ``older`` of a newer
version is at least that of each older one. Shares are the differences, so they sum to 1.

There is no forecast from under LEAST uses a day, nor from less than two such days. A release in the
meantime only makes it faster for those who would have updated to it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from collector.model import platform_label
from collector.pins.versions import version_key

SOURCES = ("imported", "connections", "reports")  # what is believed first
LEAST = 100  # uses of a day
SEEN = 28  # days back that a version counts as in use
RECENT = 7  # days back that today's shares may be taken from
FITTED = 14  # days that a slope is taken from
STEEPEST = -3.0  # a day
FURTHEST = 366  # days


@dataclass(frozen=True, slots=True)
class Use:
    """How many used a version on a day. source: one of SOURCES; ``uses`` of two sources are not
    comparable: installs of connections, installs that reported a failure, whatever was imported."""

    app: str
    platform: str
    version: str
    day: date
    source: str
    uses: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Versions of one app and platform, oldest first.

    ``shares``: of the ``uses`` of ``last``, the newest day that is over. They are of one day, however few
    used it, so that more users of one version never make the share of another larger. ``slopes``, where
    there is a forecast: of ``older(v)``, a day, 0 or less. ``versions`` may have more than were used on
    that day: their share is 0.
    """

    app: str
    platform: str
    source: str
    versions: tuple[str, ...]
    shares: tuple[float, ...]
    uses: float
    last: date
    slopes: tuple[float, ...] | None
    fitted: int = 0  # days that the slopes are from

    def at(self, days: float) -> dict[str, float] | None:
        """Shares so many days after ``last``; None where there is no forecast."""
        if days <= 0:
            return dict(zip(self.versions, self.shares, strict=True))
        if self.slopes is None:
            return None
        below, edges = 0.0, [0.0]
        highest = 0.0
        for share, slope in zip(self.shares[:-1], self.slopes[1:], strict=True):
            below += share
            highest = min(1.0, max(highest, below * math.exp(slope * days)))
            edges.append(highest)
        edges.append(1.0)
        told = [above - under for under, above in pairwise(edges)]
        return dict(zip(self.versions, told, strict=True))

    def reach(self, days: float) -> float | None:
        """What share a release has so many days after it, at the pace of the newest one that
        spreads; None where that is not known."""
        pace = self._pace()
        return None if pace is None else 1 - math.exp(pace * days)

    def _pace(self) -> float | None:
        return next((slope for slope in reversed(self.slopes or ()) if slope < 0), None)

    def until(self, wanted: float) -> int | None:
        """Whole days after a release that so large a share has it."""
        pace = self._pace()
        if pace is None:
            return None
        days = math.ceil(math.log(1 - wanted) / pace)
        return days if days <= FURTHEST else None


def curves(uses: Iterable[Use], today: date) -> list[Curve]:
    """One for each app and platform that was used in the last SEEN days, from its best source: the
    first of SOURCES that has LEAST uses in the last RECENT days, else the one with most uses."""
    by_place: dict[tuple[str, str], dict[str, list[Use]]] = defaultdict(lambda: defaultdict(list))
    since = today - timedelta(days=SEEN)
    for use in uses:
        if since <= use.day <= today and use.uses > 0:
            place = use.app, platform_name(use.platform)
            by_place[place][use.source].append(use)
    return [
        _curve(app, platform, by_place[app, platform], today) for app, platform in sorted(by_place)
    ]


def platform_name(text: str) -> str:
    """As metrics have it where it is a known one; else in capitals."""
    name = text.strip().upper()
    label = platform_label(name)
    return name if label == "OTHER" else label


def _curve(app: str, platform: str, by_source: Mapping[str, Sequence[Use]], today: date) -> Curve:
    lately = today - timedelta(days=RECENT)
    recent = {s: sum(u.uses for u in told if u.day >= lately) for s, told in by_source.items()}
    there = [source for source in SOURCES if source in recent]
    most = max(there, key=lambda source: recent[source])
    source = next((source for source in there if recent[source] >= LEAST), most)
    days: dict[date, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for use in by_source[source]:
        days[use.day][use.version] += use.uses
    if len(days) > 1:
        days.pop(today, None)  # it is not over
    seen = {use.version for told in by_source.values() for use in told}
    versions = tuple(sorted(seen, key=lambda v: (version_key(v), v)))
    last = max(days)
    sums = days[last]
    total = sum(sums.values())
    slopes, fitted = _fitted(days, versions, last)
    return Curve(
        app=app,
        platform=platform,
        source=source,
        versions=versions,
        shares=tuple(sums.get(version, 0.0) / total for version in versions),
        uses=total,
        last=last,
        slopes=slopes,
        fitted=fitted,
    )


def _fitted(
    days: Mapping[date, Mapping[str, float]], versions: Sequence[str], last: date
) -> tuple[tuple[float, ...] | None, int]:
    """(slope of ``older`` for each version, days that they are from), or (None, 0)."""
    totals = {day: sum(told.values()) for day, told in days.items()}
    since = last - timedelta(days=FITTED)
    fit = sorted(day for day, total in totals.items() if total >= LEAST and day > since)
    if len(fit) < 2:
        return None, 0
    born: dict[str, date] = {}
    for day in sorted(days):
        for version in days[day]:
            born.setdefault(version, day)
    slopes = []
    older = dict.fromkeys(fit, 0.0)
    for version in versions:
        points = [
            ((day - last).days, older[day] / totals[day], totals[day])
            for day in fit
            if version in born and day >= born[version]
        ]
        slopes.append(_slope(points))
        for day in fit:
            older[day] += days[day].get(version, 0.0)
    return tuple(slopes), len(fit)


def _slope(points: Sequence[tuple[int, float, float]]) -> float:
    """points: (day, share, uses). 0 where there are not two of them, or the share rises."""
    if len(points) < 2 or not any(share for _, share, _ in points):
        return 0.0
    logs = [(day, math.log(share + 0.5 / uses), uses) for day, share, uses in points]
    weight = sum(uses for _, _, uses in logs)
    middle = sum(day * uses for day, _, uses in logs) / weight
    mean = sum(log * uses for _, log, uses in logs) / weight
    spread = sum(uses * (day - middle) ** 2 for day, _, uses in logs)
    slope = sum(uses * (day - middle) * (log - mean) for day, log, uses in logs) / spread
    return max(STEEPEST, min(0.0, slope))


def percent(share: float, uses: float, *, forecast: bool = False) -> str:
    """A share with no more digits than ``uses`` can tell; of a forecast, whole percents.

    At most two decimals. A share that is there and smaller than the last digit is "less than" it.
    """
    digits = 0 if forecast or uses < 1000 else 1 if uses < 10_000 else 2
    step = 10.0**-digits
    told = round(100 * share, digits)
    about = "about " if forecast else ""
    if share <= 0:
        return "less than 1 %" if forecast else f"none of {_count(uses)}"
    if told < step:
        return f"less than {step:g} %"
    if told >= 100 and share < 1:
        return f"more than {100 - step:g} %"
    return f"{about}{told:.{digits}f} %"


def _count(uses: float) -> str:
    return f"{round(uses):,}"
