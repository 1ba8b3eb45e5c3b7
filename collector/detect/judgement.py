"""What a rule says of a case: a label, how sure it is, and the facts that a person can check."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from collector.detect.classes import Class

_WORST = 200  # characters of a value


class Cause(StrEnum):
    """Why pins failed."""

    OWN_ROTATION = "own_rotation"
    ISSUER_CHANGE = "issuer_change"
    PATH_BUILDING = "path_building"
    WRONG_PINS = "wrong_pins"
    EXPIRED_OR_CLOCK = "expired_or_clock"
    WRONG_ENVIRONMENT = "wrong_environment"
    MISISSUANCE_SUSPECTED = "misissuance_suspected"
    INTERCEPTION = "interception"
    TEST_TRAFFIC = "test_traffic"
    BROWSER_SENT = "browser_sent"
    FORGED_OR_BROKEN = "forged_or_broken"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact. Values may hold names from reports: bounded here, escaped where they are shown."""

    fact: str
    value: str


PRIVATE_FACTS = frozenset(
    {"root", "leaf_names"}
)  # names of private issuers: for operators, not channels
# Facts that are our own words, or hosts of ours; values of all others may be words of reports.
OWN_FACTS = frozenset({"advice", "contradiction", "host", "serves_leaf_of"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """``rule``: the one that fired, where a label has several (``severity`` tells them apart).
    ``class_``: of the reports that it was judged by."""

    label: Cause
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    rule: str = ""
    class_: Class = Class.UNKNOWN


def evidence(**facts: object) -> tuple[Evidence, ...]:
    """In the order given; what is None or "" is left out."""
    return tuple(
        Evidence(fact, _text(value)) for fact, value in facts.items() if value not in (None, "")
    )


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = "".join(c if c.isprintable() else "\ufffd" for c in str(value))
    return text if len(text) <= _WORST else text[: _WORST - 1] + "…"
