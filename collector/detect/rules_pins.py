"""Rules for pins that no key of ours ever matched: a wrong release, or a forged report."""

from __future__ import annotations

from collector.detect.cases import DAY, Case, Looked, is_forged_pins
from collector.detect.classes import covering
from collector.detect.judgement import Cause, Confidence, Judgement, evidence
from collector.detect.turns import has_new_keys
from collector.model import Hash
from collector.pins.model import matches

_UNCOVERED = 12  # installs of a release that no import covers
_ALONE = 0.9  # share of one version, from which on it is the one that is wrong


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
        if not same and has_new_keys(case) and not _is_alone(case, version):
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


def _is_alone(case: Case, version: str) -> bool:
    most, share = case.share(lambda one: one.seen.version)
    return most == version and share >= _ALONE and _has_history(case)


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
