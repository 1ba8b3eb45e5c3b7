"""Gates of alerts that need few installs, since what they report cannot happen by itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from collector.detect.finding import NOTHING, Finding
from collector.detect.kinds import Severity
from collector.detect.saying import expected, installs, minutes, named, span
from collector.detect.spike_state import Verdict

_FEW = 3
_PROBED_FOR = timedelta(days=7)
_AGREE, _AGREE_NETWORKS = 20, 10


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Installs, and the networks and operator networks they were on, of the last 24 h."""

    installs: int
    networks: int
    operators: int


class Probed(StrEnum):
    """What a probe that was made at once showed."""

    WAITING = "waiting"
    SHOWS_IT = "shows_it"  # so it is ours: a rotation
    DOES_NOT = "does_not"
    FAILED = "failed"


def own_certificate_expired(reach: Reach, not_after: datetime, now: datetime) -> Finding:
    """reach: of installs that refused a leaf of ours after its notAfter, by the time of receipt."""
    if reach.installs < _FEW or reach.networks < _FEW or now <= not_after:
        return NOTHING
    return Finding(
        severity=Severity.PAGE,
        cause="expired_or_clock",
        reach=reach.installs,
        summary=f"{installs(reach.installs)} on {reach.networks} networks refused our certificate, "
        f"which expired {span(now - not_after)} ago.",
    )


def wrong_environment(spike: Verdict, leaf_of: str, reach: Reach) -> Finding:
    """spike: the detector's verdict of installs that met the leaf of ``leaf_of``, another host or
    environment of ours: the gates of class self."""
    if spike.severity is None:
        return NOTHING
    return Finding(
        severity=spike.severity,
        cause="wrong_environment",
        lead=leaf_of,
        reach=reach.installs,
        quiet=spike.quiet,
        summary=f"{installs(reach.installs)} on {reach.networks} networks met the certificate of "
        f"{named(leaf_of)} here.",
    )


def wrong_pins(version: str, reach: Reach, spike: Verdict | None = None) -> Finding:
    """reach: of installs of one app version that agree on pins which differ from the imported ones, or
    match nothing we ever served. spike: for a version that no import covers, the detector's verdict
    of it (``Facts.uncovered``), which then decides alone."""
    if spike is not None:
        severity = spike.severity
    elif reach.installs >= _AGREE and reach.networks >= _AGREE_NETWORKS:
        severity = Severity.PAGE
    else:
        severity = None
    if severity is None:
        return NOTHING
    return Finding(
        severity=severity,
        cause="wrong_pins",
        lead=version,
        reach=reach.installs,
        quiet=spike is not None and spike.quiet,
        summary=f"{installs(reach.installs)} of {named(version)} on {reach.networks} networks agree on "
        "pins that match nothing we serve.",
    )


def misissuance_suspected(
    leaf: str, reach: Reach, probed_well_for: timedelta | None, probed: Probed
) -> Finding:
    """leaf: pin of a publicly trusted, valid leaf that no probe, declaration or registry holds.
    probed_well_for: how long probes of the host went well, None: they do not."""
    if reach.installs < 1 or probed is Probed.SHOWS_IT:
        return NOTHING
    sure = (
        reach.installs >= _FEW
        and reach.operators >= _FEW
        and probed_well_for is not None
        and probed_well_for >= _PROBED_FOR
    )
    severity = Severity.PAGE if sure and probed is Probed.DOES_NOT else Severity.TICKET
    if severity is Severity.PAGE:
        what = "no probe sees it: mis-issued, or served where probes do not look"
    else:
        what = "rotated, or mis-issued?"
    return Finding(
        severity=severity,
        cause="misissuance_suspected",
        lead=leaf,
        reach=reach.installs,
        pending=probed is Probed.WAITING,
        summary=f"New public key reported by {installs(reach.installs)} on {reach.operators} operator "
        f"networks: {what}.",
    )


class Beside(StrEnum):
    """What spikes and never pages."""

    INTERCEPTION = "interception"
    UNTRUSTED_CHAIN = "untrusted_chain"
    UNKNOWN = "unknown"


_TOLD = {
    Beside.INTERCEPTION: "met a certificate that somebody in the middle made",
    Beside.UNTRUSTED_CHAIN: "did not trust the chain",
    Beside.UNKNOWN: "failed for a reason that cannot be told",
}


def beside_spike(what: Beside, spike: Verdict) -> Finding:
    """Of interception_wave, untrusted_chain_spike and unknown_spike. spike: the detector's verdict of
    that class (``Facts.pages`` False)."""
    if spike.severity is None:
        return NOTHING
    return Finding(
        severity=spike.severity,
        reach=spike.count,
        quiet=spike.quiet,
        summary=f"{installs(spike.count)} {_TOLD[what]} in the last {minutes(spike.minutes)}; "
        f"{expected(spike.expected)} expected.",
    )
