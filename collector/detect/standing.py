"""Rules that look at what stands: dates, pins, rotations, and the collector itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from collector.detect.finding import NOTHING, Finding
from collector.detect.kinds import Severity
from collector.detect.saying import expected as told
from collector.detect.saying import named, span
from collector.detect.served import Rotation

_DAYS, _A_DAY, _MISSED = 14, 20, 12.0
_PINS_TICKET, _PINS_PAGE = timedelta(days=30), timedelta(days=7)
_LEAF_TICKET, _LEAF_PAGE = timedelta(days=14), timedelta(days=3)
ROTATION_GRACE = timedelta(hours=2)
_REFUSING = timedelta(minutes=5)
_LAST, _ONE_NETWORK = 1000, 0.95


def reporting_silent(days: Sequence[int], expected: float, since: timedelta) -> Finding:
    """Clients that always reported do so no more: a reporter was left out of a release, or is blocked.

    days: newly affected installs of each of the 14 days before the silence; expected: since the last
    one; since: how long that is.
    """
    if len(days) < _DAYS or min(days[-_DAYS:]) < _A_DAY or expected < _MISSED:
        return NOTHING
    return Finding(
        severity=Severity.TICKET,
        summary=f"No reports for {span(since)}, where {told(expected)} new installs were "
        f"expected; for {_DAYS} days there were at least {min(days[-_DAYS:])} a day.",
    )


def pin_set_expiring(sets: Iterable[tuple[str, datetime]], now: datetime) -> Finding:
    """sets: those that clients use, each a name and when it expires: then they stop pinning."""
    return _expiring(sets, now, "Pins of", _PINS_TICKET, _PINS_PAGE, "clients then stop pinning")


def certificate_expiring(certificates: Iterable[tuple[str, datetime]], now: datetime) -> Finding:
    """certificates: of served chains, each a name and its notAfter."""
    return _expiring(certificates, now, "The certificate", _LEAF_TICKET, _LEAF_PAGE, "")


def _expiring(
    things: Iterable[tuple[str, datetime]],
    now: datetime,
    what: str,
    ticket: timedelta,
    page: timedelta,
    then: str,
) -> Finding:
    soonest = min(things, key=lambda thing: thing[1], default=None)
    if soonest is None or soonest[1] - now > ticket:
        return NOTHING
    name, at = soonest
    left = at - now
    verb = "expire" if left > timedelta(0) else "expired"
    if what.endswith("certificate") and left > timedelta(0):
        verb = "expires"
    when = f"in {span(left)}" if left > timedelta(0) else f"{span(-left)} ago"
    tail = f"; {then}" if then else ""
    return Finding(
        severity=Severity.PAGE if left <= page else Severity.TICKET,
        summary=f"{what} {named(name)} {verb} {when}, at {at:%Y-%m-%d %H:%M} UTC{tail}.",
        lead=name,
    )


def backup_pin_missing(
    sets: Iterable[tuple[str, Collection[str]]], served: Collection[str]
) -> Finding:
    """sets: those that clients use, each a name and its pins; served: pins of all that a host serves.

    Whose pins are all in use has nowhere to go when a key is lost. Nothing is said of a host that no
    probe saw.
    """
    bare = [name for name, pins in sets if pins and all(pin in served for pin in pins)]
    if not served or not bare:
        return NOTHING
    others = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
    return Finding(
        severity=Severity.TICKET,
        summary=f"Every pin of {named(min(bare))}{others} is of a key in use: none is left if it is lost.",
    )


def rotation_not_seen(rotations: Iterable[Rotation], now: datetime) -> Finding:
    """A declared rotation that no probe saw two hours after its time."""
    for rotation in rotations:
        due = rotation.planned_at
        if due is None or rotation.probed_at is not None or rotation.ended_at is not None:
            continue
        if now - due >= ROTATION_GRACE:
            return Finding(
                severity=Severity.TICKET,
                tau=due,
                summary=f"The rotation declared for {due:%Y-%m-%d %H:%M} UTC is not served "
                f"{span(now - due)} later.",
            )
    return NOTHING


def collector_losing_reports(shed: int, refusing_since: datetime | None, now: datetime) -> Finding:
    """shed: reports of the last 5 minutes that were let go; refusing_since: nothing can be made durable
    (503) since then, without a break."""
    if shed > 0:
        summary = f"{shed:,} reports were shed in the last 5 min: more come than can be stored."
        return Finding(severity=Severity.PAGE, summary=summary)
    if refusing_since is not None and now - refusing_since >= _REFUSING:
        summary = f"Reports are refused for {span(now - refusing_since)}: none can be made durable."
        return Finding(severity=Severity.PAGE, summary=summary)
    return NOTHING


def one_address(from_one: int, reports: int) -> Finding:
    """from_one: of the last ``reports`` (1,000 are enough), those of the network most come from; declared
    networks that count each are left out."""
    if reports < _LAST or from_one < _ONE_NETWORK * reports:
        return NOTHING
    return Finding(
        severity=Severity.TICKET,
        summary="All reports come from one address: set PINFALL_TRUSTED_PROXIES.",
    )
