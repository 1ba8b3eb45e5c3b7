"""What to do where a chain would break somebody, in the order in which it should be tried.

What needs no release comes first: keep what the releases out there already accept. A step names what it
rests on, so that a person can check it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.detect.adoption import percent
from collector.detect.outcomes import SAFE, Judgement, Outcome, Part
from collector.model import Certificate, Hash
from collector.reports.certificates import facts, role
from collector.reports.pem import told_name

_MOST = 3  # of each kind


@dataclass(frozen=True, slots=True)
class Proof:
    """That a pin's key is ours. how: "certificate" or "csr"."""

    how: str
    at: datetime


def steps(
    told: Judgement,
    *,
    served: Sequence[Sequence[Certificate]] = (),
    proven: Mapping[Hash, Proof] | None = None,
) -> tuple[str, ...]:
    """Sentences. served: chains that the host served lately, leaf first, the newest first."""
    broken = [part for part in told.parts if part.breaking]
    found = []
    if broken:
        found += _old_ones(broken, served, told.at)
        found += _backups(broken, served, proven or {})
        found += _release(told, broken)
        found += _wait(told)
    strangers = [p for p in told.parts if p.outcome is Outcome.UNKNOWN and p.pin_set is None]
    if strangers or not told.registered:
        found.append(
            "Register what the unknown versions pin: pinfall pins import FILE --app A --version V"
        )
    return tuple(found)


def _of(number: int, broken: Sequence[Part]) -> str:
    if number == len(broken):
        return "the pin set that breaks" if number == 1 else f"all {number} pin sets that break"
    return f"{number} of {len(broken)} pin sets that break"


def _holders(pin: Hash, broken: Sequence[Part]) -> int:
    return sum(pin in part.pin_set.pins for part in broken if part.pin_set)


def _old_ones(
    broken: Sequence[Part], served: Sequence[Sequence[Certificate]], at: datetime
) -> list[str]:
    """Keys that were served before and that releases out there accept."""
    seen: dict[Hash, tuple[str, Certificate]] = {}
    for chain in served:
        for place, certificate in enumerate(chain):
            until = facts(certificate.der).not_after
            if until is not None and until > at:
                key = Hash("sha256", certificate.spki_sha256)
                seen.setdefault(key, (role(place, certificate), certificate))
    ranked = sorted(
        ((_holders(key, broken), key, *told) for key, told in seen.items()),
        key=lambda row: (-row[0], row[2] == "leaf"),
    )
    found = []
    for holders, _, where, certificate in ranked[:_MOST]:
        if not holders:
            break
        until = facts(certificate.der).not_after
        name, whose = told_name(certificate), _of(holders, broken)
        if where == "leaf":
            found.append(
                f"Keep the present key ({name}): it is in {whose}. Renew with the same key (certbot"
                " --reuse-key; cert-manager rotationPolicy: Never)"
            )
        else:
            found.append(
                f"Serve a path through the old {where} {name}, valid until {until:%Y-%m-%d}: it is in {whose}."
                " Ask for a certificate from it, or send its cross-sign"
            )
    return found


def _backups(
    broken: Sequence[Part],
    served: Sequence[Sequence[Certificate]],
    proven: Mapping[Hash, Proof],
) -> list[str]:
    """Pins of keys that are not served: backups, as far as anybody knows."""
    used = {Hash("sha256", c.spki_sha256) for chain in served for c in chain}
    counted = Counter(
        pin for part in broken if part.pin_set for pin in set(part.pin_set.pins) if pin not in used
    )
    ranked = sorted(counted.items(), key=lambda row: (row[0] not in proven, -row[1], str(row[0])))
    found = []
    for pin, holders in ranked[:_MOST]:
        proof = proven.get(pin)
        told = (
            f"proven by a {proof.how} on {proof.at:%Y-%m-%d}"
            if proof
            else "not proven: nobody has shown that it is ours"
        )
        found.append(f"Use the backup key {pin}: it is in {_of(holders, broken)}; {told}")
    return found


def _release(told: Judgement, broken: Sequence[Part]) -> list[str]:
    pins = [
        f"{place.keys[0]} ({place.role})"
        for place in told.path.places
        if place.role != "root" or place.sent
    ]
    wanted = f"Ship a release that also pins {' or '.join(pins[:_MOST])} first"
    paces = [
        (days, curve)
        for curve in told.curves
        if curve.source != "reports"
        and any(part.app in (None, curve.app) for part in broken)
        and (days := curve.until(SAFE)) is not None
    ]
    if not paces:
        return [f"{wanted}; how fast users take it up is not known"]
    days, curve = max(paces, key=lambda row: row[0])
    way = (
        f"{wanted}; at the pace of the newest release ({curve.app} {curve.platform}, {curve.fitted} days"
        f" of {curve.source}) {SAFE:.0%} have it about {days} days later"
    )
    return [way]


def _wait(told: Judgement) -> list[str]:
    now = told.totals[Outcome.BREAKS][0]
    if now is None:
        return []
    if told.safe_in is None:
        return [
            f"Waiting is no way that is known: {percent(now, told.uses)} are on versions that break"
        ]
    if told.safe_in == 0:
        return [f"{SAFE:.0%} are safe at T: {percent(now, told.uses)} would break"]
    on = told.at + timedelta(days=told.safe_in)
    way = (
        f"Or wait: {SAFE:.0%} are on versions that accept it about {told.safe_in} days after T, {on:%Y-%m-%d},"
        " at the present pace"
    )
    return [way]
