"""What a cause is worth: the one table of severities."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collector.detect.cases import Reach
from collector.detect.classes import Class
from collector.detect.judgement import Cause, Judgement


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"
    NONE = "none"


class Audience(StrEnum):
    ONCALL = "oncall"
    SECURITY = "security"


@dataclass(frozen=True, slots=True)
class Gate:
    """What must be reached first. ``spike``: the test of surprise has to say so, of class ``spike``;
    the other ones are numbers of distinct ones, of the signature."""

    spike: Class | None = None
    installs: int = 0
    networks: int = 0
    operator_networks: int = 0

    def is_open(self, reach: Reach, spikes: frozenset[Class] = frozenset()) -> bool:
        return (
            (self.spike is None or self.spike in spikes)
            and reach.installs >= self.installs
            and reach.networks >= self.networks
            and reach.operator_networks >= self.operator_networks
        )


@dataclass(frozen=True, slots=True)
class Row:
    """``rule``: of the judgement; "" is any."""

    cause: Cause
    rule: str
    class_: Class | None
    gate: Gate
    severity: Severity
    audience: Audience = Audience.ONCALL


_SELF, _UNKNOWN = Gate(spike=Class.SELF), Gate(spike=Class.UNKNOWN)
_NEVER = Gate()
_SECURITY = Audience.SECURITY
PAGE, TICKET, NONE = Severity.PAGE, Severity.TICKET, Severity.NONE
# fmt: off
TABLE = (  # the first row that fits
    Row(Cause.OWN_ROTATION, "", Class.SELF, _SELF, PAGE),
    Row(Cause.ISSUER_CHANGE, "", Class.SELF, _SELF, PAGE),
    Row(Cause.PATH_BUILDING, "untrusted_path", Class.SELF, Gate(installs=20, networks=10), PAGE),
    Row(Cause.PATH_BUILDING, "", Class.SELF, _SELF, PAGE),
    Row(Cause.WRONG_PINS, "agreed", Class.SELF, Gate(spike=Class.SELF, installs=20, networks=10), PAGE),
    Row(Cause.WRONG_PINS, "not_imported", Class.SELF, Gate(spike=Class.SELF, installs=12), PAGE),
    Row(Cause.EXPIRED_OR_CLOCK, "own_certificate_expired", None, Gate(installs=3, networks=3), PAGE),
    Row(Cause.EXPIRED_OR_CLOCK, "device_clock", None, _NEVER, NONE),
    Row(Cause.WRONG_ENVIRONMENT, "", Class.SELF, _SELF, PAGE),
    Row(Cause.WRONG_ENVIRONMENT, "", Class.UNKNOWN, _UNKNOWN, TICKET),
    Row(Cause.MISISSUANCE_SUSPECTED, "", None, Gate(installs=3, operator_networks=3), PAGE, _SECURITY),
    Row(Cause.INTERCEPTION, "", None, Gate(spike=Class.INTERCEPTION), TICKET, _SECURITY),
    Row(Cause.TEST_TRAFFIC, "", None, _NEVER, NONE),
    Row(Cause.BROWSER_SENT, "", None, _NEVER, NONE),
    Row(Cause.FORGED_OR_BROKEN, "", None, _NEVER, NONE),
    Row(Cause.UNKNOWN, "new_public_key", None, Gate(installs=3, operator_networks=3), TICKET, _SECURITY),
    Row(Cause.UNKNOWN, "", Class.SELF, Gate(spike=Class.SELF), TICKET),
    Row(Cause.UNKNOWN, "", None, _UNKNOWN, TICKET),
)
# fmt: on


def row_of(judgement: Judgement) -> Row:
    """What applies. A label that does not belong to its class makes a ticket."""
    for row in TABLE:
        if (
            row.cause is judgement.label
            and row.rule in ("", judgement.rule)
            and row.class_ in (None, judgement.class_)
        ):
            return row
    gate = Gate(spike=judgement.class_)
    return Row(judgement.label, judgement.rule, judgement.class_, gate, TICKET)
