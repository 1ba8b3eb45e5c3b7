"""Sentences with numbers that a person can check."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collector.detect.cause_event import Source
from collector.detect.gates import Held
from collector.detect.kinds import Severity
from collector.detect.saying import expected, minutes, named, odds, span, spike
from collector.detect.spike_state import Verdict


def verdict(count: int = 48, window: int = 5, tau: int | None = 1000) -> Verdict:
    return Verdict(
        severity=Severity.PAGE,
        quiet=False,
        score=40.0,
        minutes=window,
        count=count,
        expected=0.3,
        held=Held.NOTHING,
        tau=tau,
    )


def test_the_sentence_of_a_spike() -> None:
    told = spike(
        verdict(), 1002, chains=True, source=Source.PROBED, lead="Android 8.24.1", share=0.81
    )
    assert told == (
        "48 new installs failed pinning against our own chain in the last 5 min "
        "(81 % Android 8.24.1); about 0.3 expected; 2 min after the served chain changed."
    )


def test_what_is_not_known_is_not_said() -> None:
    assert spike(verdict(1, 360, None), 1002, chains=False) == (
        "1 new install failed pinning in the last 6 h; about 0.3 expected."
    )


def test_names_from_reports_are_bounded_and_cannot_turn_the_line() -> None:
    told = spike(verdict(), 1, chains=True, lead="8.1\n\u202e\x1b[2J" + "x" * 500, share=0.5)
    assert told.isprintable()
    assert len(told) < 250
    assert named("8.24.1") == "8.24.1"


@pytest.mark.parametrize(
    ("score", "told"),
    [(0.5, "not unusual"), (3.2, "about one in 1,000"), (6.0, "less than one in a million"),
     (300.0, "less than one in a million")],
)  # fmt: skip
def test_odds_end_at_a_million(score: float, told: str) -> None:
    assert odds(score) == told


@pytest.mark.parametrize(
    ("count", "told"), [(1, "1 min"), (60, "1 h"), (119, "119 min"), (360, "6 h"), (2880, "2 d")]
)
def test_minutes(count: int, told: str) -> None:
    assert minutes(count) == told


def test_numbers() -> None:
    assert [expected(mean) for mean in (0.01, 0.31, 12.4, 12345.0)] == [
        "none",
        "about 0.3",
        "about 12",
        "about 12,345",
    ]
    assert span(timedelta(seconds=-5)) == "0 min"
