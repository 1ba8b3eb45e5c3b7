"""What is read by its likeness is read as it would be in full, or not at all."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ReportError
from collector.model import Violation
from collector.reports.alike import Alike
from collector.reports.body import read_body
from collector.reports.fields import Hints
from tests.make import (
    EVERY_DIALECT,
    INSTALL,
    NOON,
    neutral,
    okhttp_text,
    trustkit_android,
    trustkit_ios,
)

AGENT = "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UP1A)"
OTHER, THIRD = "0f0f0f0f-6b5d-4a51-9e0c-0b2a3c0f9d11", "1A1A1A1A-6B5D-4A51-9E0C-0B2A3C0F9D11"
# Keys under which readers look for who, when and which.
NAMES = [
    "app-vendor-id", "install_id", "installId", "deviceId", "event_id", "eventId", "date-time", "observed_at",
    "timestamp", "time", "extra", "user", "message", "description", "error",
]  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.sampled_from([
    INSTALL, INSTALL.lower(), OTHER, THIRD, OTHER.replace("-", ""), "00000000-0000-0000-0000-000000000000",
    "unit-tests", "N/A", "", " ", None, 7, "e-1", "e-2", f"id {OTHER}", f"by {OTHER.replace('-', '')}", "é" * 18,
    '"' * 36, "\\" * 36, "2026-11-20T11:59:30Z", "2026-11-20T11:59:31Z", "2026-11-20T11:59:30.123Z",
    "2026-11-20T05:59:30Z", "1999-11-20T11:59:30Z", "2026-02-31T11:59:30Z", "2026-11-20T11:59:30+1",
    "2026-11-20 11:59:30Z", 1763640000,
])  # fmt: skip
JSON = [report for report in EVERY_DIALECT if not isinstance(report, str)]


def full(body: bytes, agent: str | None = AGENT, late: int = 0) -> Violation | None:
    try:
        items = read_body(body, Hints(NOON + timedelta(seconds=late), agent))
    except ReportError:
        return None
    return items[0] if len(items) == 1 and isinstance(items[0], Violation) else None


def learn(alike: Alike, body: bytes, agent: str | None = AGENT) -> None:
    violation = full(body, agent)
    if violation is not None and alike.read(body, NOON, agent) is None:
        alike.learn(body, violation, NOON, agent)


def told(report: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**report, **changes}).encode()


@given(
    st.sampled_from(JSON),
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3),
    st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3), min_size=2, max_size=6),
    st.integers(0, 10**8),
)
def test_it_is_read_as_in_full(
    report: dict[str, Any], base: dict[str, Any], changes: list[dict[str, Any]], late: int
) -> None:
    alike = Alike()
    for change in changes:
        body = told(report, **base, **{k: v for k, v in change.items() if k not in base})
        for _ in range(2):
            learn(alike, body)
        read = alike.read(body, NOON + timedelta(seconds=late), AGENT)
        assert read is None or read[0] == full(body, late=late)


@given(
    st.sampled_from(
        [told(trustkit_ios()), told(trustkit_android()), told(neutral(install_id=INSTALL))]
    ),
    st.integers(0, 6000),
    st.binary(min_size=1, max_size=3),
)
def test_a_byte_that_differs_is_read_in_full(body: bytes, at: int, other: bytes) -> None:
    alike = Alike()
    for who in (INSTALL, OTHER, THIRD):
        learn(alike, body.replace(INSTALL.encode(), who.encode()))
    at %= len(body)
    changed = body[:at] + other + body[at + len(other) :]
    read = alike.read(changed, NOON, AGENT)
    assert read is None or read[0] == full(changed)


@pytest.mark.parametrize(
    ("report", "name"),
    [(trustkit_ios(), "app-vendor-id"), (trustkit_android(), "app-vendor-id"),
     (neutral(install_id=INSTALL, event_id="e-1"), "install_id")],
)  # fmt: skip
def test_the_third_of_a_kind_is_read_by_its_likeness(report: dict[str, Any], name: str) -> None:
    alike = Alike()
    for who in (INSTALL, OTHER):
        assert alike.read(told(report, **{name: who}), NOON, AGENT) is None
        learn(alike, told(report, **{name: who}))
    body = told(report, **{name: THIRD})
    read = alike.read(body, NOON, AGENT)
    assert read is not None
    assert read[0] == full(body)
    assert read[0].install_id == THIRD


def test_a_text_is_known_whole() -> None:
    alike = Alike()
    body = okhttp_text().encode()
    learn(alike, body)
    learn(alike, body)
    read = alike.read(body, NOON, AGENT)
    assert read is not None
    assert read[0] == full(body)


def test_another_device_is_another_likeness() -> None:
    alike = Alike()
    report = trustkit_android()
    for who in (INSTALL, OTHER):
        learn(alike, told(report, **{"app-vendor-id": who}))
    body = told(report, **{"app-vendor-id": THIRD})
    other = AGENT.replace("Pixel 7", "Pixel 9")
    read = alike.read(body, NOON, other)
    assert read is None or read[0] == full(body, other)


@pytest.mark.parametrize("spelling", [OTHER, OTHER.replace("-", ""), OTHER.upper()])
def test_an_id_that_stands_elsewhere_too_is_still_taken_out(spelling: str) -> None:
    alike = Alike()
    report = {**trustkit_ios(), "note": f"of {spelling} here"}
    for who in (INSTALL, THIRD, OTHER):
        body = told(report, **{"app-vendor-id": who})
        learn(alike, body)
        learn(alike, body)
        read = alike.read(body, NOON, AGENT)
        assert read is None or read[0] == full(body)
        violation = full(body)
        assert violation is not None
        if who == OTHER:
            assert spelling not in str(violation.extra)


def test_a_key_that_stands_twice_does_not_lie() -> None:
    """The last one counts in JSON, whatever the first says."""
    alike = Alike()

    def twice(first: str, last: str) -> bytes:
        plain = told(trustkit_ios(), **{"app-vendor-id": first})[:-1]
        return plain + f', "app-vendor-id": "{last}"}}'.encode()

    for first, last in (
        (INSTALL, INSTALL),
        (OTHER, OTHER),
        (INSTALL, THIRD),
        (OTHER, THIRD),
        (THIRD, OTHER),
    ):
        body = twice(first, last)
        learn(alike, body)
        learn(alike, body)
        read = alike.read(body, NOON, AGENT)
        assert read is None or read[0] == full(body)


def test_what_is_made_up_is_forgotten_and_what_is_met_is_kept() -> None:
    alike = Alike()
    report = trustkit_ios()
    for who in (INSTALL, OTHER):
        learn(alike, told(report, **{"app-vendor-id": who}))
    for number in range(5000):
        learn(alike, told(report, **{"app-version": f"{number:08}", "app-vendor-id": OTHER}))
        if number % 400 == 0:
            assert alike.read(told(report, **{"app-vendor-id": THIRD}), NOON, AGENT) is not None
    assert alike.size <= 2000
