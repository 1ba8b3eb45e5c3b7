"""The sentence that on-call reads: numbers that a person can check, no odds that nobody can believe."""

from __future__ import annotations

from datetime import timedelta

from collector.detect.cause_event import Source
from collector.detect.spike_state import Verdict

_WORST_LEAD = 100  # characters of what reports name: a platform and a version
_CHANGED = {
    Source.DECLARED: "the declared rotation",
    Source.PROBED: "the served chain changed",
    Source.OBSERVED: "clients reported a new leaf",
    Source.PIN_PUSH: "new pins were pushed",
    Source.NEW_VERSION: "a new app version appeared",
}


def spike(
    verdict: Verdict,
    now: int,
    *,
    chains: bool,
    third_party: bool = False,
    source: Source | None = None,
    lead: str = "",
    share: float = 0.0,
) -> str:
    """One sentence of a spike at minute ``now`` (since 1970).

    chains: clients tell which chain they saw. third_party: the host is somebody else's. lead: what most
    of the installs have in common, such as "Android 8.24.1", from reports; share: their part, 0 to 1.
    source: of the change at ``tau``.
    """
    whose = "a third party's" if third_party else "our"
    against = f"against {whose} own chain " if chains else ""
    most = f" ({100 * share:.0f} % {named(lead)})" if lead and share > 0 else ""
    since = ""
    if verdict.tau is not None and source is not None:
        since = f"; {minutes(now - verdict.tau)} after {_CHANGED[source]}"
    return (
        f"{installs(verdict.count)} failed pinning {against}in the last {minutes(verdict.minutes)}"
        f"{most}; {expected(verdict.expected)} expected{since}."
    )


def named(text: str) -> str:
    """A name from reports, on one line and short; what could steer a terminal or turn the direction of
    writing is replaced."""
    told = "".join(sign if sign.isprintable() else "\ufffd" for sign in text[: _WORST_LEAD + 1])
    return told if len(told) <= _WORST_LEAD else told[: _WORST_LEAD - 1] + "…"


def installs(count: int) -> str:
    return "1 new install" if count == 1 else f"{count:,} new installs"


def expected(mean: float) -> str:
    if mean < 0.1:
        return "none"
    return f"about {mean:.1f}" if mean < 10 else f"about {mean:,.0f}"


def minutes(count: int) -> str:
    """5 min, 6 h, 3 d: the largest unit of which there are two, or a whole one."""
    if count < 120 and count != 60:
        return f"{count} min"
    if count < 48 * 60:
        return f"{count // 60} h"
    return f"{count // 1440} d"


def span(time: timedelta) -> str:
    return minutes(max(0, int(time.total_seconds() // 60)))


def odds(score: float) -> str:
    """score: -log10 of a probability. Beyond a million no model of the world holds."""
    if score >= 6:
        return "less than one in a million"
    if score < 1:
        return "not unusual"
    return f"about one in {10 ** int(score):,}"
