"""Charts are well-formed SVG, and hold what they are given."""

from __future__ import annotations

from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.web.charts import Mark, Span, bars, curve, nice_top, ticks
from tests.make import NOON

HOUR = timedelta(hours=1)
SVG = "{http://www.w3.org/2000/svg}"


def parsed(markup: str) -> ET.Element:
    return ET.fromstring(f"<div>{markup}</div>")


def test_each_value_is_a_bar_as_high_as_its_share() -> None:
    found = parsed(bars("Failures", NOON, HOUR, {"ours": [0, 50, 100], "theirs": [100, 0, 0]}))
    heights = [float(r.get("height", "")) for r in found.iter("rect") if r.get("x")]
    assert len(heights) == 3
    assert heights[2] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[0] == pytest.approx(heights[2], abs=0.2)


def test_marks_and_spans_outside_the_time_are_left_out() -> None:
    marks = [
        Mark(NOON + HOUR, "rotation"),
        Mark(NOON - HOUR, "before"),
        Mark(NOON + 9 * HOUR, "after"),
    ]
    spans = [Span(NOON + HOUR, None, "alert"), Span(NOON - 9 * HOUR, NOON - HOUR, "old alert")]
    told = bars("Failures", NOON, HOUR, {"ours": [1, 2, 3]}, marks, spans)
    assert "rotation" in told
    assert "before" not in told
    assert "after" not in told
    assert "old alert" not in told
    assert told.count('class="span"') == 1


@pytest.mark.parametrize(("hour", "anchor"), [(0, "start"), (12, "middle"), (23, "end")])
def test_a_label_near_an_edge_stays_inside(hour: int, anchor: str) -> None:
    marks = [Mark(NOON + hour * HOUR, "rotation (declared, probed)")]
    found = parsed(bars("Failures", NOON, HOUR, {"ours": [1] * 24}, marks))
    (mark,) = (g for g in found.iter("g") if g.get("class") == "mark")
    (text,) = mark.iter("text")
    assert text.get("text-anchor") == anchor


def test_it_says_in_words_what_it_shows() -> None:
    told = parsed(bars("Failures", NOON, HOUR, {"ours": [1, 2, 3]}))
    image = told.find("svg")
    assert image is not None
    assert image.get("role") == "img"
    assert image.findtext("title") == "Failures"
    assert "6 in all from 2026-11-20 12:00 UTC to 2026-11-20 15:00 UTC" in (
        image.findtext("desc") or ""
    )


def test_nothing_at_all_is_a_chart_too() -> None:
    empty: list[dict[str, list[float]]] = [{}, {"ours": []}, {"ours": [0, 0]}]
    for series in empty:
        parsed(bars("Failures", NOON, HOUR, series))


@given(
    st.text(max_size=50),
    st.dictionaries(
        st.text(max_size=30), st.lists(st.floats(0, 1e12), min_size=4, max_size=4), max_size=10
    ),
)
def test_any_text_is_escaped(title: str, series: dict[str, list[float]]) -> None:
    told = bars(title, NOON, HOUR, series, [Mark(NOON, title)], [Span(NOON, None, title)])
    visible = "".join(c for c in told if c.isprintable())  # what XML cannot hold, a browser can
    found = parsed(visible)
    assert {e.tag for e in found.iter()} <= {
        "div", "svg", "title", "desc", "g", "rect", "line", "text", "ul", "li", "small",
    }  # fmt: skip


@given(st.floats(0, 1e15))
def test_the_top_is_round_and_not_far(most: float) -> None:
    top = nice_top(most)
    assert top >= most * (1 - 1e-6)
    assert top <= max(1.0, 2.6 * most)


@given(st.integers(1, 400 * 1440), st.integers(0, 10**6))
def test_ticks_are_few_and_inside(minutes: int, offset: int) -> None:
    start = NOON + timedelta(minutes=offset)
    end = start + timedelta(minutes=minutes)
    found = ticks(start, end)
    assert len(found) <= 16
    assert all(start <= at <= end for at in found)
    assert found == sorted(found)


def test_a_curve_goes_through_its_points() -> None:
    points: list[tuple[datetime, float]] = [
        (NOON, 0.0),
        (NOON + HOUR, 50.0),
        (NOON + 2 * HOUR, 100.0),
    ]
    path = parsed(curve("Adoption", points, " %")).find("svg/path")
    assert path is not None
    assert path.get("d", "").count("L") == 2
    with pytest.raises(ValueError, match="two points"):
        curve("Adoption", points[:1])
