"""What is wrong with pin sets, before or after they are shipped. Pure: what is known is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from collector.pins.findings import Code, Finding, Severity, releases
from collector.pins.issuers import issuer_of
from collector.pins.known import Known, Served
from collector.pins.known import now as served_now
from collector.pins.lint_keys import count, keys
from collector.pins.model import ShippedPinSet
from collector.pins.uris import uri_host
from collector.pins.versions import version_key

MINIMUM = 2  # pins of a set; TrustKit does not start with fewer
SOON = timedelta(days=30)
VERY_SOON = timedelta(days=7)
_ERROR, _WARNING, _INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
_NOTHING = Known()
_key = lru_cache(maxsize=4096)(version_key)


def lint(
    sets: Sequence[ShippedPinSet],
    now: datetime,
    known: Known = _NOTHING,
    minimum: int = MINIMUM,
) -> list[Finding]:
    """Findings, the worst first. Sets of one file, of one host or of a whole project; ``known`` makes
    more of them visible, and without it nothing is guessed."""
    found: list[Finding] = []
    pinned = [one for one in sets if one.pins]
    for one in pinned:
        found += count(one, minimum)
        found += keys(one, known)
        found += _dates(one, now)
        found += _reporting(one, pinned, known)
    found += _together(pinned)
    return sorted(found, key=lambda finding: finding.order)


def _dates(one: ShippedPinSet, now: datetime) -> Iterator[Finding]:
    if one.expires is None:
        return
    day, left = f"{one.expires:%Y-%m-%d}", one.expires - now
    if left <= timedelta():
        yield Finding(
            Code.EXPIRED, _ERROR, one,
            f"The set expired on {day}: since then these clients pin nothing, and report nothing",
            "Ship a release with new pins; installs of this one stay unprotected.",
        )  # fmt: skip
    elif left <= SOON:
        yield Finding(
            Code.EXPIRES_SOON, _ERROR if left <= VERY_SOON else _WARNING, one,
            f"The set expires on {day}, in {left.days} days: from then on these clients pin nothing",
            "Ship a release with new pins now: half of the installs take weeks to update.",
        )  # fmt: skip
    else:
        yield Finding(
            Code.EXPIRY_DISABLES, _INFO, one,
            f"From {day} on these clients silently pin nothing: an emergency exit, and a gap",
            "Put that day into a calendar; pinfall_pin_set_expiry_timestamp_seconds has it.",
        )  # fmt: skip


def _reporting(
    one: ShippedPinSet, sets: Sequence[ShippedPinSet], known: Known
) -> Iterator[Finding]:
    if one.default_report_uri:
        yield Finding(
            Code.DEFAULT_REPORT_URI, _WARNING, one,
            "The SDK's makers get a copy of each report: their default report URL is on",
            "Set TSKDisableDefaultReportUri, or disableDefaultReportUri, for this domain.",
        )  # fmt: skip
    hosts = dict.fromkeys(uri_host(uri) for uri in one.report_uris)
    beside = [other for other in sets if other.app == one.app and other.platform == one.platform]
    for host in hosts:
        if host is None:
            continue
        if any(other.covers_host(host) for other in beside):
            yield Finding(
                Code.REPORT_URI_PINNED, _ERROR, one,
                f"Reports go to {host}, which these clients pin too: what breaks the pins stops the reports",
                "Give the collector a host under a domain that is not pinned.",
            )  # fmt: skip
            continue
        shared = _families(known, [host]) & _families(
            known, [served.host for served in known.served if one.covers_host(served.host)]
        )
        if shared:
            yield Finding(
                Code.REPORT_URI_SAME_CA, _INFO, one,
                f"{host} has its certificate from {', '.join(sorted(shared))}, as the pinned host has",
                "Let another authority issue for the collector, so that one fault does not hit both.",
            )  # fmt: skip


def _families(known: Known, hosts: Sequence[str]) -> set[str]:
    """Whose authorities issue for these hosts now."""
    chains: list[Served] = [served for served in known.served if served.host in hosts]
    return {
        issuer.family
        for served in served_now(chains)
        for certificate in served.chain[1:2]
        if (issuer := issuer_of(certificate)) is not None
    }


def _together(sets: Sequence[ShippedPinSet]) -> Iterator[Finding]:
    """Sets for the same host and releases that do not agree, or say the same twice."""
    places: dict[str, list[ShippedPinSet]] = {}
    for one in sets:
        places.setdefault(one.host, []).append(one)
    for beside in places.values():
        for n, one in enumerate(beside):
            for other in beside[n + 1 :]:
                if not _meet(one, other):
                    continue
                if one.format == other.format and one.pins == other.pins:
                    yield from _alike(one, other)
                elif one.format == other.format or not {*one.pins} & {*other.pins}:
                    yield Finding(
                        Code.CONTRADICTING, _ERROR, one,
                        f"Another set for the same host, of {releases(other)}, has other pins"
                        + ("" if one.format == other.format else f" ({other.format}); a chain has to fit both"),
                        "Remove the one that was not shipped, or give each its range of versions.",
                    )  # fmt: skip


def _alike(one: ShippedPinSet, other: ShippedPinSet) -> Iterator[Finding]:
    if one.enforced != other.enforced or one.expires != other.expires:
        yield Finding(
            Code.CONTRADICTING, _ERROR, one,
            f"Another set with the same pins, of {releases(other)}, says otherwise whether they are enforced, or"
            " until when",
            "Remove the one that was not shipped, or give each its range of versions.",
        )  # fmt: skip
    else:
        yield Finding(
            Code.DUPLICATE, _INFO, one,
            f"Another set, of {releases(other)}, has the same pins",
            "Keep one of them.",
        )  # fmt: skip


def _meet(one: ShippedPinSet, other: ShippedPinSet) -> bool:
    """Whether some release is in both; None is any."""
    for a, b in ((one.app, other.app), (one.platform, other.platform)):
        if a is not None and b is not None and a != b:
            return False
    return _before(one.version_from, other.version_to) and _before(
        other.version_from, one.version_to
    )


def _before(first: str | None, last: str | None) -> bool:
    return first is None or last is None or _key(first) <= _key(last)
