"""Each alert that is no spike opens at its threshold, and closes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from collector.detect.finding import NOTHING, Finding, of_spike
from collector.detect.gates import Facts, Held
from collector.detect.kinds import AlertKind, Severity
from collector.detect.served import Rotation, RotationState
from collector.detect.spike_state import Known, Verdict
from collector.detect.standing import (
    backup_pin_missing,
    certificate_expiring,
    collector_losing_reports,
    one_address,
    pin_set_expiring,
    reporting_silent,
    rotation_not_seen,
)
from collector.detect.suspicions import (
    Beside,
    Probed,
    Reach,
    beside_spike,
    misissuance_suspected,
    own_certificate_expired,
    wrong_environment,
    wrong_pins,
)
from collector.lifecycle import Event, step
from tests.detect.spikes import Host

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PAGE, TICKET = Severity.PAGE, Severity.TICKET
SECOND = timedelta(seconds=1)


def rotation(**changes: object) -> Rotation:
    values = {"planned_at": NOW - 2 * HOUR, "state": RotationState.NOT_SEEN, **changes}
    return Rotation(id=1, project=1, host="a.example.com", at=NOW, **values)  # type: ignore[arg-type]


def reach(installs: int, networks: int | None = None, operators: int | None = None) -> Reach:
    spread = installs if networks is None else networks
    return Reach(
        installs=installs, networks=spread, operators=spread if operators is None else operators
    )


def verdict(severity: Severity | None) -> Verdict:
    return Verdict(
        severity=severity,
        quiet=False,
        score=9.0,
        minutes=60,
        count=40,
        expected=2.0,
        held=Held.NOTHING,
        tau=None,
    )


WEEK = 8 * DAY
does_not = Probed.DOES_NOT
CASES = [
    (AlertKind.REPORTING_SILENT, reporting_silent([20] * 14, 12.0, 9 * HOUR), TICKET),
    (AlertKind.REPORTING_SILENT, reporting_silent([20] * 14, 11.9, 9 * HOUR), None),
    (AlertKind.REPORTING_SILENT, reporting_silent([20] * 13 + [19], 50.0, 9 * HOUR), None),
    (AlertKind.REPORTING_SILENT, reporting_silent([900] * 13, 50.0, 9 * HOUR), None),
    (AlertKind.PIN_SET_EXPIRING, pin_set_expiring([("A 8", NOW + 31 * DAY)], NOW), None),
    (AlertKind.PIN_SET_EXPIRING, pin_set_expiring([("A 8", NOW + 30 * DAY)], NOW), TICKET),
    (AlertKind.PIN_SET_EXPIRING, pin_set_expiring([("A 8", NOW + 7 * DAY)], NOW), PAGE),
    (AlertKind.PIN_SET_EXPIRING, pin_set_expiring([], NOW), None),
    (AlertKind.CERTIFICATE_EXPIRING, certificate_expiring([("x", NOW + 15 * DAY)], NOW), None),
    (AlertKind.CERTIFICATE_EXPIRING, certificate_expiring([("x", NOW + 14 * DAY)], NOW), TICKET),
    (AlertKind.CERTIFICATE_EXPIRING, certificate_expiring([("x", NOW + 3 * DAY)], NOW), PAGE),
    (AlertKind.CERTIFICATE_EXPIRING, certificate_expiring([("x", NOW - DAY)], NOW), PAGE),
    (AlertKind.BACKUP_PIN_MISSING, backup_pin_missing([("A 8", {"p", "q"})], {"p", "q"}), TICKET),
    (AlertKind.BACKUP_PIN_MISSING, backup_pin_missing([("A 8", {"p", "b"})], {"p", "q"}), None),
    (AlertKind.BACKUP_PIN_MISSING, backup_pin_missing([("A 8", {"p"})], set()), None),
    (AlertKind.ROTATION_NOT_SEEN, rotation_not_seen([rotation()], NOW), TICKET),
    (AlertKind.ROTATION_NOT_SEEN, rotation_not_seen([rotation()], NOW - SECOND), None),
    (AlertKind.ROTATION_NOT_SEEN, rotation_not_seen([rotation(probed_at=NOW)], NOW), None),
    (AlertKind.ROTATION_NOT_SEEN, rotation_not_seen([rotation(ended_at=NOW)], NOW), None),
    (AlertKind.COLLECTOR_LOSING_REPORTS, collector_losing_reports(1, None, NOW), PAGE),
    (AlertKind.COLLECTOR_LOSING_REPORTS, collector_losing_reports(0, NOW - HOUR / 12, NOW), PAGE),
    (AlertKind.COLLECTOR_LOSING_REPORTS, collector_losing_reports(0, NOW - HOUR / 13, NOW), None),
    (AlertKind.COLLECTOR_LOSING_REPORTS, collector_losing_reports(0, None, NOW), None),
    (AlertKind.ONE_ADDRESS, one_address(950, 1000), TICKET),
    (AlertKind.ONE_ADDRESS, one_address(949, 1000), None),
    (AlertKind.ONE_ADDRESS, one_address(999, 999), None),
    (AlertKind.OWN_CERTIFICATE_EXPIRED, own_certificate_expired(reach(3), NOW - HOUR, NOW), PAGE),
    (AlertKind.OWN_CERTIFICATE_EXPIRED, own_certificate_expired(reach(2), NOW - HOUR, NOW), None),
    (AlertKind.OWN_CERTIFICATE_EXPIRED, own_certificate_expired(reach(3, 2), NOW - HOUR, NOW), None),
    (AlertKind.OWN_CERTIFICATE_EXPIRED, own_certificate_expired(reach(3), NOW + HOUR, NOW), None),
    (AlertKind.WRONG_ENVIRONMENT, wrong_environment(verdict(PAGE), "staging", reach(40)), PAGE),
    (AlertKind.WRONG_ENVIRONMENT, wrong_environment(verdict(None), "staging", reach(40)), None),
    (AlertKind.WRONG_PINS, wrong_pins("8.24", reach(20, 10)), PAGE),
    (AlertKind.WRONG_PINS, wrong_pins("8.24", reach(19, 10)), None),
    (AlertKind.WRONG_PINS, wrong_pins("8.24", reach(20, 9)), None),
    (AlertKind.WRONG_PINS, wrong_pins("8.24", reach(12), verdict(PAGE)), PAGE),
    (AlertKind.WRONG_PINS, wrong_pins("8.24", reach(500), verdict(None)), None),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(3), WEEK, does_not), PAGE),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(2), WEEK, does_not), TICKET),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(9, 9, 2), WEEK, does_not), TICKET),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(3), 6 * DAY, does_not), TICKET),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(3), None, does_not), TICKET),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(3), WEEK, Probed.FAILED), TICKET),
    (AlertKind.MISISSUANCE_SUSPECTED, misissuance_suspected("p", reach(9), WEEK, Probed.SHOWS_IT), None),
    (AlertKind.INTERCEPTION_WAVE, beside_spike(Beside.INTERCEPTION, verdict(TICKET)), TICKET),
    (AlertKind.UNTRUSTED_CHAIN_SPIKE, beside_spike(Beside.UNTRUSTED_CHAIN, verdict(TICKET)), TICKET),
    (AlertKind.UNKNOWN_SPIKE, beside_spike(Beside.UNKNOWN, verdict(TICKET)), TICKET),
    (AlertKind.UNKNOWN_SPIKE, beside_spike(Beside.UNKNOWN, verdict(None)), None),
    (AlertKind.PIN_FAILURE_SPIKE, of_spike(verdict(PAGE), cause="", lead="", reach=1, summary="x"), PAGE),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "finding", "severity"), CASES)
def test_thresholds(kind: AlertKind, finding: Finding, severity: Severity | None) -> None:
    assert finding.severity is severity
    assert bool(finding.summary) is (severity is not None)
    assert "\n" not in finding.summary


@pytest.mark.parametrize(("kind", "finding", "severity"), [case for case in CASES if case[2]])
def test_each_opens_and_resolves(
    kind: AlertKind, finding: Finding, severity: Severity | None
) -> None:
    alert, events = step(kind, None, finding, NOW)
    assert (alert.kind, alert.severity, events) == (kind, severity, (Event.FIRED,))
    alert, events = step(kind, alert, NOTHING, NOW + HOUR)
    assert events == (Event.RESOLVED,)


def test_every_kind_has_a_rule() -> None:
    assert {kind for kind, _, severity in CASES if severity} == set(AlertKind)


def test_a_new_key_waits_for_the_probe_that_is_made_at_once() -> None:
    asked = misissuance_suspected("p", reach(3), WEEK, Probed.WAITING)
    alert, events = step(AlertKind.MISISSUANCE_SUSPECTED, None, asked, NOW)
    assert events == ()
    ours = misissuance_suspected("p", reach(3), WEEK, Probed.SHOWS_IT)
    assert step(AlertKind.MISISSUANCE_SUSPECTED, alert, ours, NOW + HOUR) == (None, ())


def test_a_wave_is_a_ticket_and_is_over_a_day_later() -> None:
    host = Host(Facts(pages=False))
    host.run(5)
    assert {v.severity for v in host.run(30, Known(), own=lambda _: 10)} >= {TICKET}
    after = host.run(2100)
    assert after[0].severity is TICKET
    assert after[-1].severity is None
