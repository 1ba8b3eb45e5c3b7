"""What is to come, as one strip of time: a lane a kind, a dot an event; the list beside it has the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from collector.web.charts import WIDTH, Mark, ticks

_LEFT, _RIGHT, _LANE, _TOP, _BOTTOM = 120, 12, 34, 8, 24


def strip(
    title: str, start: datetime, end: datetime, lanes: Mapping[str, Sequence[Mark]]
) -> Markup:
    """lanes: by name, from above. What is outside the time is left out."""
    height = _TOP + _LANE * len(lanes) + _BOTTOM
    inside = {
        name: [mark for mark in marks if start <= mark.at <= end] for name, marks in lanes.items()
    }
    told = ", ".join(f"{len(marks)} {name}" for name, marks in inside.items())
    pieces = [
        Markup(
            '<svg class="chart strip" role="img" viewBox="0 0 {} {}"><title>{}</title><desc>{}</desc>'
        ).format(WIDTH, height, title, f"From {_day(start)} to {_day(end)}: {told}.")
    ]

    def x(at: datetime) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * ((at - start) / (end - start))

    for number, (name, marks) in enumerate(inside.items()):
        y = _TOP + _LANE * number + _LANE / 2
        pieces.append(
            Markup(
                '<text class="axis" x="0" y="{:.1f}">{}</text>'
                '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            ).format(y + 4, name, _LEFT, WIDTH - _RIGHT, y, y)
        )
        pieces += [
            Markup('<circle class="s{}" cx="{:.1f}" cy="{:.1f}" r="6"><title>{}</title></circle>').format(
                number, x(mark.at), y, f"{_day(mark.at)}: {mark.label}"
            )
            for mark in marks
        ]  # fmt: skip
    pieces += [
        Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            x(at), height - 8, at.strftime("%d %b")
        )
        for at in ticks(start, end)
        if _LEFT + 10 <= x(at) <= WIDTH - _RIGHT - 14
    ]
    return Markup("").join([*pieces, Markup("</svg>")])


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d")
