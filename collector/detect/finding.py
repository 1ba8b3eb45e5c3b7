"""What a rule finds wrong with a host at one time: the input of an alert's life."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from collector.detect.kinds import Severity
from collector.detect.spike_state import Verdict


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What an alert was about when a person looked at it. reach: installs."""

    tau: datetime | None
    lead: str
    reach: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the rule of an alert says now.

    severity None: nothing is wrong. summary: the sentence for on-call. cause: its label; tau: the
    change it followed; lead: the leaf and app version that most of it names. quiet: it is an old one
    again, which nobody needs to hear of. pending: it may be, and a proof is under way.
    """

    severity: Severity | None
    summary: str = ""
    cause: str = ""
    tau: datetime | None = None
    lead: str = ""
    reach: int = 0
    quiet: bool = False
    pending: bool = False

    @property
    def mark(self) -> Mark:
        return Mark(tau=self.tau, lead=self.lead, reach=self.reach)


NOTHING = Finding(severity=None)


def of_spike(verdict: Verdict, *, cause: str, lead: str, reach: int, summary: str) -> Finding:
    """What a verdict of the detector means to an alert. reach: installs since it began."""
    if verdict.severity is None:
        return NOTHING
    tau = None if verdict.tau is None else datetime.fromtimestamp(60 * verdict.tau, UTC)
    return Finding(
        severity=verdict.severity,
        summary=summary,
        cause=cause,
        tau=tau,
        lead=lead,
        reach=reach,
        quiet=verdict.quiet,
    )
