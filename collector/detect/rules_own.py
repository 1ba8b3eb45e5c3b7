"""Rules for chains whose leaf is ours: what did we change, or what did the client?

Each takes the case of those sightings alone and returns a judgement, or None where it does not apply.
"""

from __future__ import annotations

from datetime import datetime

from collector.detect.cases import Case, Looked, satisfies
from collector.detect.judgement import Cause, Confidence, Judgement, evidence
from collector.detect.rules_pins import forged_pins, wrong_pins
from collector.detect.served import RotationSource
from collector.detect.turns import (
    AFTER,
    BEFORE,
    digests,
    own_chain,
    rotation_before,
    served_now,
    valid_since,
)  # fmt: skip
from collector.model import Certificate, Kind
from collector.pins.model import matches
from collector.reports.certificates import facts

UNTRUSTED = (Kind.CHAIN_UNTRUSTED, Kind.EXPIRED, Kind.NOT_YET_VALID)
MOST = 0.9  # share of installs that makes it one platform's


def expired(case: Case) -> Judgement | None:
    """Our own certificate, or one that we serve above it, had expired when the report came in."""
    if case.kind not in UNTRUSTED:
        return None
    told, installs = None, set()
    for one in case.sightings:
        out = _expired(_own_path(case, one), one.seen.at)
        if out is not None:
            installs.add(one.seen.install)
            told = told or out
    if told is None:
        return None
    place, at = told
    return Judgement(
        Cause.EXPIRED_OR_CLOCK,
        Confidence.HIGH,
        evidence(expired="leaf" if place == 0 else "intermediate", not_after=at,
                 first_received=case.first_seen, installs=len(installs)),
        "own_certificate_expired",
    )  # fmt: skip


def _own_path(case: Case, one: Looked) -> tuple[Certificate, ...]:
    if one.look is not None and one.look.path:
        return one.look.path
    return next((chain.chain for chain in case.served_with(one.leaf)), ())


def _expired(path: tuple[Certificate, ...], at: datetime) -> tuple[int, datetime] | None:
    for place, certificate in enumerate(path):
        told = facts(certificate.der)
        if told.not_after is not None and told.not_after < at and not told.self_signed:
            return place, told.not_after
    return None


def untrusted_here_only(case: Case) -> Judgement | None:
    """Our valid chain, and many clients of one platform do not trust it: they build another path."""
    platform, share = case.share(lambda one: one.seen.platform)
    if case.kind is not Kind.CHAIN_UNTRUSTED or not case.reach.is_many() or share < MOST:
        return None
    return Judgement(
        Cause.PATH_BUILDING,
        Confidence.MEDIUM,
        evidence(leaf="ours, and valid", platform=platform, installs=case.reach.installs,
                 networks=case.reach.networks, missing="a root, or an intermediate that is not served"),
        "untrusted_path",
    )  # fmt: skip


def device_clock(case: Case) -> Judgement | None:
    """Our leaf, valid when the report came in, and few clients that do not trust it."""
    if case.kind not in UNTRUSTED:
        return None
    return Judgement(
        Cause.EXPIRED_OR_CLOCK,
        Confidence.MEDIUM,
        evidence(leaf="ours, and valid when received", installs=case.reach.installs),
        "device_clock",
    )


def other_host(case: Case) -> Judgement | None:
    """The leaf of another host of ours: a wrong name in DNS, or a wrong environment."""
    hosts = {one.known.host for one in case.sightings if one.known is not None}
    if not hosts or None in hosts or case.host in hosts:
        return None
    return Judgement(
        Cause.WRONG_ENVIRONMENT,
        Confidence.HIGH,
        evidence(serves_leaf_of=", ".join(sorted(str(host) for host in hosts)),
                 installs=case.reach.installs, networks=case.reach.networks),
        "other_host",
    )  # fmt: skip


def old_node(case: Case) -> Judgement | None:
    """A leaf that was replaced, long before its first report: one node, or one region, still has it."""
    chain, now = own_chain(case), served_now(case)
    ended = [r.at for r in case.around.rotations if digests(case.leaves) & r.old_leaves]
    if chain is not None and now is not None and chain.last_seen <= now.last_seen - BEFORE:
        ended.append(chain.last_seen)
    if not ended or (chain is not None and chain is now) or max(ended) > case.onset - BEFORE:
        return None
    return Judgement(
        Cause.WRONG_ENVIRONMENT,
        Confidence.MEDIUM,
        evidence(leaf="one that was replaced", replaced_at=max(ended), first_received=case.onset,
                 installs=case.reach.installs, networks=case.reach.networks),
        "old_node",
    )  # fmt: skip


def other_path(case: Case) -> Judgement | None:
    """Pins match what we serve, and not the path that the client built over the same leaf."""
    installs, places, root_only = set(), set(), True
    for one in case.sightings:
        if one.look is None or not one.seen.pins or satisfies(one.look, one.seen.pins):
            continue
        for chain in case.served_with(one.leaf):
            full = case.full(chain)
            found = [match.place for match in matches(one.seen.pins, full)]
            if found:
                installs.add(one.seen.install)
                places.update(found)
                root_only &= min(found) >= len(one.look.path) and one.seen.platform == "ANDROID"
    if not installs or 2 * len(installs) < case.reach.installs:
        return None
    platform, share = case.share(lambda one: one.seen.platform)
    version, of_version = case.share(lambda one: one.seen.version)
    alone = evidence(
        platform=f"{platform} ({share:.0%})", app_version=f"{version} ({of_version:.0%})"
    )
    # Android ends its chains below the root: that it is not there says nothing by itself.
    return Judgement(
        Cause.PATH_BUILDING,
        Confidence.MEDIUM if root_only else Confidence.HIGH,
        (
            *evidence(leaf="ours", pins_match_at=_place(min(places), case),
                      served="as before" if rotation_before(case) is None else "since a rotation",
                      installs=len(installs)),
            *alone,
        ),
        "other_path",
    )  # fmt: skip


def _place(place: int, case: Case) -> str:
    chain = own_chain(case)
    length = len(case.full(chain)) if chain else 0
    names = {0: "our leaf", max(length - 1, 1): "the root of our full path"}
    return names.get(place, "an intermediate of our full path")


def issuer_change(case: Case) -> Judgement | None:
    """The authority above our leaf is one that this host did not have before; nobody declared that."""
    chain, rotation = own_chain(case), rotation_before(case)
    if chain is None or len(chain.chain) < 2:
        return None
    if rotation is not None and RotationSource.DECLARED in rotation.sources:
        return None
    before = [c for c in case.around.served if c.first_seen < chain.first_seen and len(c.chain) > 1]
    now, issuers = chain.chain[1].spki_sha256, {c.chain[1].spki_sha256 for c in before}
    if (
        not issuers
        or now in issuers
        or not chain.first_seen - BEFORE <= case.onset <= chain.first_seen + AFTER
    ):
        return None
    last = max(before, key=lambda c: c.last_seen)
    return Judgement(
        Cause.ISSUER_CHANGE,
        Confidence.HIGH if case.reach.is_many() else Confidence.MEDIUM,
        evidence(issuer=facts(chain.chain[1].der).subject, issuer_before=facts(last.chain[1].der).subject,
                 served_since=chain.first_seen, first_received=case.onset,
                 installs=case.reach.installs, networks=case.reach.networks),
        "issuer_change",
    )  # fmt: skip


def own_rotation(case: Case) -> Judgement | None:
    """Clients began to fail after we served other keys."""
    rotation, chain = rotation_before(case), own_chain(case)
    at = rotation.at if rotation else None
    source = ", ".join(rotation.sources) if rotation else None
    old = [c for c in case.around.served if chain is not None and c.first_seen < chain.first_seen
           and c.leaf.spki_sha256 != chain.leaf.spki_sha256]  # fmt: skip
    pinned_old = any(matches(one.seen.pins, case.full(c)) for c in old for one in case.sightings)
    if at is None and chain is not None and old and (
        chain.first_seen - BEFORE <= case.onset <= chain.first_seen + AFTER or pinned_old
    ):  # fmt: skip
        at, source = chain.first_seen, "the served chain changed"
    if at is None:
        started = valid_since(case, chain)
        if (
            started is not None
            and started <= case.onset <= started + AFTER
            and case.reach.is_many()
        ):
            at, source = started, "the leaf is new"
    if at is None:
        return None
    return Judgement(
        Cause.OWN_ROTATION,
        Confidence.HIGH if case.reach.is_many() else Confidence.MEDIUM,
        evidence(rotated_at=at, told_by=source, first_received=case.onset, installs=case.reach.installs,
                 networks=case.reach.networks, pins_match="what was served before" if pinned_old else None),
        "own_rotation",
    )  # fmt: skip


def ours_all_the_same(case: Case) -> Judgement | None:
    """Our own chain, and nothing says why it fails: never called interception."""
    known = case.sightings[0].known
    return Judgement(
        Cause.UNKNOWN,
        Confidence.LOW,
        evidence(leaf=f"ours ({known.how})" if known else "ours", installs=case.reach.installs,
                 networks=case.reach.networks),
        "own_chain",
    )  # fmt: skip


OWN = (
    expired, untrusted_here_only, device_clock, other_host, old_node, other_path, wrong_pins, forged_pins,
    issuer_change, own_rotation, ours_all_the_same,
)  # fmt: skip
