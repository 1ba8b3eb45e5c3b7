"""The short way reads what the long way reads, or leaves it to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.reports.fields import Hints
from collector.reports.neutral import read_neutral
from collector.reports.quick import read_quick
from collector.reports.quick_neutral import read_plain
from collector.reports.trustkit import read_trustkit
from tests.make import INSTALL, NOON, PIN_A, body, okhttp_text, trustkit_android, trustkit_ios

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


def told(**changes: Any) -> dict[str, Any]:
    """As docs/okhttp/PinfallReporter.java writes it."""
    report = {
        "schema": "pin-report/1", "event_id": INSTALL, "observed_at": "2026-11-20T11:59:30.125Z",
        "host": "api.example.com", "port": 443, "outcome": "pin_mismatch", "enforced": True,
        "error": {"type": "javax.net.ssl.SSLPeerUnverifiedException", "message": okhttp_text()},
        "app": {"id": "com.example.wallet", "version": "8.24.1"},
        "os": {"name": "ANDROID", "version": "14"}, "sdk": {"name": "pinfall-okhttp", "version": "1"},
        "install_id": INSTALL, "weight": 4.0,
    }  # fmt: skip
    return {**report, **changes}


def test_what_our_reporter_writes_is_read_the_short_way() -> None:
    assert read_plain(body(told()), HINTS) == read_neutral(told(), HINTS)


PARTS = [
    None, "x", {}, {"version": "1"}, {"id": "x"}, {"name": "ios", "version": "9" * 40},
    {"name": "a@b.example", "version": "1"}, {"id": "x", "name": "y", "version": "z"},
    {"type": "javax.net.ssl.SSLPeerUnverifiedException", "message": "no such text"},
    {"type": "SSLPeerUnverifiedException", "message": okhttp_text()},
    {"type": "javax.net.ssl.SSLPeerUnverifiedException", "message": okhttp_text()[:150]},
    {"type": "javax.net.ssl.SSLPeerUnverifiedException", "message": okhttp_text(), "code": 1},
    {"kind": "spki-sha256", "expected": [PIN_A], "served": [PIN_A]}, {"kind": "SPKI-SHA1", "expected": []},
    {"kind": "spki-sha256", "expected": ["no pin"]}, {"kind": "x", "expected": [PIN_A]},
    {"kind": "spki-sha256", "expected": [PIN_A] * 70, "served": [PIN_A] * 14},
]  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from([*told(), "extra", "pins"]), ODD | st.sampled_from(PARTS), max_size=4
    ),
    st.sets(st.sampled_from([*told()]), max_size=2),
)
@example({"weight": 0.5}, set())
@example({"pins": {"kind": "spki-sha256", "expected": [PIN_A], "served": [PIN_A]}}, {"error"})
@example(
    {"pins": {"kind": "spki-sha256", "expected": [PIN_A], "served": []}}, {"error", "sdk", "os"}
)
@example({"install_id": "SSLPeer"}, set())
@example({"event_id": "e-1", "install_id": "anything"}, {"error", "observed_at"})
@example({"weight": 20000}, set())
@example({"install_id": INSTALL.upper()}, set())
@example({"os": {"name": "iPhone OS", "version": ""}}, {"enforced"})
def test_both_ways_agree_on_our_reporter(changes: dict[str, Any], without: set[str]) -> None:
    report = {key: value for key, value in told(**changes).items() if key not in without}
    raw = json.dumps(report).encode("utf-8", "surrogatepass")
    quick = read_plain(raw, HINTS)
    if quick is not None:
        assert quick == read_neutral(json.loads(raw), HINTS)


def test_a_chain_that_many_send_is_one_object() -> None:
    first, second = (
        read_quick(body(trustkit_ios(app_vendor_id=f"{n}-{INSTALL}")), HINTS) for n in range(2)
    )
    assert first is not None
    assert second is not None
    assert first.validated_chain is second.validated_chain
