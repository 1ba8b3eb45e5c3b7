"""The life of an alert: what is sent, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.detect.finding import NOTHING, Finding
from collector.detect.kinds import AlertKind, Severity
from collector.lifecycle import (
    AlertState,
    Event,
    Stage,
    Step,
    acknowledge,
    close,
    silence,
    step,
)

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SPIKE = AlertKind.PIN_FAILURE_SPIKE
PAGE = Finding(severity=Severity.PAGE, cause="own_rotation", tau=T0, lead="leaf 8.24.1", reach=48)
TICKET = Finding(
    severity=Severity.TICKET, cause="own_rotation", tau=T0, lead="leaf 8.24.1", reach=5
)
AGAIN = Finding(
    severity=Severity.PAGE, cause="own_rotation", tau=T0, lead="leaf 8.24.1", reach=48, quiet=True
)


def later(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def told(alert: AlertState | None, finding: Finding, minutes: float) -> Step:
    return step(SPIKE, alert, finding, later(minutes))


def fired() -> AlertState:
    alert, events = told(None, PAGE, 0)
    assert events == (Event.FIRED,)
    assert alert is not None
    return alert


def resolved() -> AlertState:
    alert, events = told(fired(), NOTHING, 60)
    assert events == (Event.RESOLVED,)
    assert alert is not None
    return alert


def test_nothing_is_nothing() -> None:
    assert told(None, NOTHING, 0) == (None, ())


def test_it_is_sent_once() -> None:
    alert: AlertState | None = fired()
    for minute in range(1, 100):
        alert, events = told(alert, PAGE, minute)
        assert events == ()
    assert alert.stage is Stage.FIRING
    assert alert.started_at == T0


def test_a_ticket_becomes_a_page_and_never_milder() -> None:
    alert, events = told(None, TICKET, 0)
    assert events == (Event.FIRED,)
    alert, events = told(alert, PAGE, 1)
    assert events == (Event.WORSENED,)
    alert, events = told(alert, TICKET, 2)
    assert (events, alert.severity) == ((), Severity.PAGE)


def test_the_cause_changes() -> None:
    other = Finding(severity=Severity.PAGE, cause="issuer_change", tau=T0, lead="leaf 8.24.1")
    alert, events = told(fired(), other, 1)
    assert events == (Event.CAUSE_CHANGED,)
    assert told(alert, other, 2)[1] == ()


def test_pending_is_never_sent() -> None:
    waits = Finding(severity=Severity.PAGE, cause="misissuance_suspected", pending=True)
    alert, events = told(None, waits, 0)
    assert (alert.stage, events) == (Stage.PENDING, ())
    assert told(alert, NOTHING, 1) == (None, ())
    sure = Finding(severity=Severity.PAGE, cause="misissuance_suspected")
    assert told(alert, sure, 1)[1] == (Event.FIRED,)


def test_a_proof_that_is_asked_for_again_takes_nothing_back() -> None:
    waits = Finding(severity=Severity.PAGE, cause="own_rotation", tau=T0, pending=True)
    alert, events = told(fired(), waits, 1)
    assert (alert.stage, events) == (Stage.FIRING, ())


def test_resolved_once() -> None:
    alert = resolved()
    assert (alert.stage, alert.ended_at) == (Stage.RESOLVED, later(60))
    assert told(alert, NOTHING, 61) == (alert, ())


def test_reopened_loudly() -> None:
    alert, events = told(resolved(), PAGE, 90)
    assert events == (Event.REOPENED,)
    assert alert.started_at == later(90)
    assert alert.ended_at is None


def test_reopened_silently_then_loudly() -> None:
    alert, events = told(resolved(), AGAIN, 90)
    assert (alert.stage, events) == (Stage.FIRING, ())
    assert told(alert, NOTHING, 95)[1] == (), "what was not told is not taken back"
    alert, events = told(alert, PAGE, 95)
    assert events == (Event.REOPENED,)
    assert told(alert, AGAIN, 96)[1] == ()


def test_after_a_day_it_is_a_new_one() -> None:
    alert, events = told(resolved(), PAGE, 60 + 24 * 60)
    assert events == (Event.FIRED,)
    assert alert.reopened is False


def test_acknowledged() -> None:
    alert, events = acknowledge(fired(), "ada", later(5))
    assert events == (Event.ACKNOWLEDGED,)
    assert alert.acknowledged.by == "ada"
    assert told(alert, PAGE, 6)[1] == ()


NEWS = [
    pytest.param({"tau": later(30)}, True, id="another change"),
    pytest.param({"lead": "leaf 8.25.0"}, True, id="another app version"),
    pytest.param({"reach": 241}, True, id="more than five times the reach"),
    pytest.param({"reach": 240}, False, id="five times the reach"),
    pytest.param({"tau": None}, False, id="the change is a day old"),
]


def changed(**changes: object) -> Finding:
    values = {"cause": PAGE.cause, "tau": PAGE.tau, "lead": PAGE.lead, "reach": PAGE.reach}
    return Finding(severity=Severity.PAGE, **{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("changes", "is_news"), NEWS)
def test_what_somebody_acknowledged_is_told_again_when_it_is_another(
    changes: dict[str, object], is_news: bool
) -> None:
    known, _ = acknowledge(fired(), "ada", later(5))
    alert, events = told(known, changed(**changes), 6)
    assert events == ((Event.AGAIN,) if is_news else ())
    assert (alert.acknowledged is None) is is_news


@pytest.mark.parametrize(("changes", "is_news"), NEWS)
def test_a_silence_holds_for_what_was_silenced(changes: dict[str, object], is_news: bool) -> None:
    _, events = told(silence(fired(), later(600), later(5)), changed(**changes), 6)
    assert events == ((Event.AGAIN,) if is_news else ())


def test_a_silence_suppresses_sending_and_what_still_fires_is_sent_when_it_ends() -> None:
    ticket, _ = told(None, TICKET, 0)
    assert ticket is not None
    alert: AlertState | None = silence(ticket, later(60), later(1))
    far = Finding(
        severity=Severity.PAGE, cause="own_rotation", tau=T0, lead="leaf 8.24.1", reach=20
    )
    alert, events = told(alert, far, 30)
    assert (alert.severity, events) == (Severity.PAGE, ()), "looked at, not sent"
    assert told(alert, far, 60)[1] == (Event.WORSENED,)


def test_a_silence_from_before_it_fires() -> None:
    old = silence(resolved(), later(200), later(61))
    alert, events = told(old, PAGE, 100)
    assert (alert.stage, events) == (Stage.FIRING, ())
    assert told(alert, NOTHING, 150)[1] == (), "nobody heard of it"
    assert told(alert, PAGE, 200)[1] == (Event.REOPENED,)


def test_what_was_told_is_closed_at_its_receivers_even_in_silence() -> None:
    alert = silence(fired(), later(600), later(5))
    assert told(alert, NOTHING, 30)[1] == (Event.RESOLVED,)


def test_a_silence_can_be_ended() -> None:
    alert = silence(fired(), later(600), later(5))
    assert silence(alert, None, later(6)).is_silenced(later(7)) is False


def muted(
    alert: AlertState | None, finding: Finding, minutes: float, until: float | None
) -> tuple[AlertState, tuple[Event, ...]]:
    """A step under silences of signatures that last until then; None: they hold nothing back."""
    end = None if until is None else later(until)
    after, events = step(SPIKE, alert, finding, later(minutes), end)
    assert after is not None
    return after, events


def test_what_is_of_silenced_signatures_alone_is_sent_when_their_silence_ends() -> None:
    alert, events = muted(None, TICKET, 0, 60)
    assert (alert.stage, alert.severity, events) == (Stage.FIRING, Severity.TICKET, ())
    alert, events = muted(alert, changed(reach=5000, lead="leaf 9"), 30, 60)
    assert (alert.severity, events) == (Severity.PAGE, ()), "however much, it is all of them"
    assert muted(alert, PAGE, 60, None)[1] == (Event.FIRED,)


def test_what_others_show_besides_is_sent_at_once() -> None:
    alert, _ = muted(None, PAGE, 0, 60)
    assert muted(alert, PAGE, 5, None)[1] == (Event.FIRED,)
    alert, _ = muted(fired(), PAGE, 1, 60)  # it had been told before somebody silenced them
    alert, events = muted(alert, PAGE, 5, None)
    assert events == (Event.AGAIN,)
    assert muted(alert, PAGE, 6, None)[1] == ()


def test_another_change_is_sent_though_its_signatures_are_silenced() -> None:
    alert, _ = muted(None, PAGE, 0, 60)
    alert, events = muted(alert, changed(tau=later(5)), 6, 60)
    assert events == (Event.FIRED,)
    assert muted(alert, changed(tau=later(5)), 7, 60)[1] == ()


def test_who_silenced_the_place_as_well_hears_of_nothing() -> None:
    alert, _ = muted(None, PAGE, 0, 60)
    alert = silence(alert, later(120), later(1))
    alert, events = muted(alert, PAGE, 5, None)
    assert (events, alert.is_silenced(later(6))) == ((), True)


def test_what_is_over_is_muted_no_longer() -> None:
    alert, _ = muted(fired(), PAGE, 1, 60)
    over, events = told(alert, NOTHING, 30)
    assert events == (Event.RESOLVED,)
    assert over is not None
    assert over.muted_until is None


def test_closed_by_hand_stays_closed_while_it_is_the_same() -> None:
    alert, events = close(fired(), later(10), forged=False)
    assert events == (Event.RESOLVED,)
    same, events = told(alert, PAGE, 11)
    assert (same.stage, events) == (Stage.RESOLVED, ())
    assert told(same, changed(lead="leaf 8.25.0"), 12)[1] == (Event.REOPENED,)
    over, _ = told(same, NOTHING, 12)
    assert told(over, PAGE, 13)[1] == (Event.REOPENED,)


def test_closed_as_forged_the_next_is_told_at_once() -> None:
    alert, events = close(fired(), later(10), forged=True)
    assert events == (Event.FORGED,)
    assert told(alert, PAGE, 11)[1] == (Event.REOPENED,)


def test_closed_twice_is_closed_once() -> None:
    alert, _ = close(fired(), later(10), forged=False)
    assert close(alert, later(11), forged=True) == (alert, ())


findings = st.sampled_from(
    [NOTHING, PAGE, TICKET, AGAIN, changed(reach=5000), changed(lead="other")]
)
deeds = st.sampled_from(["", "", "", "acknowledge", "silence", "close", "forged"])


@given(st.lists(st.tuples(findings, deeds, st.integers(0, 900)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_receivers_can_keep_count(life: list[tuple[Finding, str, int]]) -> None:
    """To a receiver an alert opens, may change, and closes: never twice in a row. JSON keeps it all."""
    alert: AlertState | None = None
    minute, is_open = 0, False
    for finding, deed, minutes in life:
        minute += minutes
        alert, events = told(alert, finding, minute)
        if alert is not None and deed == "acknowledge":
            alert, more = acknowledge(alert, "ada", later(minute))
            events += more
        elif alert is not None and deed == "silence":
            alert = silence(alert, later(minute + 300), later(minute))
        elif alert is not None and deed in ("close", "forged"):
            alert, more = close(alert, later(minute), forged=deed == "forged")
            events += more
        for event in events:
            opens = event in (Event.FIRED, Event.REOPENED)
            assert is_open is not opens, event
            is_open = event not in (Event.RESOLVED, Event.FORGED)
        if alert is not None:
            assert AlertState.from_json(alert.to_json()) == alert
            assert (alert.told is not None) is is_open
