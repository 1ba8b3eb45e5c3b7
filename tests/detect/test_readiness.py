"""May pins be enforced? Each reason for and against, alone."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.detect.adoption import Use
from collector.detect.client_paths import path_of
from collector.detect.preflight import judge
from collector.detect.readiness import DAYS, ENOUGH, OWN, Heard, Ready, Reports, readiness
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from tests.make import NOON, chain

TODAY = NOON.date()
HOST = "api.example.com"
SERVED = [certificate_from_der(issued.der) for issued in chain(HOST)[:2]]
GOOD = Hash("sha256", base64.b64decode(chain(HOST)[0].pin))
BAD = Hash("sha256", b"b" * 32)


def pin_set(pin: Hash = GOOD, **more: Any) -> ShippedPinSet:
    return ShippedPinSet(host=HOST, pins=(pin,), **{"app": "w", "platform": "IOS", **more})


def reports(cause: str, count: int, ago: int = 1, enforced: bool | None = False) -> Reports:
    return Reports(TODAY - timedelta(days=ago), cause, "IOS", enforced, count)


def served(pin: Hash = GOOD) -> Any:
    return judge(HOST, path_of(SERVED), [pin_set(pin)], at=NOON, today=TODAY)


USES = [Use("w", "IOS", "2.0", TODAY - timedelta(days=3), "connections", 5.0)]
FINE = Heard(
    reports=[reports("interception", 40)], connections=1e6, since=date(2026, 10, 1), pin_sets=[pin_set()],
    uses=USES, chain=served(),
)  # fmt: skip


def test_all_is_well() -> None:
    told = readiness(FINE, TODAY)
    assert told.verdict is Ready.READY
    (reason,) = told.reasons
    assert reason == (
        "in 30 days enforcing would have blocked 40 reports of 1,000,000 connections, in the last 7 fewer than 5 for"
        " a fault of ours; every registered release was heard"
    )
    assert told.by_cause == {"interception": 40}
    assert [day for day, causes in told.by_day if causes] == [TODAY - timedelta(days=1)]
    assert len(told.by_day) == DAYS


@pytest.mark.parametrize("cause", sorted(OWN))
def test_faults_of_our_own(cause: str) -> None:
    told = readiness(replace(FINE, reports=[reports(cause, ENOUGH)]), TODAY)
    assert told.verdict is Ready.NOT_READY
    assert told.reasons == (
        f"our own faults would have blocked {ENOUGH} reports in 7 days: {ENOUGH} {cause}",
    )
    for few in (
        reports(cause, ENOUGH - 1),
        reports(cause, 500, ago=7),
        reports(cause, 500, enforced=True),
    ):
        assert readiness(replace(FINE, reports=[few]), TODAY).verdict is Ready.READY


@pytest.mark.parametrize(("change", "words"), [
    ({"reports": [reports("unknown", ENOUGH)]}, "5 reports in 7 days have no known cause"),
    ({"reports": [reports("misissuance_suspected", ENOUGH)]}, "5 reports in 7 days have no known cause"),
    ({"reports": [], "connections": None}, "nothing was heard"), ({"since": None}, "nothing was heard"),
    ({"since": TODAY - timedelta(days=13)}, "heard for 13 days; 14 are needed"),
    ({"pin_sets": []}, "no pin set is registered"), ({"chain": None}, "no probe saw"),
    ({"uses": []}, "never heard: w IOS"),
    ({"uses": [replace(USES[0], source="imported")]}, "never heard: w IOS"),
    ({"pin_sets": [pin_set(), pin_set(platform="ANDROID")]}, "never heard: w ANDROID"),
    ({"pin_sets": [pin_set(version_from="2.1")]}, "never heard: w IOS 2.1 to newest"),
    ({"pin_sets": [pin_set(version_from="3", version_to="3")]}, "never heard: w IOS 3"),
])  # fmt: skip
def test_what_cannot_be_told(change: dict[str, Any], words: str) -> None:
    told = readiness(replace(FINE, **change), TODAY)
    assert told.verdict is Ready.CANNOT_TELL
    assert len(told.reasons) == 1
    assert told.reasons[0].startswith(words)


def test_the_chain_that_is_served_now() -> None:
    told = readiness(replace(FINE, chain=served(BAD), since=None), TODAY)
    assert told.verdict is Ready.NOT_READY
    assert told.reasons[0] == "a registered pin set refuses the chain that is served now"
    assert len(told.reasons) == 2  # what else is not known is told all the same


def test_connections_alone_are_heard() -> None:
    assert readiness(replace(FINE, reports=[]), TODAY).verdict is Ready.READY


@given(st.lists(st.builds(
    reports, st.sampled_from([*sorted(OWN), "unknown", "interception"]), st.integers(1, 20), st.integers(0, 40),
    st.sampled_from([True, False, None]),
), max_size=20))  # fmt: skip
def test_more_faults_never_make_it_ready(told: list[Reports]) -> None:
    before = readiness(replace(FINE, reports=told), TODAY)
    after = readiness(replace(FINE, reports=[*told, reports("wrong_pins", 10)]), TODAY)
    assert after.verdict is Ready.NOT_READY
    if before.verdict is Ready.READY:
        assert sum(before.by_cause.values()) == sum(r.reports for r in told if r.enforced is False)
