"""Charts as SVG, made on the server: no script, colours by class so that both schemes suit them.

Each is an image with a title and a description; the numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

WIDTH, HEIGHT = 760, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 22, 26  # room for what is written around the plot
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
_TICKS = 6  # of time, at most
_STEPS = tuple(
    timedelta(minutes=minutes)
    for minutes in (1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7 * 1440, 14 * 1440, 30 * 1440)
)  # fmt: skip
_HALF_LABEL = 110  # of a mark, 40 characters at most
SERIES = 8  # colours of the stylesheet, .s0 to .s7


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened: a vertical line."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted: a band. end None: it still does."""

    start: datetime
    end: datetime | None
    label: str


def bars(
    title: str,
    start: datetime,
    step: timedelta,
    series: Mapping[str, Sequence[float]],
    marks: Sequence[Mark] = (),
    spans: Sequence[Span] = (),
) -> Markup:
    """Stacked bars over time. All series have as many values; the first is at the bottom.

    A value is of ``step`` from ``start`` on. What is outside that time is left out.
    """
    count = max((len(values) for values in series.values()), default=0)
    sums = [sum(values[n] for values in series.values()) for n in range(count)]
    top = nice_top(max(sums, default=0.0))
    end = start + step * count
    total = sum(sums)
    said = f"{title}: {_number(total)} in all from {_utc(start)} to {_utc(end)}."
    pieces = [
        Markup(
            '<svg class="chart" role="img" viewBox="0 0 {} {}" preserveAspectRatio="xMidYMid meet">'
            "<title>{}</title><desc>{}</desc>"
        ).format(WIDTH, HEIGHT, title, said),
        *_bands(spans, start, end),
        *_grid(top),
    ]
    wide = _PLOT_WIDTH / max(count, 1)
    for n in range(count):
        if not sums[n]:
            continue
        y = float(_TOP + _PLOT_HEIGHT)
        told = ", ".join(f"{name} {_number(v[n])}" for name, v in series.items() if v[n])
        pieces.append(
            Markup("<g><title>{}: {}</title>").format(_utc(start + step * n), told)
        )  # fmt: skip
        for place, values in enumerate(series.values()):
            if values[n]:
                height = values[n] / top * _PLOT_HEIGHT
                y -= height
                pieces.append(
                    Markup('<rect class="s{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
                        place % SERIES, _LEFT + n * wide, y, max(wide - 0.5, 0.5), height
                    )
                )  # fmt: skip
        pieces.append(Markup("</g>"))
    pieces += _times(start, end)
    pieces += _lines(marks, start, end)
    pieces.append(Markup("</svg>"))
    if len(series) > 1:
        pieces.append(_legend(series))
    return Markup("").join(pieces)


def curve(title: str, points: Sequence[tuple[datetime, float]], unit: str = "") -> Markup:
    """One line over time, from 0 up; points in the order of time, at least two."""
    if len(points) < 2:
        raise ValueError("a curve has two points or more")
    start, end = points[0][0], points[-1][0]
    top = nice_top(max(value for _, value in points))
    path = " ".join(
        f"{'M' if n == 0 else 'L'}{_x(at, start, end):.1f} {_TOP + _PLOT_HEIGHT * (1 - value / top):.1f}"
        for n, (at, value) in enumerate(points)
    )
    said = f"{title}: {_number(points[0][1])}{unit} at {_utc(start)}, {_number(points[-1][1])}{unit} at {_utc(end)}."
    return Markup("").join([
        Markup('<svg class="chart" role="img" viewBox="0 0 {} {}"><title>{}</title><desc>{}</desc>').format(
            WIDTH, HEIGHT, title, said
        ),
        *_grid(top, unit),
        Markup('<path class="line" d="{}"/>').format(path),
        *_times(start, end),
        Markup("</svg>"),
    ])  # fmt: skip


def nice_top(most: float) -> float:
    """A round number at or above: 1, 2 or 5 times a power of ten; at least 1."""
    if not math.isfinite(most) or most <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * factor for factor in (1, 2, 5, 10) if most <= power * factor * (1 + 1e-9))


def ticks(start: datetime, end: datetime) -> list[datetime]:
    """Round times between both, in UTC, at most _TICKS of them."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    step = next((s for s in _STEPS if (end - start) / s <= _TICKS), _STEPS[-1])
    zero = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday
    at = zero + math.ceil((start - zero) / step) * step
    found: list[datetime] = []
    while at <= end and len(found) < 4 * _TICKS:
        found.append(at)
        at += step
    return found


def _x(at: datetime, start: datetime, end: datetime) -> float:
    share = (at - start) / (end - start) if end > start else 0.0
    return _LEFT + _PLOT_WIDTH * min(max(share, 0.0), 1.0)


def _grid(top: float, unit: str = "") -> list[Markup]:
    found = []
    for share in (0.0, 0.5, 1.0):
        y = _TOP + _PLOT_HEIGHT * (1 - share)
        found.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
                '<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
            ).format(_LEFT, WIDTH - _RIGHT, y, y, _LEFT - 6, y + 4, _number(top * share) + unit)
        )
    return found


def _times(start: datetime, end: datetime) -> list[Markup]:
    short = end - start <= timedelta(days=2)
    return [
        Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            _x(at, start, end), HEIGHT - 8, at.strftime("%H:%M" if short else "%d %b")
        )
        for at in ticks(start, end)
        if _LEFT + 10 <= _x(at, start, end) <= WIDTH - _RIGHT - 14
    ]


def _lines(marks: Sequence[Mark], start: datetime, end: datetime) -> list[Markup]:
    return [
        Markup(
            '<g class="mark"><title>{}, {}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{}" y2="{}"/>'
            '<text x="{x:.1f}" y="{}" text-anchor="{}">{}</text></g>'
        ).format(
            mark.label, _utc(mark.at), _TOP - 6, _TOP + _PLOT_HEIGHT, _TOP - 9,
            _anchor(_x(mark.at, start, end)), mark.label[:40], x=_x(mark.at, start, end),
        )
        for mark in marks
        if start <= mark.at <= end
    ]  # fmt: skip


def _anchor(x: float) -> str:
    """So that a label near an edge does not go over it."""
    if x > WIDTH - _HALF_LABEL:
        return "end"
    return "start" if x < _HALF_LABEL else "middle"


def _bands(spans: Sequence[Span], start: datetime, end: datetime) -> list[Markup]:
    found = []
    for span in spans:
        last = span.end or end
        if last < start or span.start > end:
            continue
        x = _x(span.start, start, end)
        found.append(
            Markup(
                '<g class="span"><title>{}, from {}{}</title>'
                '<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}"/></g>'
            ).format(
                span.label, _utc(span.start), f" to {_utc(span.end)}" if span.end else "", x, _TOP,
                max(_x(last, start, end) - x, 1.5), _PLOT_HEIGHT,
            )
        )  # fmt: skip
    return found


def _legend(series: Mapping[str, Sequence[float]]) -> Markup:
    entries = Markup("").join(
        Markup('<li><svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
               '<rect class="s{}" width="10" height="10"/></svg> {} <small>{}</small></li>').format(
            place % SERIES, name, _number(sum(values))
        )
        for place, (name, values) in enumerate(series.items())
    )  # fmt: skip
    return Markup('<ul class="legend">{}</ul>').format(entries)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3g}"


def _utc(at: datetime) -> str:
    return str(escape(at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")))
