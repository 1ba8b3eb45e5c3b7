"""What a bench leaves: a table on standard output, JSON and a picture in a directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.targets import Verdict, table

_WIDTH, _LEFT, _ROW = 760, 170, 34
_STYLE = """
svg{--paper:#fff;--ink:#1d2129;--soft:#667;--line:#d5d9e0;--bar:#7aa7d9;--dot:#1d4f8c}
@media (prefers-color-scheme:dark){
svg{--paper:#14171c;--ink:#e6e9ef;--soft:#99a2b0;--line:#343b46;--bar:#2f5f96;--dot:#b9d6f7}}
text{font:13px system-ui,sans-serif;fill:var(--ink)}.soft{fill:var(--soft)}
.title{font-size:15px;font-weight:600}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with those that it is the median of."""

    name: str
    value: float
    rounds: Sequence[float] = ()


def _svg(height: int, title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect width="{_WIDTH}" height="{height}" fill="var(--paper)"/>'
        f'<text class="title" x="16" y="26">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )


def _told(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def bars(title: str, unit: str, given: Sequence[Bar], *, left: int = _LEFT) -> str:
    """One bar a line, its rounds as dots. left: room for names."""
    most = max((max(bar.value, *bar.rounds, 0) for bar in given), default=1) or 1
    scale = (_WIDTH - left - 110) / most
    parts = []
    for number, bar in enumerate(given):
        y = 44 + number * _ROW
        width = bar.value * scale
        parts.append(
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{escape(bar.name)}</text>'
            f'<rect x="{left}" y="{y}" width="{width:.1f}" height="24" rx="3" fill="var(--bar)"/>'
        )
        parts += [
            f'<circle cx="{left + value * scale:.1f}" cy="{y + 12}" r="2.6" fill="var(--dot)"/>'
            for value in bar.rounds
        ]
        end = max(bar.value, *bar.rounds, 0) * scale
        parts.append(
            f'<text class="soft" x="{left + end + 9:.1f}" y="{y + 17}">{_told(bar.value)} {unit}</text>'
        )
    return _svg(60 + len(given) * _ROW, title, parts)


def line(title: str, unit: str, values: Sequence[float], *, bound: float | None = None) -> str:
    """Values in equal steps of time, from 0 up. bound: drawn across."""
    height, bottom = 260, 230
    most = max([*values, bound or 0, 1]) * 1.05
    step = (_WIDTH - 90) / max(len(values) - 1, 1)
    points = [
        f"{60 + i * step:.1f},{bottom - value / most * 180:.1f}" for i, value in enumerate(values)
    ]
    parts = [
        f'<line x1="60" y1="{bottom}" x2="{_WIDTH - 30}" y2="{bottom}" stroke="var(--line)"/>',
        f'<polyline points="{" ".join(points)}" fill="none" stroke="var(--dot)" stroke-width="1.8"/>',
        f'<text class="soft" x="52" y="{bottom}" text-anchor="end">0</text>',
    ]
    if bound is not None:
        y = bottom - bound / most * 180
        parts.append(
            f'<line x1="60" y1="{y:.1f}" x2="{_WIDTH - 30}" y2="{y:.1f}" stroke="var(--soft)" '
            f'stroke-dasharray="4 4"/><text class="soft" x="52" y="{y + 4:.1f}" '
            f'text-anchor="end">{_told(bound)}</text>'
        )
    if values:
        parts.append(
            f'<text class="soft" x="{_WIDTH - 30}" y="50" text-anchor="end">'
            f"most {_told(max(values))} {unit}</text>"
        )
    return _svg(height, title, parts)


def finish(
    out: Path | None,
    name: str,
    verdicts: Sequence[Verdict],
    content: Mapping[str, Any],
    picture: str,
) -> int:
    """Print the verdicts, write NAME.json and NAME.svg. 0 if every must is met, else 1."""
    print(table(verdicts))
    missed = [v.target.name for v in verdicts if not v.is_met]
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        judged = [{**asdict(v.target), "value": v.value, "met": v.is_met} for v in verdicts]
        told = {"bench": name, **content, "targets": judged}
        (out / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
        (out / f"{name}.svg").write_text(picture)
        print(f"written: {out / name}.json, {out / name}.svg")
    print("not met: " + ", ".join(missed) if missed else "all musts are met")
    return 1 if missed else 0
