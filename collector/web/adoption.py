"""How fast versions spread, as pages show it: shares now and soon, and a curve of the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from markupsafe import Markup

from collector.detect.adoption import Curve, percent
from collector.detect.outcomes import HORIZONS
from collector.web import charts
from collector.web.shown import shown

_VERSIONS = 6  # that are shown of an app, the newest
_FURTHEST = 28  # days of the curve
COUNTED = {
    "imported": "uses, as imported",
    "connections": "installs that connected",
    "reports": "installs that reported a failure, which may not be like the others",
}


@dataclass(frozen=True, slots=True)
class Spread:
    """``versions``: (name, its share at each of HORIZONS, "" where it is not known), newest first.
    ``chart`` None: there is no forecast."""

    curve: Curve
    counted: str
    versions: list[tuple[str, list[str]]]
    older: int
    chart: Markup | None


def spreads(curves: Iterable[Curve], most: int) -> list[Spread]:
    """Of the apps that most used."""
    ranked = sorted(curves, key=lambda curve: (-curve.uses, curve.app, curve.platform))
    return [_spread(curve) for curve in ranked[:most]]


def _spread(curve: Curve) -> Spread:
    at = [curve.at(days) for days in HORIZONS]
    named = list(reversed(curve.versions))[:_VERSIONS]
    versions = [
        (
            version,
            [
                "" if told is None else percent(told[version], curve.uses, forecast=days > 0)
                for days, told in zip(HORIZONS, at, strict=True)
            ],
        )
        for version in named
    ]
    return Spread(
        curve, COUNTED[curve.source], versions, len(curve.versions) - len(named), _chart(curve)
    )


def _chart(curve: Curve) -> Markup | None:
    newest = curve.versions[-1]
    start = datetime.combine(curve.last, time(), UTC)
    points = []
    for days in range(_FURTHEST + 1):
        told = curve.at(days)
        if told is None:
            return None
        points.append((start + timedelta(days=days), 100 * told[newest]))
    name = shown(f"{curve.app} {curve.platform} {newest}".strip(), 120)
    return charts.curve(f"Share on {name}, forecast", points, " %")
