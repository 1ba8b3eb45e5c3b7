"""The pure parts of the bench: ratios, verdicts, what was lost."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from bench import report, targets
from bench.asking import Asked
from bench.database import Kept
from bench.memory import drift, merged
from bench.queries import growth
from bench.rounds import compare
from bench.stats import paired_ratio, percentile
from bench.targets import Verdict, table


@pytest.mark.parametrize(
    ("share", "value"),
    [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)],
)
def test_a_percentile_is_a_value_that_was_seen(share: float, value: int) -> None:
    assert percentile([*range(100, 0, -1)], share) == value


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_ratios_are_of_the_same_round() -> None:
    # The machine was half as fast in the second round: the ratio is not.
    assert paired_ratio([500, 250, 510], [1000, 500, 1000]) == 0.5
    assert paired_ratio([1], [0]) is None
    assert paired_ratio([1, 2], [1]) is None


@pytest.mark.parametrize(
    ("target", "value", "word"),
    [
        pytest.param(targets.DURABLE, 0.44, "NOT MET", id="too low"),
        pytest.param(targets.DURABLE, 0.45, "met", id="just enough"),
        pytest.param(targets.DURABLE, 0.7, "met, aim too", id="the aim"),
        pytest.param(targets.P99, 51, "NOT MET", id="too high"),
        pytest.param(targets.P99, 14, "met, aim too", id="low is better"),
        pytest.param(targets.LOST, 0, "met, aim too", id="nothing lost"),
        pytest.param(targets.LOST, 1, "NOT MET", id="one is too many"),
        pytest.param(targets.WORKERS, 1.2, "no bound", id="informs only"),
        pytest.param(targets.WORKERS, None, "not measured", id="no workers"),
        pytest.param(
            targets.NAIVE, None, "NOT MET: not measured", id="a must that was not measured"
        ),
    ],
)
def test_verdicts(target: targets.Target, value: float | None, word: str) -> None:
    verdict = Verdict(target, value)
    assert verdict.word() == word
    assert verdict.is_met is not word.startswith("NOT MET")
    assert table([verdict]).splitlines()[-1].endswith(word)


def _seen(**changes: Any) -> dict[str, Any]:
    seen = {
        "sent": 110, "again": 10, "unanswered": 0, "statuses": {"200": 110},
        "told": {"kept": 100, "accepted": 100, "duplicates": 10, "spooled": 0},
    }  # fmt: skip
    return {**seen, **changes}


BEFORE = Kept(rows=1000, accepted=1000, duplicates=50)


@pytest.mark.parametrize(
    ("seen", "after", "found"),
    [
        pytest.param(_seen(), Kept(1100, 1100, 60), (0, 0), id="all is there, once"),
        pytest.param(_seen(), Kept(1099, 1100, 60), (1, 0), id="a row is missing"),
        pytest.param(_seen(), Kept(1100, 1098, 60), (2, 2), id="the ledger knows fewer"),
        pytest.param(_seen(), Kept(1103, 1103, 60), (0, 3), id="more than was sent"),
        pytest.param(
            _seen(unanswered=3, sent=113), Kept(1103, 1103, 60), (0, 0), id="without an answer"
        ),
        pytest.param(
            _seen(sent=112, statuses={"200": 110, "503": 2}),
            Kept(1102, 1102, 60),
            (0, 0),
            id="a commit whose answer came too late",
        ),
        pytest.param(
            _seen(told={"kept": 105, "accepted": 60, "duplicates": 5, "spooled": 45}),
            Kept(1100, 1100, 60),
            (0, 0),
            id="what was spooled turned out to be duplicates",
        ),
    ],
)
def test_what_was_lost_and_what_was_counted_twice(
    seen: dict[str, Any], after: Kept, found: tuple[int, int]
) -> None:
    assert compare(seen, BEFORE, after) == found


def test_rounds_add_up() -> None:
    found = merged([_seen(), _seen(unanswered=2, statuses={"200": 1, "503": 4})])
    assert (found["sent"], found["again"], found["unanswered"]) == (220, 20, 2)
    assert found["statuses"] == {"200": 111, "503": 4}
    assert found["told"]["kept"] == 200


def test_drift_leaves_the_start_out() -> None:
    flat = [50.0] * 60 + [100.0] * 540
    assert drift(flat) == 0
    assert drift([100.0] * 120 + [130.0] * 60) == 30
    assert drift([1.0] * 12) is None


def _asked(rows: int, median: float | None) -> Asked:
    return Asked("/", rows, 20, median, median, 1, 0.0)


@pytest.mark.parametrize(
    ("small", "large", "ratio"),
    [
        pytest.param(10, 30, 3, id="slower"),
        pytest.param(0.3, 3, 1, id="fast at both sizes is not judged"),
        pytest.param(1, 50, 10, id="from the floor on"),
        pytest.param(10, None, None, id="no answer"),
    ],
)
def test_growth(small: float, large: float | None, ratio: float | None) -> None:
    assert growth([_asked(10, small), _asked(100, large)]) == ratio


@pytest.mark.parametrize(
    "picture",
    [
        report.bars("a < b & c", "/s", [report.Bar("x<y", 3, [2, 3, 4]), report.Bar("none", 0)]),
        report.line("memory", "MB", [100, 120, 110], bound=250),
        report.line("nothing", "MB", []),
    ],
)
def test_pictures_are_well_formed_and_follow_the_scheme(picture: str) -> None:
    ET.fromstring(picture)
    assert "prefers-color-scheme:dark" in picture
