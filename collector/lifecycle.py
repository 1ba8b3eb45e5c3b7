"""The life of an alert: one thing wrong with one host, open until it is resolved, told once.

Pure: the alert as it stands, what its rule finds now, and a time go in; the alert as it stands then and
the events that channels are owed come out. Both are stored in one transaction, so a crash in between
repeats a step and never skips one. What was not sent (silenced, quiet) is not ``told``, and is owed as
soon as nothing holds it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from collector.detect.finding import Finding, Mark
from collector.detect.kinds import AlertKind, Severity
from collector.detect.resolve import REACH_AGAIN

SAME = timedelta(hours=24)  # after a resolve it is the same alert that opens again


class Stage(StrEnum):
    PENDING = "pending"  # open, and its rule waits for a proof; never sent
    FIRING = "firing"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What a channel may be owed."""

    FIRED = "fired"
    WORSENED = "worsened"  # a ticket became a page
    CAUSE_CHANGED = "cause_changed"
    AGAIN = "again"  # known to somebody, and now something else or far larger
    REOPENED = "reopened"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    FORGED = "forged"  # closed: the reports were made up


class Acknowledged(msgspec.Struct, frozen=True):
    by: str
    at: datetime


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """told: the severity that channels heard since it opened, None: they heard nothing. told_cause:
    the cause they heard. known: what somebody acknowledged, silenced or closed; it is told again
    when that changes. by_hand: closed by a person while its rule still finds it. muted_until: until then
    what its rule finds is of silenced signatures alone, as of the last step."""

    kind: AlertKind
    stage: Stage
    severity: Severity
    cause: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    tau: datetime | None = None
    lead: str = ""
    reach: int = 0
    quiet: bool = False
    told: Severity | None = None
    told_cause: str = ""
    reopened: bool = False
    by_hand: bool = False
    known: Mark | None = None
    acknowledged: Acknowledged | None = None
    silenced_until: datetime | None = None
    muted_until: datetime | None = None

    def is_silenced(self, now: datetime) -> bool:
        """By somebody who named this alert, or its place."""
        return self.silenced_until is not None and now < self.silenced_until

    def is_muted(self, now: datetime) -> bool:
        return self.muted_until is not None and now < self.muted_until

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> AlertState:
        return msgspec.json.decode(data, type=cls)


Step = tuple[AlertState | None, tuple[Event, ...]]


def step(
    kind: AlertKind,
    alert: AlertState | None,
    finding: Finding,
    now: datetime,
    muted_until: datetime | None = None,
) -> Step:
    """Bring an alert up to what its rule finds. None: there is no alert, and was none worth a row.
    muted_until: of silences of signatures, where what it finds is theirs alone."""
    if finding.severity is None:
        return _over(alert, now)
    if alert is None or (alert.stage is Stage.RESOLVED and not _is_same(alert, now)):
        silence = None if alert is None else alert.silenced_until
        alert = _new(kind, finding, finding.severity, now, silence)
    elif alert.stage is Stage.RESOLVED:
        if alert.by_hand and not _is_news(alert.known, finding):
            return _changed(alert, updated_at=now), ()
        alert = _again(alert, finding.severity, now)
    return _open(alert, finding, now, muted_until)


def acknowledge(alert: AlertState, by: str, now: datetime) -> tuple[AlertState, tuple[Event, ...]]:
    if alert.stage is not Stage.FIRING:
        return alert, ()
    known = Mark(tau=alert.tau, lead=alert.lead, reach=alert.reach)
    alert = _changed(alert, acknowledged=Acknowledged(by, now), known=known, updated_at=now)
    return alert, () if alert.told is None else (Event.ACKNOWLEDGED,)


def silence(alert: AlertState, until: datetime | None, now: datetime) -> AlertState:
    """Send nothing until then; None ends a silence. It is looked at as before: what is still firing
    when the silence ends is sent by the next step."""
    known = alert.known
    if until is not None and alert.stage is Stage.FIRING:
        known = Mark(tau=alert.tau, lead=alert.lead, reach=alert.reach)
    return _changed(alert, silenced_until=until, known=known, updated_at=now)


def close(
    alert: AlertState, now: datetime, *, forged: bool
) -> tuple[AlertState, tuple[Event, ...]]:
    """A person ends it. It stays so while its rule finds the same, unless the reports were forged:
    then nothing is remembered, and whatever is found next is told."""
    if alert.stage is Stage.RESOLVED:
        return alert, ()
    event = Event.FORGED if forged else Event.RESOLVED
    events = () if alert.told is None else (event,)
    known = None if forged else Mark(tau=alert.tau, lead=alert.lead, reach=alert.reach)
    return _ended(alert, now, by_hand=not forged, known=known), events


def _is_same(alert: AlertState, now: datetime) -> bool:
    return alert.by_hand or (alert.ended_at is not None and now - alert.ended_at < SAME)


def _is_news(known: Mark | None, finding: Finding) -> bool:
    """Whether it is something else than somebody knows of, or far larger."""
    if known is None:
        return False
    return (
        known.lead != finding.lead
        or _is_another_change(known, finding)
        or finding.reach > REACH_AGAIN * known.reach > 0
    )


def _is_another_change(known: Mark | None, finding: Finding) -> bool:
    """Whether it follows a change of our keys that somebody did not know of."""
    return known is not None and finding.tau is not None and known.tau != finding.tau


def _new(
    kind: AlertKind,
    finding: Finding,
    severity: Severity,
    now: datetime,
    silenced_until: datetime | None,
) -> AlertState:
    return AlertState(
        kind=kind,
        stage=Stage.PENDING,
        severity=severity,
        cause=finding.cause,
        started_at=now,
        updated_at=now,
        silenced_until=silenced_until,
    )


def _again(alert: AlertState, severity: Severity, now: datetime) -> AlertState:
    return _changed(
        alert,
        stage=Stage.PENDING,
        severity=severity,
        started_at=now,
        ended_at=None,
        told=None,
        reopened=True,
        by_hand=False,
        known=None,
        acknowledged=None,
    )


def _open(alert: AlertState, finding: Finding, now: datetime, muted_until: datetime | None) -> Step:
    """An alert whose rule finds something."""
    # Its signatures' silences last, and what it finds is theirs alone no longer.
    broke = alert.is_muted(now) and muted_until is None and not alert.is_silenced(now)
    alert = _changed(alert, muted_until=muted_until)
    severity = finding.severity or alert.severity
    if alert.stage is Stage.FIRING and severity.rank < alert.severity.rank:
        severity = alert.severity  # never milder while it is open
    waits = finding.pending and alert.stage is Stage.PENDING
    alert = _changed(
        alert,
        stage=Stage.PENDING if waits else Stage.FIRING,
        severity=severity,
        cause=finding.cause or alert.cause,
        tau=finding.tau or alert.tau,
        lead=finding.lead or alert.lead,
        reach=finding.reach,
        quiet=finding.quiet and alert.told is None,
        updated_at=now,
    )
    if waits:
        return alert, ()
    # Who silences a signature means all of it, however much: then only another change is news.
    is_other = _is_another_change if alert.is_muted(now) else _is_news
    news = broke or is_other(alert.known, finding)
    if news:  # whoever acknowledged or silenced it did not know of this
        alert = _changed(alert, known=None, acknowledged=None, silenced_until=None, quiet=False)
    if not news and (alert.is_silenced(now) or alert.is_muted(now)):
        # A silence that was there first covers what fires first.
        return _changed(alert, known=alert.known or finding.mark), ()
    if alert.quiet:
        return alert, ()
    event = _owed(alert, news)
    if event is None:
        return alert, ()
    return _changed(alert, told=alert.severity, told_cause=alert.cause), (event,)


def _owed(alert: AlertState, news: bool) -> Event | None:
    if alert.told is None:
        return Event.REOPENED if alert.reopened else Event.FIRED
    if news:
        return Event.AGAIN
    if alert.severity.rank > alert.told.rank:
        return Event.WORSENED
    if alert.cause != alert.told_cause:
        return Event.CAUSE_CHANGED
    return None


def _over(alert: AlertState | None, now: datetime) -> Step:
    """An alert whose rule finds nothing."""
    if alert is None:
        return None, ()
    if alert.stage is Stage.PENDING:  # it came to nothing: only what people asked for is left
        if not alert.reopened and not alert.is_silenced(now):
            return None, ()
        return _ended(alert, now, by_hand=False, known=None), ()
    if alert.stage is Stage.RESOLVED:
        return (_changed(alert, by_hand=False, known=None) if alert.by_hand else alert), ()
    # It wakes nobody, and what was opened at a receiver must be closed there: silenced or not.
    events = () if alert.told is None else (Event.RESOLVED,)
    return _ended(alert, now, by_hand=False, known=None), events


def _ended(alert: AlertState, now: datetime, *, by_hand: bool, known: Mark | None) -> AlertState:
    return _changed(
        alert,
        stage=Stage.RESOLVED,
        ended_at=now,
        updated_at=now,
        told=None,
        quiet=False,
        by_hand=by_hand,
        known=known,
        acknowledged=None,
        muted_until=None,
    )


def _changed(alert: AlertState, **changes: object) -> AlertState:
    return msgspec.structs.replace(alert, **changes)
