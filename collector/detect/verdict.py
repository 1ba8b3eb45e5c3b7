"""Keep, widen or drop pinning, for one host: what it cost, what it caught, and whether releases can follow.

The first that applies:
- not enough is known: no pin set is registered, or nothing was watched for WATCHED days;
- drop: it broke us at least as often as it blocked interception, and more than once;
- drop: only leaf keys are pinned, they change REGULARLY or more often a year, and a week after a release
  fewer than FOLLOWED have it (or how many is not known and the keys break us already);
- widen: a set has one pin, or only leaf keys, or the pins of one authority;
- keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from collector.detect.adoption import Curve
from collector.model import Certificate, Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import facts

WATCHED = 30  # days
REGULARLY = 4  # changes of key a year
FOLLOWED = 0.95
YEAR = 365.25
# CA/Browser Forum ballot SC-081v3: the longest life of a public certificate, in days, from a day on.
LIFETIMES = (
    (date(2026, 3, 15), 200), (date(2027, 3, 15), 100), (date(2029, 3, 15), 47),
)  # fmt: skip


class Advice(StrEnum):
    KEEP = "keep"
    WIDEN = "widen"
    DROP = "drop"
    NOT_ENOUGH = "not_enough_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a host. ``keys``: leaf keys that it served, with the time each was first seen.
    ``watched``: since when. ``own``, ``intercepted``: incidents (signatures) of a year in which at least
    ENOUGH reports were blocked: by our faults, by interception. ``authorities``: organisations by key, of
    those that are known."""

    pin_sets: Sequence[ShippedPinSet]
    leaf: Certificate | None
    keys: Mapping[bytes, datetime]
    watched: datetime | None
    rotations: Sequence[datetime]
    curves: Sequence[Curve]
    own: int
    own_reports: int
    intercepted: int
    intercepted_reports: int
    authorities: Mapping[Hash, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    advice: Advice
    reasons: tuple[str, ...]


def verdict(known: Known, now: datetime) -> Verdict:
    """Reasons are sentences; those that decided come first."""
    sets = [s for s in known.pin_sets if s.pins and (s.expires is None or now < s.expires)]
    changes, changed = _changes(known, now)
    reach, reached = _reach(known.curves)
    level, levels = _levels(sets, known)
    facts_told = [*_lifetime(known.leaf, now), changed, reached, *levels, _cost(known)]
    days = (now - known.watched).days if known.watched is not None else 0
    missing = []
    if not sets:
        missing.append("no pin set is registered that pins now")
    if days < WATCHED:
        missing.append(f"the host was watched for {days} days; {WATCHED} are needed")
    harmful = known.own >= 2 and known.own >= known.intercepted
    if missing and not harmful:
        return Verdict(Advice.NOT_ENOUGH, (*missing, *facts_told))
    if harmful:
        return Verdict(Advice.DROP, (_cost(known), *facts_told[:-1], *missing))
    left_behind = reach is not None and reach < FOLLOWED
    if (
        level == "leaf"
        and changes is not None
        and changes >= REGULARLY
        and (left_behind or known.own)
    ):
        told = "only leaf keys are pinned, and they change faster than releases spread"
        return Verdict(Advice.DROP, (told, *facts_told))
    wider = _wider(sets, level, known.authorities)
    if wider:
        return Verdict(Advice.WIDEN, (*wider, *facts_told))
    return Verdict(Advice.KEEP, tuple(facts_told))


def _changes(known: Known, now: datetime) -> tuple[float | None, str]:
    """(changes of key a year, told)."""
    days = (now - known.watched).days if known.watched is not None else 0
    times = {*known.rotations}
    firsts = sorted(known.keys.values())
    seen = max(len([t for t in times if (now - t).days <= YEAR]), len(firsts[1:]))
    if days < WATCHED:
        return None, f"{seen} changes of key were seen, in too short a time"
    a_year = seen * YEAR / min(days, YEAR)
    return a_year, f"{seen} changes of key in {min(days, 365)} days: about {a_year:.0f} a year"


def _reach(curves: Sequence[Curve]) -> tuple[float | None, str]:
    """(share that has a release a week after it, told): of the app that is slowest."""
    known = [(c.reach(7), c) for c in curves if c.source != "reports"]
    paces = [(week, curve) for week, curve in known if week is not None]
    if not paces:
        return None, "how fast releases spread is not known"
    week, slowest = min(paces, key=lambda row: row[0])
    parts = [
        f"{slowest.reach(days) or 0:.0%} after {word}" for days, word in ((1, "24 h"), (2, "48 h"))
    ]
    return week, (
        f"a release reaches about {', '.join(parts)} and {week:.0%} after a week ({slowest.app}"
        f" {slowest.platform}, {slowest.fitted} days of {slowest.source})"
    )


def _levels(sets: Sequence[ShippedPinSet], known: Known) -> tuple[str | None, list[str]]:
    """("authority" if a pin is of a known one, "leaf" if all that are known are leaves; told). None:
    nothing is pinned, or nobody knows what."""
    pins = {pin for s in sets for pin in s.pins}
    of = [pin for pin in pins if pin in known.authorities]
    leaves = [pin for pin in pins if pin.digest in known.keys]
    if of:
        names = sorted({known.authorities[pin] for pin in of})
        told = (
            f"{len(of)} of {len(pins)} pins are of {len(names)} authorities: {', '.join(names[:5])}"
        )
        return "authority", [told]
    if leaves:
        return "leaf", [
            f"{len(leaves)} of {len(pins)} pins are of leaves, and none of an authority that is known"
        ]
    return None, [f"whose keys the {len(pins)} pins are is not known"] if pins else []


def _lifetime(leaf: Certificate | None, now: datetime) -> list[str]:
    if leaf is None:
        return ["no probe saw the certificate"]
    told = facts(leaf.der)
    if told.not_before is None or told.not_after is None:
        return []
    days = round((told.not_after - told.not_before).total_seconds() / 86_400)
    ahead = [(since, most) for since, most in LIFETIMES if since > now.date() and most < days]
    found = [
        f"the certificate is valid for {days} days: at least {YEAR / max(days, 1):.0f} renewals a year"
    ]
    if ahead:
        since, most = ahead[-1]
        found.append(
            f"from {since} public certificates are valid for at most {most} days: at least {YEAR / most:.0f} renewals"
            " a year, each a change of key unless the key is kept"
        )
    return found


def _cost(known: Known) -> str:
    return (
        f"in a year pinning blocked {known.own_reports:,} reports in {known.own} incidents of our own, and"
        f" {known.intercepted_reports:,} in {known.intercepted} of interception"
    )


def _wider(
    sets: Sequence[ShippedPinSet], level: str | None, authorities: Mapping[Hash, str]
) -> list[str]:
    found = []
    single = [s for s in sets if len(s.pins) == 1]
    if single:
        found.append(f"{len(single)} of {len(sets)} pin sets have one pin, and no backup")
    if level == "leaf":
        found.append(
            "only leaf keys are pinned: add backup keys, or roots of the authorities that you may use"
        )
    for s in sets:
        names = {authorities[pin] for pin in s.pins if pin in authorities}
        if len(names) == 1 and all(pin in authorities for pin in s.pins):
            found.append(
                f"a pin set has only keys of {min(names)}: add those of a second authority"
            )
            break
    return found
