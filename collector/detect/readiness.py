"""May a host's pins be enforced? By what enforcing would have blocked while failures were only reported.

Not ready: in the last LATELY days at least ENOUGH reports of our own faults, or the chain that is served
now is refused by a registered pin set. Cannot tell: silence, less than LEAST days of it, causes that are
not known, or somebody who should have been heard and was not. Ready: none of these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from collector.detect.adoption import Use, platform_name
from collector.detect.governing import fits
from collector.detect.outcomes import Judgement
from collector.pins.model import ShippedPinSet

DAYS = 30  # that are looked at
LATELY = 7  # days that decide
LEAST = 14  # days that have to be heard of
ENOUGH = 5  # reports: as many as installs make an incident
UNKNOWN = "unknown"
OWN = frozenset(
    {"own_rotation", "issuer_change", "path_building", "wrong_pins", "expired_or_clock", "wrong_environment"}
)  # fmt: skip
_NOT_OURS = frozenset({"interception", "test_traffic", "browser_sent", "forged_or_broken"})


class Ready(StrEnum):
    READY = "ready"
    NOT_READY = "not_ready"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Reports:
    """Pin failures of one day, cause (a label, UNKNOWN where there is none) and platform, from
    production; ``enforced`` None: not told."""

    day: date
    cause: str
    platform: str
    enforced: bool | None
    reports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What is known of a host. ``connections``: successes in DAYS, None if none were told. ``since``: the
    first day that anything was heard. ``chain``: what the chain that is served now would do, None where
    no probe saw one."""

    reports: Sequence[Reports]
    connections: float | None
    since: date | None
    pin_sets: Sequence[ShippedPinSet]
    uses: Sequence[Use]
    chain: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """``by_day``: newest first, reports that would have been blocked by cause. ``unseen``: who pins and
    was never heard."""

    verdict: Ready
    reasons: tuple[str, ...]
    by_cause: Mapping[str, int]
    by_day: tuple[tuple[date, Mapping[str, int]], ...]
    unseen: tuple[str, ...]


def readiness(heard: Heard, today: date) -> Readiness:
    held = [r for r in heard.reports if r.enforced is False]
    lately = _by_cause(r for r in held if r.day > today - timedelta(days=LATELY))
    unseen = tuple(_unseen(heard))
    against, unclear = [], []
    own = sum(count for cause, count in lately.items() if cause in OWN)
    if own >= ENOUGH:
        told = ", ".join(f"{n} {cause}" for cause, n in lately.items() if cause in OWN)
        against.append(f"our own faults would have blocked {own} reports in {LATELY} days: {told}")
    if heard.chain is not None and heard.chain.breaks:
        against.append("a registered pin set refuses the chain that is served now")
    other = sum(n for cause, n in lately.items() if cause not in OWN | _NOT_OURS)
    if other >= ENOUGH:
        unclear.append(f"{other} reports in {LATELY} days have no known cause")
    days = (today - heard.since).days if heard.since is not None else 0
    if heard.since is None or (not heard.reports and not heard.connections):
        unclear.append("nothing was heard: no report and no connection, so silence says nothing")
    elif days < LEAST:
        unclear.append(f"heard for {days} days; {LEAST} are needed")
    if not heard.pin_sets:
        unclear.append("no pin set is registered, so it is not known who should have been heard")
    elif unseen:
        unclear.append(
            f"never heard: {'; '.join(unseen[:5])}" + (" and others" if len(unseen) > 5 else "")
        )
    if heard.chain is None:
        unclear.append("no probe saw the chain that is served now")
    verdict = Ready.NOT_READY if against else Ready.CANNOT_TELL if unclear else Ready.READY
    reasons = [*against, *unclear]
    if verdict is Ready.READY:
        reasons = [_good(heard, held, days)]
    return Readiness(
        verdict=verdict,
        reasons=tuple(reasons),
        by_cause=_by_cause(held),
        by_day=_by_day(held, today),
        unseen=unseen,
    )


def _good(heard: Heard, held: Sequence[Reports], days: int) -> str:
    blocked = sum(r.reports for r in held)
    of = f" of {round(heard.connections):,} connections" if heard.connections else ""
    return (
        f"in {min(days, DAYS)} days enforcing would have blocked {blocked} reports{of}, in the last {LATELY} fewer"
        f" than {ENOUGH} for a fault of ours; every registered release was heard"
    )


def _by_cause(reports: Iterable[Reports]) -> dict[str, int]:
    """The most first."""
    sums: dict[str, int] = defaultdict(int)
    for told in reports:
        sums[told.cause] += told.reports
    return dict(sorted(sums.items(), key=lambda row: (-row[1], row[0])))


def _by_day(held: Sequence[Reports], today: date) -> tuple[tuple[date, Mapping[str, int]], ...]:
    days = [today - timedelta(days=ago) for ago in range(DAYS)]
    return tuple((day, _by_cause(r for r in held if r.day == day)) for day in days)


def _unseen(heard: Heard) -> list[str]:
    """Registered releases of which nothing ever reported or connected."""
    seen = [u for u in heard.uses if u.source != "imported" and u.uses > 0]
    found: dict[str, None] = {}
    for one in heard.pin_sets:
        if any(
            fits(one.app, one.platform, u.app, platform_name(u.platform))
            and (one.covers_version(u.version) if u.version else _is_open(one))
            for u in seen
        ):
            continue
        found[_name(one)] = None
    return sorted(found)


def _is_open(one: ShippedPinSet) -> bool:
    return one.version_from is None and one.version_to is None


def _name(one: ShippedPinSet) -> str:
    who = " ".join(part for part in (one.app, one.platform) if part) or "any app"
    first, last = one.version_from, one.version_to
    if first is None and last is None:
        return who
    return f"{who} {first}" if first == last else f"{who} {first or 'first'} to {last or 'newest'}"
