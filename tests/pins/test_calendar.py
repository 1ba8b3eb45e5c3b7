"""Of the newest releases the earliest expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from collector.pins.calendar import next_expiry
from collector.pins.model import ShippedPinSet
from tests.make import NOON
from tests.pins.samples import PINS

DAY = timedelta(days=1)
ONE = ShippedPinSet(
    host="a.example.com", pins=PINS, app="a", platform="IOS", version_from="8.9", version_to="8.9"
)


def _at(days: int, **changes: object) -> ShippedPinSet:
    return replace(ONE, expires=NOON + days * DAY, **changes)  # type: ignore[arg-type]


def test_older_releases_are_left_out() -> None:
    newer = _at(90, version_from="8.10", version_to="8.10")
    assert next_expiry([_at(-5), newer]) == {"a.example.com": NOON + 90 * DAY}
    assert next_expiry([newer, _at(-5), _at(200, version_to=None)]) == {
        "a.example.com": NOON + 200 * DAY
    }
    assert next_expiry([_at(-5), replace(ONE, version_to="9.0")]) == {}


def test_the_earliest_of_apps_and_platforms() -> None:
    sets = [_at(90), _at(30, platform="ANDROID"), _at(60, app="b"), _at(10, host="b.example.com")]
    assert next_expiry(sets) == {"a.example.com": NOON + 30 * DAY, "b.example.com": NOON + 10 * DAY}
    assert next_expiry([_at(90), _at(40)]) == {"a.example.com": NOON + 40 * DAY}


def test_without_expiry_or_pins_there_is_none() -> None:
    assert next_expiry([ONE, _at(5, host="b.example.com", pins=())]) == {}
