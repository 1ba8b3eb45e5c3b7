"""Rules for chains whose leaf is ours: what did we change, or what did the client?

Each takes the case of those sightings alone and returns a judgement, or None where it does not apply.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from collector.detect.cases import DAY, Case, Looked, is_forged_pins, satisfies
from collector.detect.classes import covering
from collector.detect.judgement import Cause, Confidence, Judgement, evidence
from collector.detect.served import Rotation, RotationSource, ServedChain
from collector.model import Certificate, Hash, Kind
from collector.pins.model import matches
from collector.reports.certificates import facts

UNTRUSTED = (Kind.CHAIN_UNTRUSTED, Kind.EXPIRED, Kind.NOT_YET_VALID)
_BEFORE = timedelta(hours=1)  # that reports may precede what a probe sees of a rotation
_AFTER = timedelta(days=7)  # that they may follow: iOS sends them when it likes
_UNCOVERED = 12  # installs of a release that no import covers
_MOST = 0.9


def served_now(case: Case) -> ServedChain | None:
    return max(case.around.served, key=lambda c: (c.last_seen, c.first_seen), default=None)


def own_chain(case: Case) -> ServedChain | None:
    """The chain that this host serves, or served, with the leaf that is reported."""
    found = [c for leaf in case.leaves for c in case.served_with(leaf)]
    return max(found, key=lambda c: c.last_seen, default=None)


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
    if case.kind is not Kind.CHAIN_UNTRUSTED or not case.reach.is_many() or share < _MOST:
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
    ended = [r.at for r in case.around.rotations if _digests(case.leaves) & r.old_leaves]
    if chain is not None and now is not None and chain.last_seen <= now.last_seen - _BEFORE:
        ended.append(chain.last_seen)
    if not ended or (chain is not None and chain is now) or max(ended) > case.onset - _BEFORE:
        return None
    return Judgement(
        Cause.WRONG_ENVIRONMENT,
        Confidence.MEDIUM,
        evidence(leaf="one that was replaced", replaced_at=max(ended), first_received=case.onset,
                 installs=case.reach.installs, networks=case.reach.networks),
        "old_node",
    )  # fmt: skip


def _digests(leaves: tuple[Hash, ...]) -> frozenset[bytes]:
    return frozenset(leaf.digest for leaf in leaves if leaf.kind == "sha256")


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
                      served="as before" if _rotation(case) is None else "since a rotation",
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


def wrong_pins(case: Case) -> Judgement | None:
    """One release, many installs of it agree on pins, and no key that we ever served is among them."""
    found = None
    for app, version, pins in sorted({_release(one) for one in case.sightings}):
        some = case.of(lambda one, what=(app, version, pins): _release(one) == what)  # type: ignore[misc]
        if not pins or ever_matched(case, pins) or not version:
            continue
        shipped = covering(case.around.registry, app, version, some.sightings[0].seen.platform)
        uncovered = bool(case.around.registry) and not shipped
        agreed = some.reach.is_many()
        if not agreed and not (uncovered and some.reach.installs >= _UNCOVERED):
            continue
        if 2 * some.reach.installs < case.reach.installs:
            continue
        same = shipped and not is_forged_pins(some.sightings[0], case.around.registry)
        if not same and _has_new_keys(case) and not _is_alone(case, version):
            continue
        rule = "agreed" if agreed else "not_imported"
        found = Judgement(
            Cause.WRONG_PINS,
            Confidence.HIGH if same or (agreed and _has_history(case)) else Confidence.MEDIUM,
            evidence(app=app, app_version=version, installs=some.reach.installs,
                     networks=some.reach.networks, pins_match="nothing that was ever served",
                     registry="ships these very pins" if same else
                     "does not cover this version" if uncovered else
                     "has other pins for it" if shipped else None),
            rule,
        )  # fmt: skip
    return found


def _release(one: Looked) -> tuple[str, str, tuple[Hash, ...]]:
    return one.seen.app, one.seen.version, one.seen.pins


def _has_new_keys(case: Case) -> bool:
    """Whether pins may be right, and match what we do not serve any more."""
    started = _valid_since(case, own_chain(case))
    is_new = started is not None and started <= case.onset <= started + _AFTER
    return is_new or _rotation(case) is not None


def _is_alone(case: Case, version: str) -> bool:
    most, share = case.share(lambda one: one.seen.version)
    return most == version and share >= _MOST and _has_history(case)


def _has_history(case: Case) -> bool:
    """Whether we know what was served before: else pins may match a key that nobody told us of."""
    early = [c for c in case.around.served if c.first_seen <= case.onset - DAY]
    return bool(early) or any(r.old_leaves for r in case.around.rotations)


def ever_matched(case: Case, pins: tuple[Hash, ...]) -> bool:
    if any(matches(pins, case.full(chain)) for chain in case.around.served):
        return True
    told = {pin.digest for pin in pins if pin.kind == "sha256"}
    leaves = [r.old_leaves | r.new_leaves for r in case.around.rotations]
    return any(told & some for some in leaves) or any(
        pin in case.around.known.leaves
        and any(known.host in (None, case.host) for known in case.around.known.leaves[pin])
        for pin in pins
    )


def forged_pins(case: Case) -> Judgement | None:
    """A release is named that ships other pins, and too few agree on these."""
    some = case.of(lambda one: is_forged_pins(one, case.around.registry))
    if not some.sightings or 2 * some.reach.installs < case.reach.installs:
        return None
    return Judgement(
        Cause.UNKNOWN,
        Confidence.MEDIUM,
        evidence(leaf="ours", pins="other ones than this version ships",
                 app_version=some.share(lambda one: one.seen.version)[0], installs=some.reach.installs),
        "pins_not_shipped",
    )  # fmt: skip


def _rotation(case: Case) -> Rotation | None:
    """The rotation that the first report follows."""
    told = [
        r
        for r in case.around.rotations
        if r.at - _BEFORE <= case.onset <= r.at + _AFTER
        and (not r.new_leaves or _digests(case.leaves) & r.new_leaves or _only_sha1(case.leaves))
    ]
    return max(told, key=lambda r: r.at, default=None)


def _only_sha1(leaves: tuple[Hash, ...]) -> bool:
    return all(leaf.kind != "sha256" for leaf in leaves)


def issuer_change(case: Case) -> Judgement | None:
    """The authority above our leaf is one that this host did not have before; nobody declared that."""
    chain, rotation = own_chain(case), _rotation(case)
    if chain is None or len(chain.chain) < 2:
        return None
    if rotation is not None and RotationSource.DECLARED in rotation.sources:
        return None
    before = [c for c in case.around.served if c.first_seen < chain.first_seen and len(c.chain) > 1]
    now, issuers = chain.chain[1].spki_sha256, {c.chain[1].spki_sha256 for c in before}
    if (
        not issuers
        or now in issuers
        or not chain.first_seen - _BEFORE <= case.onset <= chain.first_seen + _AFTER
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
    rotation, chain = _rotation(case), own_chain(case)
    at = rotation.at if rotation else None
    source = ", ".join(rotation.sources) if rotation else None
    old = [c for c in case.around.served if chain is not None and c.first_seen < chain.first_seen
           and c.leaf.spki_sha256 != chain.leaf.spki_sha256]  # fmt: skip
    pinned_old = any(matches(one.seen.pins, case.full(c)) for c in old for one in case.sightings)
    if at is None and chain is not None and old and (
        chain.first_seen - _BEFORE <= case.onset <= chain.first_seen + _AFTER or pinned_old
    ):  # fmt: skip
        at, source = chain.first_seen, "the served chain changed"
    if at is None:
        started = _valid_since(case, chain)
        if (
            started is not None
            and started <= case.onset <= started + _AFTER
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


def _valid_since(case: Case, chain: ServedChain | None) -> datetime | None:
    paths = [look.path for look in case.looks if look.path] + ([chain.chain] if chain else [])
    return facts(paths[0][0].der).not_before if paths else None


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
