"""Cause of a signature: an ordered list of rules over a case, the first that applies decides."""

from __future__ import annotations

from collector.detect.cases import Case, Looked
from collector.detect.classes import Class
from collector.detect.judgement import Cause, Confidence, Evidence, Judgement
from collector.detect.rules_other import FIRST, OTHER, contradiction
from collector.detect.rules_own import OWN

__all__ = ["Cause", "Confidence", "Evidence", "Judgement", "judge", "judged_class"]


def judge(case: Case) -> Judgement:
    """The same for the same sightings in any order.

    What is no client's word (tests, web pages) goes first, then what contradicts itself. Of the rest
    those decide whose leaf is ours, if they are at least as many as the others: who sends us a chain of
    his own beside them does not turn our break into interception.
    """
    for rule in FIRST:
        said = rule(case)
        if said is not None:
            return said
    sound = case.of(lambda one: _is_client(one) and contradiction(one, case.kind) is None)
    case = sound if sound.sightings else case
    own = case.of(lambda one: one.class_ is Class.SELF)
    other = case.of(lambda one: one.class_ is not Class.SELF)
    ours = own.reach.installs >= max(other.reach.installs, 1)
    judged, rules = (own, OWN) if ours else (other, OTHER)
    for rule in rules:
        said = rule(judged)
        if said is not None:
            return said
    raise AssertionError("the last rule of each list always applies")


def judged_class(judgement: Judgement, case: Case) -> Class:
    """The class that most installs of a case have; the one that its label was judged in."""
    if judgement.label is Cause.INTERCEPTION:
        return Class.INTERCEPTION
    most, _ = case.share(lambda one: one.class_)
    return Class(str(most)) if most else Class.UNKNOWN


def _is_client(one: Looked) -> bool:
    return not one.seen.test and not one.seen.browser and one.seen.environment != "debug"
