"""Cause of a signature: an ordered list of rules over a case, the first that applies decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from collector.detect.cases import DAY, Case, Looked
from collector.detect.classes import Class
from collector.detect.judgement import Cause, Confidence, Evidence, Judgement, evidence
from collector.detect.rules_other import FIRST, OTHER, contradiction, misissuance
from collector.detect.rules_own import OWN

__all__ = ["Cause", "Confidence", "Evidence", "Judgement", "judge"]


def judge(case: Case) -> Judgement:
    """The same for the same sightings in any order.

    What is no client's word (tests, web pages) goes first, then what contradicts itself. Of the rest
    those decide whose leaf is ours, if they are many, or at least as many as the others: who sends us a
    chain of his own beside them does not turn our break into interception. A leaf that may be
    mis-issued has the authorities of ours, and so the signature of ours: it decides unless ours is
    failing at many right now, and is told in any case.
    """
    for rule in FIRST:
        said = rule(case)
        if said is not None:
            return said
    sound = case.of(lambda one: _is_client(one) and contradiction(one, case.kind) is None)
    case = sound if sound.sightings else case
    own = case.of(lambda one: one.class_ is Class.SELF)
    other = case.of(lambda one: one.class_ is not Class.SELF)
    ours = own.reach.installs >= max(other.reach.installs, 1) or own.reach.is_many()
    strange = misissuance(other) if other.sightings else None
    suspect = strange if strange and strange.label is Cause.MISISSUANCE_SUSPECTED else None
    if not ours:
        said = _first(OTHER, other)
        is_caught = said.label is Cause.INTERCEPTION
        return replace(said, class_=Class.INTERCEPTION if is_caught else Class.UNKNOWN)
    if suspect is not None and not _lately(own).reach.is_many():
        return suspect
    said = replace(_first(OWN, _leading(own)), class_=Class.SELF)
    if suspect is None:
        return said
    beside = evidence(
        beside=f"a public key that no probe shows, at {other.reach.installs} installs"
    )
    return replace(said, evidence=(*said.evidence, *beside))


def _first(rules: Sequence[Callable[[Case], Judgement | None]], case: Case) -> Judgement:
    said = next((said for rule in rules if (said := rule(case)) is not None), None)
    assert said is not None, "the last rule of each list always applies"
    return said


def _lately(case: Case) -> Case:
    return case.of(lambda one: one.seen.at > case.last_seen - DAY)


def _leading(own: Case) -> Case:
    """The leaf that most installs were shown of late: what failed at another one before began earlier,
    and for another reason."""
    leaf, _ = _lately(own).share(lambda one: _key(own, one))
    return own.of(lambda one: _key(own, one) == leaf)


def _key(case: Case, one: Looked) -> bytes:
    """Of a leaf, by whichever hash a report names it."""
    if one.leaf is None:
        return b""
    served = case.served_with(one.leaf)
    return served[0].leaf.spki_sha256 if served else one.leaf.digest


def _is_client(one: Looked) -> bool:
    return not one.seen.test and not one.seen.browser and one.seen.environment != "debug"
