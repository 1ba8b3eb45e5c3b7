"""What on-call is told to do, by cause."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collector.detect.served import ServedChain, served_before
from collector.detect.steps import Situation, next_steps
from collector.reports.certificates import certificate_from_der
from tests.make import NOON, Issued, issue

HOST = "api.example.com"
LABELS = (
    "own_rotation", "issuer_change", "path_building", "wrong_pins", "expired_or_clock", "wrong_environment",
    "misissuance_suspected", "interception", "test_traffic", "browser_sent", "forged_or_broken", "unknown",
    "pin_set_expiring", "certificate_expiring", "backup_pin_missing", "rotation_not_seen", "reporting_silent",
    "collector_losing_reports", "one_address",
)  # fmt: skip


@pytest.mark.parametrize("label", LABELS)
def test_there_is_always_a_next_step(label: str) -> None:
    steps = next_steps(NOON, Situation(host=HOST, label=label))
    assert steps
    assert all(step[0].isupper() and len(step) < 400 for step in steps)


def test_servers_come_before_clients() -> None:
    told = Situation(
        host=HOST, label="own_rotation", previous_until=NOON + timedelta(days=20),
        backups=(("sha256/AAAA", 0.97), ("sha256/BBBB", 0.02)), proven=frozenset({"sha256/AAAA"}),
        dialects={"trustkit-ios", "trustkit-android", "okhttp-message"},
    )  # fmt: skip
    steps = next_steps(NOON, told)
    assert "2026-12-10 12:00 UTC" in steps[0]
    assert "sha256/AAAA" in steps[1]
    assert "97 %" in steps[1]
    assert "proven" in steps[1]
    assert "find its key first" in steps[2]
    clients = [n for n, step in enumerate(steps) if step.startswith(("TrustKit", "OkHttp"))]
    assert clients == [4, 5, 6]


@pytest.mark.parametrize("label", LABELS)
def test_nobody_is_told_to_serve_what_is_somebody_elses(label: str) -> None:
    told = Situation(
        host=HOST, label=label, previous_until=NOON + timedelta(days=20), third_party=True,
        backups=(("sha256/AAAA", 0.97),), dialects={"trustkit-ios"},
    )  # fmt: skip
    steps = next_steps(NOON, told)
    assert steps
    assert all(step[0].isalnum() and len(step) < 400 for step in steps)
    assert not any(step.startswith(("Serve", "Or serve", "Renew", "Make a key")) for step in steps)


def test_what_is_over_is_not_advised() -> None:
    told = Situation(host=HOST, label="own_rotation", previous_until=NOON - timedelta(days=1))
    assert not any("previous certificate again" in step for step in next_steps(NOON, told))
    assert any("Only a release helps" in step for step in next_steps(NOON, told))


def test_only_sdks_that_report_are_spoken_of() -> None:
    told = Situation(host=HOST, label="own_rotation", dialects={"okhttp-message"})
    steps = " ".join(next_steps(NOON, told))
    assert "OkHttp" in steps
    assert "TrustKit" not in steps


def test_a_proxy_is_no_action_only_where_it_may_be_muted() -> None:
    quiet = Situation(host=HOST, label="interception", products=("Zscaler",), may_mute=True)
    assert "no action" in next_steps(NOON, quiet)[0]
    for told in (
        Situation(host=HOST, label="interception", products=("Zscaler",)),
        Situation(
            host=HOST,
            label="interception",
            products=("Zscaler",),
            may_mute=True,
            many_networks=True,
        ),
    ):
        assert "no action" not in " ".join(next_steps(NOON, told))
        assert "calls itself Zscaler" in next_steps(NOON, told)[0]


def test_what_was_served_before_can_be_served_again_from_the_first_minute_on() -> None:
    def served(issued: Issued, first: timedelta, last: timedelta, port: int = 443) -> ServedChain:
        found = certificate_from_der(issued.der)
        return ServedChain(
            host=HOST, port=port, chain=(found,), trusted=True, problem=None, key_type=None,
            first_seen=NOON + first, last_seen=NOON + last,
        )  # fmt: skip

    old, new, other = (issue(HOST, days=days) for days in (30, 90, 300))
    chains = [
        served(new, timedelta(0), timedelta(0)),
        served(old, timedelta(days=-9), timedelta(minutes=-5)),
        served(other, timedelta(days=-9), timedelta(minutes=-3), port=8443),
    ]
    held = {f"sha256/{one.pin}" for one in (old, new, other)}
    assert served_before(chains, held) == old.certificate.not_valid_after_utc
    assert served_before(chains, {f"sha256/{new.pin}"}) is None  # nobody pins the one before
    both = [chains[0], served(old, timedelta(days=-9), timedelta(seconds=-5))]
    assert served_before(both, held) is None  # it is served still, at another address
    assert served_before([], held) is None
