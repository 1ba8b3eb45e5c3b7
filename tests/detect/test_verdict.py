"""Keep, widen or drop: each rule, and the sentences that stand under it."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from collector.detect.adoption import Use, curves
from collector.detect.verdict import Advice, Known, verdict
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from tests.make import NOON, chain

HOST = "api.example.com"
LEAF, INTERMEDIATE, ROOT = chain(HOST)
OTHER = Hash("sha256", b"o" * 32)
UNKNOWN = Hash("sha256", b"u" * 32)


def pin(issued: Any) -> Hash:
    return Hash("sha256", base64.b64decode(issued.pin))


def sets(*pins: Hash) -> list[ShippedPinSet]:
    return [ShippedPinSet(host=HOST, pins=tuple(sorted(pins)))]


def spreading(ratio: float) -> Any:
    rows = []
    for ago in range(7, 0, -1):
        old = 1e5 * ratio ** (8 - ago)
        day = date(2026, 11, 20) - timedelta(days=ago)
        rows += [
            Use("w", "IOS", "1", day, "connections", old),
            Use("w", "IOS", "2", day, "connections", 1e5 - old),
        ]
    return curves(rows, date(2026, 11, 20))


def keys(number: int) -> dict[bytes, Any]:
    told = {bytes([n]) * 32: NOON - timedelta(days=30 * n) for n in range(1, number)}
    return {pin(LEAF).digest: NOON - timedelta(days=1), **told}


GOOD = Known(
    pin_sets=sets(pin(ROOT), OTHER), leaf=certificate_from_der(LEAF.der), keys=keys(1),
    watched=NOON - timedelta(days=400), rotations=[], curves=spreading(0.5), own=0, own_reports=0, intercepted=3,
    intercepted_reports=900, authorities={pin(ROOT): "Pinfall Test", OTHER: "Other"},
)  # fmt: skip


def test_keep() -> None:
    told = verdict(GOOD, NOON)
    assert told.advice is Advice.KEEP
    at_most_47 = (
        "from 2029-03-15 public certificates are valid for at most 47 days: at least 8 renewals a year, each a change"
        " of key unless the key is kept"
    )
    assert told.reasons == (
        "the certificate is valid for 90 days: at least 4 renewals a year",
        at_most_47,
        "0 changes of key in 365 days: about 0 a year",
        "a release reaches about 50% after 24 h, 75% after 48 h and 99% after a week (w IOS, 7 days of connections)",
        "2 of 2 pins are of 2 authorities: Other, Pinfall Test",
        "in a year pinning blocked 0 reports in 0 incidents of our own, and 900 in 3 of interception",
    )


LEAVES = {"pin_sets": sets(pin(LEAF), UNKNOWN), "authorities": {}}


@pytest.mark.parametrize(("change", "advice", "first"), [
    ({"pin_sets": []}, Advice.NOT_ENOUGH, "no pin set is registered that pins now"),
    ({"pin_sets": [replace(sets(OTHER)[0], expires=NOON)]}, Advice.NOT_ENOUGH, "no pin set is registered that pins"),
    ({"watched": None}, Advice.NOT_ENOUGH, "the host was watched for 0 days; 30 are needed"),
    ({"watched": NOON - timedelta(days=29)}, Advice.NOT_ENOUGH, "the host was watched for 29 days"),
    ({"own": 2, "own_reports": 5000, "intercepted": 2}, Advice.DROP, "in a year pinning blocked 5,000 reports in 2"),
    ({"own": 2, "intercepted": 0, "watched": None, "pin_sets": []}, Advice.DROP, "in a year pinning blocked"),
    ({"own": 1, "intercepted": 0}, Advice.KEEP, "the certificate is valid"),
    ({"own": 3, "intercepted": 4}, Advice.KEEP, "the certificate is valid"),
    ({**LEAVES, "keys": keys(6), "curves": spreading(0.8)}, Advice.DROP, "only leaf keys are pinned, and they change"),
    ({**LEAVES, "rotations": [NOON - timedelta(days=50 * n) for n in range(5)], "curves": spreading(0.8)},
     Advice.DROP, "only leaf keys are pinned, and they change"),
    ({**LEAVES, "keys": keys(6)}, Advice.WIDEN, "only leaf keys are pinned: add"),
    ({**LEAVES, "keys": keys(2), "curves": spreading(0.8)}, Advice.WIDEN, "only leaf keys are pinned: add"),
    ({"pin_sets": sets(pin(ROOT))}, Advice.WIDEN, "1 of 1 pin sets have one pin, and no backup"),
    ({"authorities": {pin(ROOT): "A", OTHER: "A"}}, Advice.WIDEN, "a pin set has only keys of A"),
    ({"pin_sets": sets(UNKNOWN, OTHER), "authorities": {}}, Advice.KEEP, "the certificate is valid"),
    ({"leaf": None}, Advice.KEEP, "no probe saw the certificate"),
    ({"curves": []}, Advice.KEEP, "the certificate is valid"),
])  # fmt: skip
def test_each_rule(change: dict[str, Any], advice: Advice, first: str) -> None:
    told = verdict(replace(GOOD, **change), NOON)
    assert (told.advice, told.reasons[0][: len(first)]) == (advice, first)
    assert len(set(told.reasons)) == len(told.reasons)


def test_what_is_not_known_is_said() -> None:
    told = verdict(replace(GOOD, curves=[], pin_sets=sets(UNKNOWN, OTHER), authorities={}), NOON)
    assert "how fast releases spread is not known" in told.reasons
    assert "whose keys the 2 pins are is not known" in told.reasons
