"""Shares of versions: what was seen, where it goes, and how much of it may be said."""

import math
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.detect.adoption import LEAST, Curve, Use, curves, percent
from collector.pins.versions import version_key

TODAY = date(2026, 11, 20)


def use(
    version: str, days_ago: int, uses: float, source: str = "connections", app: str = "w"
) -> Use:
    return Use(app, "ANDROID", version, TODAY - timedelta(days=days_ago), source, uses)


def falling(ratio: float, days: int = 7, size: float = 100_000) -> list[Use]:
    """Version 2 came ``days`` ago; the share of version 1 falls by a ratio a day."""
    old = [ratio ** (days - ago) for ago in range(days, 0, -1)]
    return [
        row
        for ago, share in zip(range(days, 0, -1), old, strict=True)
        for row in (use("1.0", ago, size * share), use("2.0", ago, size * (1 - share)))
        if row.uses
    ] + [use("1.0", days + 1, size)]


def one(uses: list[Use]) -> Curve:
    (curve,) = curves(uses, TODAY)
    return curve


def test_a_release_that_spreads_by_a_constant_ratio_is_forecast_exactly() -> None:
    curve = one(falling(0.7))
    assert curve.versions == ("1.0", "2.0")
    assert curve.last == TODAY - timedelta(days=1)
    now = 0.7**6
    for days in (1, 2, 7):
        told = curve.at(days)
        assert told
        assert told["1.0"] == pytest.approx(now * 0.7**days, rel=0.02)
    assert curve.reach(1) == pytest.approx(0.3, abs=0.01)
    assert curve.until(0.99) == math.ceil(math.log(0.01) / math.log(0.7))


def test_those_who_stay_behind_keep_their_own_pace() -> None:
    """A quarter never updates: the newest release does not carry them along."""
    rows = falling(0.5)
    rows += [use("0.9", ago, 25_000) for ago in range(1, 9)]
    curve = one(rows)
    told = curve.at(7)
    assert told
    assert told["0.9"] >= 0.19
    assert told["1.0"] < 0.02


@pytest.mark.parametrize(("rows", "why"), [
    ([use("1.0", 1, 5000), use("2.0", 1, 5000)], "one day"),
    ([use("1.0", ago, LEAST // 2 - 1) for ago in range(1, 8)], "under N uses a day"),
])  # fmt: skip
def test_no_forecast_from_too_little(rows: list[Use], why: str) -> None:
    curve = one(rows)
    assert curve.slopes is None
    assert curve.at(1) is None
    assert curve.at(0)
    assert curve.reach(1) is None
    assert curve.until(0.99) is None


def test_what_is_believed_first() -> None:
    rows = [use("1.0", 1, 500, "reports"), use("2.0", 1, 500, "connections")]
    assert one(rows).source == "connections"
    assert one(rows).at(0) == {"1.0": 0.0, "2.0": 1.0}  # 1.0 is in use, by how many is not known
    assert one([*rows, use("3.0", 2, 500, "imported")]).source == "imported"
    assert one([*rows, use("3.0", 2, LEAST - 1, "imported")]).source == "connections"
    assert one([use("1.0", 1, 5, "reports"), use("1.0", 1, 3)]).source == "reports"


def test_the_day_that_is_not_over_is_left_out() -> None:
    assert one([use("1.0", 1, 500), use("2.0", 0, 500)]).at(0) == {"1.0": 1.0, "2.0": 0.0}
    assert one([use("2.0", 0, 500)]).at(0) == {"2.0": 1.0}


def test_shares_are_of_one_day() -> None:
    curve = one([use("1.0", 1, 60), use("2.0", 2, 60)])
    assert (curve.uses, curve.last, curve.shares) == (60, TODAY - timedelta(days=1), (1.0, 0.0))


def test_what_was_not_used_for_long_is_not_in_use() -> None:
    assert curves([use("1.0", 29, 5000)], TODAY) == []
    assert one([use("1.0", 28, 5000)]).versions == ("1.0",)


@pytest.mark.parametrize(("share", "uses", "forecast", "told"), [
    (0.123456, 100, False, "12 %"), (0.123456, 1000, False, "12.3 %"), (0.123456, 1e7, False, "12.35 %"),
    (0.123456, 1e7, True, "about 12 %"), (0.0, 12345, False, "none of 12,345"), (0.001, 100, False, "less than 1 %"),
    (0.00001, 1e5, False, "less than 0.01 %"), (0.00001, 1e5, True, "less than 1 %"), (1.0, 100, False, "100 %"),
    (0.9999, 1000, False, "more than 99.9 %"), (0.0, 1e7, True, "less than 1 %"),
])  # fmt: skip
def test_no_more_digits_than_are_known(
    share: float, uses: float, forecast: bool, told: str
) -> None:
    assert percent(share, uses, forecast=forecast) == told


VERSIONS = ["1.0", "1.1", "1.1-beta", "2.0", "2.10", "10.0", ""]
ROWS = st.lists(
    st.builds(
        use,
        st.sampled_from(VERSIONS),
        st.integers(0, 20),
        st.floats(0, 1e6),
        st.sampled_from(["connections", "imported", "reports"]),
    ),
    max_size=40,
)


@given(ROWS, st.lists(st.floats(0, 400), min_size=2, max_size=2))
def test_shares_sum_to_one_and_only_go_to_newer_versions(
    rows: list[Use], days: list[float]
) -> None:
    for curve in curves(rows, TODAY):
        assert list(curve.versions) == sorted(curve.versions, key=lambda v: (version_key(v), v))
        before: dict[str, float] | None = None
        for later in (0.0, *sorted(days)):
            shares = curve.at(later)
            if shares is None:
                assert curve.slopes is None
                continue
            assert sum(shares.values()) == pytest.approx(1)
            assert all(-1e-9 <= share <= 1 + 1e-9 for share in shares.values())
            if before is not None:
                newer = was = 0.0
                for version in reversed(curve.versions):
                    newer += shares[version]
                    was += before[version]
                    assert newer >= was - 1e-9
            before = shares


@given(ROWS)
def test_the_order_of_rows_is_nothing(rows: list[Use]) -> None:
    told = [(c.app, c.source, c.versions, c.last) for c in curves(rows, TODAY)]
    assert told == [(c.app, c.source, c.versions, c.last) for c in curves(rows[::-1], TODAY)]
