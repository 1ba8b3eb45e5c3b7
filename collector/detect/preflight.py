"""If this chain is served, who breaks? Registered pin sets against a chain, weighed by who uses what.

A client holds the pins of the most specific set that covers it: see ``governing``. Where several are left,
the worst counts: some releases in that range break.

Shares are of installs (or whatever was counted: see ``Curve.source``) of one app and platform, or of all
where they were counted alike, each app and platform weighed by its uses of a day. After 24 h, 48 h and a
week they follow ``adoption.Curve.at``. What was counted no longer than a day before T is "now".

Learned pin sets tell a person what unknown versions would say; they are never counted as known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from collector.detect.adoption import Curve, Use, curves, platform_name
from collector.detect.client_paths import Held, Path, satisfied
from collector.detect.governing import governing, holding, shelved
from collector.detect.outcomes import HORIZONS, ORDER, SAFE, Judgement, Outcome, Part
from collector.pins.model import LearnedPinSet, ShippedPinSet
from collector.pins.versions import version_key

STALE = 14  # days: what was counted longer ago is no basis


def say(path: Path, pin_set: ShippedPinSet, at: datetime) -> tuple[Outcome, tuple[Held, ...], str]:
    """What a set says to a path at a time: (outcome, pins that hold, why). A set that is in force
    later counts as in force."""
    if pin_set.expires is not None and pin_set.expires <= at:
        return Outcome.OFF, (), f"pinning is off: the pins expired {pin_set.expires:%Y-%m-%d}"
    if not pin_set.pins:
        return Outcome.OFF, (), "pinning is off: the set is empty"
    held = satisfied(pin_set.pins, path)
    if held and held[0].certain:
        return Outcome.ACCEPTS, held, held[0].condition or ""
    if pin_set.enforced is False:
        return Outcome.OFF, held, "pinning is off: failures are reported, and nobody is blocked"
    if held:
        return Outcome.UNKNOWN, held, f"only {held[0].condition}: some stores end it earlier"
    if not path.known:
        return Outcome.UNKNOWN, (), "its issuer is not known: say --issuer"
    return Outcome.BREAKS, (), f"none of its {len(pin_set.pins)} pins is in the chain"


def judge(
    host: str,
    path: Path,
    pin_sets: Sequence[ShippedPinSet],
    *,
    at: datetime,
    today: date,
    uses: Iterable[Use] = (),
    learned: Sequence[LearnedPinSet] = (),
    app: str | None = None,
) -> Judgement:
    """pin_sets: registered ones; those that do not cover the host are left out. app: only of this one."""
    sets = holding([s for s in pin_sets if app is None or s.app in (None, app)], host)
    known = [c for c in curves(uses, today) if app is None or c.app == app]
    ages = [max(0, (at.date() - curve.last).days - 1) for curve in known]
    moments = [at + timedelta(days=days) for days in HORIZONS]
    said = [
        (say(path, s, at),) * len(moments)
        if s.expires is None
        else tuple(say(path, s, moment) for moment in moments)
        for s in sets
    ]
    shelves = shelved(sets)
    versions: dict[int, list[tuple[Curve, int, str]]] = defaultdict(list)
    strangers: dict[tuple[str, str], list[tuple[Curve, int, str]]] = defaultdict(list)
    for curve, age in zip(known, ages, strict=True):
        for version in curve.versions:
            found = governing(sets, shelves, curve.app, curve.platform, version)
            if not found:
                strangers[curve.app, curve.platform].append((curve, age, version))
                continue
            worst = min(found, key=lambda n: min(ORDER.index(told[0]) for told in said[n]))
            versions[worst].append((curve, age, version))
    parts = [
        _part(s, told, versions[n]) for n, (s, told) in enumerate(zip(sets, said, strict=True))
    ]
    parts += [_stranger(path, place, told, learned) for place, told in sorted(strangers.items())]
    parts += _only_learned(path, known, sets, learned, app)
    weighed = _weighed(list(zip(known, ages, strict=True)))
    totals = _totals(parts, weighed, versions, strangers, said)
    safe_in = _safe_in(weighed, versions, said)
    return Judgement(
        host=host, at=at, path=path, parts=tuple(_sorted(parts)), registered=len(sets), totals=totals,
        uses=sum(curve.uses for curve in known), curves=tuple(known), stretched=any(ages), safe_in=safe_in,
    )  # fmt: skip


def _sorted(parts: Iterable[Part]) -> list[Part]:
    """The worst first, then the largest."""
    return sorted(
        parts,
        key=lambda p: (
            not p.breaking, ORDER.index(p.outcome), -(p.shares[0] or 0), p.app or "", p.platform or "",
            version_key(p.pin_set.version_from or "") if p.pin_set else version_key(""),
        ),
    )  # fmt: skip


_Said = tuple[Outcome, tuple[Held, ...], str]
_Counted = Sequence[tuple[Curve, int, str]]


def _shares(counted: _Counted) -> tuple[tuple[float | None, ...], float]:
    """(shares at HORIZONS, uses that they are of), of the apps and platforms that have these versions."""
    places = {id(curve): (curve, age) for curve, age, _ in counted}
    weighed = _weighed(list(places.values()))
    told: list[float | None] = []
    for days in HORIZONS:
        share: float | None = 0.0 if weighed else None
        for curve, age, weight in weighed:
            shares = curve.at(age + days)
            if share is None or shares is None:
                share = None
                break
            share += weight * sum(shares[version] for c, _, version in counted if c is curve)
        told.append(share)
    return tuple(told), sum(curve.uses for curve, _ in places.values())


def _part(s: ShippedPinSet, told: Sequence[_Said], counted: _Counted) -> Part:
    outcome, held, reason = told[0]
    turns = next((n for n, (later, _, _) in enumerate(told) if later is not outcome), None)
    if turns is not None:
        reason = f"{reason}; within {HORIZONS[turns]} days {told[turns][2]}".removeprefix("; ")
    shares, uses = _shares(counted)
    return Part(
        app=s.app, platform=s.platform, outcome=outcome, reason=reason, pin_set=s, held=held,
        later=tuple(later for later, _, _ in told), shares=shares, uses=uses,
        versions=tuple(version for _, _, version in counted),
    )  # fmt: skip


def _stranger(
    path: Path, place: tuple[str, str], counted: _Counted, learned: Sequence[LearnedPinSet]
) -> Part:
    shares, uses = _shares(counted)
    versions = tuple(version for _, _, version in counted)
    hints = [
        _hint(path, told)
        for told in learned
        if (told.app, platform_name(told.platform)) == place and told.app_version in versions
    ]
    return Part(
        app=place[0], platform=place[1], outcome=Outcome.UNKNOWN, versions=versions, shares=shares, uses=uses,
        reason="no import covers these versions", learned=tuple(hints),
    )  # fmt: skip


def _hint(path: Path, told: LearnedPinSet) -> str:
    held = satisfied(told.pins, path)
    says = "would accept it" if held else "would refuse it" if path.known else "says nothing yet"
    version = told.app_version or "a version that was not told"
    return (
        f"{version} {says}, by what {told.installs} installs on {told.networks} networks reported"
    )


def _only_learned(
    path: Path,
    known: Sequence[Curve],
    sets: Sequence[ShippedPinSet],
    learned: Sequence[LearnedPinSet],
    app: str | None,
) -> list[Part]:
    """Versions that reports tell of and nobody counted."""
    counted = {(c.app, c.platform, version) for c in known for version in c.versions}
    shelves = shelved(sets)
    return [
        Part(
            app=told.app, platform=platform_name(told.platform), outcome=Outcome.UNKNOWN, versions=(told.app_version,),
            reason="no import covers these versions", learned=(_hint(path, told),),
        )
        for told in learned
        if (app is None or told.app == app)
        and (told.app, platform_name(told.platform), told.app_version) not in counted
        and not governing(sets, shelves, told.app, platform_name(told.platform), told.app_version)
    ]  # fmt: skip


def _weighed(known: Sequence[tuple[Curve, int]]) -> list[tuple[Curve, int, float]]:
    """Each with its part of all; none where they were not counted alike, or too long ago."""
    total = sum(curve.uses for curve, _ in known)
    alike = len({curve.source for curve, _ in known}) == 1
    if not alike or not total or any(age > STALE for _, age in known):
        return []
    return [(curve, age, curve.uses / total) for curve, age in known]


def _totals(
    parts: Sequence[Part],
    weighed: Sequence[tuple[Curve, int, float]],
    versions: Mapping[int, _Counted],
    strangers: Mapping[tuple[str, str], _Counted],
    said: Sequence[Sequence[_Said]],
) -> dict[Outcome, tuple[float | None, ...]]:
    sums: dict[Outcome, list[float | None]] = {o: [] for o in Outcome}
    for place, days in enumerate(HORIZONS):
        if not weighed or not parts:
            for told in sums.values():
                told.append(None)
            continue
        of: dict[Outcome, float | None] = dict.fromkeys(Outcome, 0.0)
        for curve, age, weight in weighed:
            shares = curve.at(age + days)
            if shares is None:
                of = dict.fromkeys(Outcome, None)
                break
            for number, counted in versions.items():
                outcome = said[number][place][0]
                mine = sum(shares[version] for c, _, version in counted if c is curve)
                of[outcome] = (of[outcome] or 0.0) + weight * mine
            for counted in strangers.values():
                mine = sum(shares[version] for c, _, version in counted if c is curve)
                of[Outcome.UNKNOWN] = (of[Outcome.UNKNOWN] or 0.0) + weight * mine
        for outcome in Outcome:
            sums[outcome].append(of[outcome])
    return {outcome: tuple(told) for outcome, told in sums.items()}


def _safe_in(
    weighed: Sequence[tuple[Curve, int, float]],
    versions: Mapping[int, _Counted],
    said: Sequence[Sequence[_Said]],
) -> int | None:
    """Whole days from T until SAFE of all are on versions that accept at T, or do not pin."""
    safe = {
        (id(curve), version)
        for number, counted in versions.items()
        if said[number][0][0] in (Outcome.ACCEPTS, Outcome.OFF)
        for curve, _, version in counted
    }
    if not weighed or not safe:
        return None
    for days in range(366):
        total = 0.0
        for curve, age, weight in weighed:
            shares = curve.at(age + days)
            if shares is None:
                return None
            mine = sum(share for version, share in shares.items() if (id(curve), version) in safe)
            total += weight * mine
        if total >= SAFE:
            return days
    return None
