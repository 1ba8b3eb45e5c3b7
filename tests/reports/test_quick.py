"""The short way reads what the long way reads, or leaves it to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.reports.fields import Hints
from collector.reports.quick import read_quick
from collector.reports.trustkit import read_trustkit
from tests.make import INSTALL, NOON, PIN_A, body, trustkit_android, trustkit_ios

HINTS = Hints(NOON, "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UP1A)")
KEYS = [*trustkit_ios(), *trustkit_android(), "extra", "schema", "app-build"]
ODD: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-5, 70000) | st.integers() | st.floats(allow_nan=False)
    | st.text(max_size=20) | st.lists(st.text(max_size=8), max_size=3) | st.just({})
    | st.sampled_from([
        "", " ", "a@b.example", "https://x/y", "N/A", "unit-tests", "x\x00", "Ünï", "1" * 300, "OSX", "ios",
        "iPhone OS", "api.example.com:8443", "API.Example.COM.", "[::1]", "10.0.0.1", "0000",
        "2026-02-30T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T11:59:60Z", "2026-W47-5T11:59:30Z",
        "1999-01-01T00:00:00Z", [PIN_A], [f"sha256/{PIN_A}"] * 3, ["pin"] * 70, [None],
    ])
)  # fmt: skip


@pytest.mark.parametrize("report", [trustkit_ios(), trustkit_android()], ids=["ios", "android"])
def test_what_trustkit_writes_is_read_the_short_way(report: dict[str, Any]) -> None:
    assert read_quick(body(report), HINTS) == read_trustkit(report, HINTS)


@given(
    st.sampled_from([trustkit_ios(), trustkit_android()]),
    st.dictionaries(st.sampled_from(KEYS), ODD, max_size=4),
    st.sets(st.sampled_from(KEYS), max_size=3),
    st.randoms(use_true_random=False),
)
@example(trustkit_ios(), {"app-vendor-id": f" {INSTALL}"}, set(), None)
@example(trustkit_ios(), {"validation-result": 2}, {"port"}, None)
@example(trustkit_ios(), {"validation-result": 9}, set(), None)
@example(trustkit_ios(), {"trustkit-version": None}, set(), None)
@example(trustkit_android(), {"app-platform": "IOS"}, set(), None)
def test_both_ways_agree(
    report: dict[str, Any], changes: dict[str, Any], without: set[str], shuffled: Any
) -> None:
    told = {key: value for key, value in {**report, **changes}.items() if key not in without}
    keys = list(told)
    if shuffled is not None:
        shuffled.shuffle(keys)
    raw = json.dumps({key: told[key] for key in keys}).encode("utf-8", "surrogatepass")
    quick = read_quick(raw, HINTS)
    if quick is not None:
        assert quick == read_trustkit(json.loads(raw), HINTS)


def test_a_chain_that_many_send_is_one_object() -> None:
    first, second = (
        read_quick(body(trustkit_ios(app_vendor_id=f"{n}-{INSTALL}")), HINTS) for n in range(2)
    )
    assert first is not None
    assert second is not None
    assert first.validated_chain is second.validated_chain
