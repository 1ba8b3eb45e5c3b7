"""Whether more clients of a host break than is usual: looked at each minute, host by host.

Pure: counts, what is known of the host, and a minute go in; a verdict and the state to store with that
minute come out. Source of the method: negative-binomial surprise over a seasonal baseline, as in the
surveillance of outbreaks (Noufaily et al. 2013; Hoehle & Paul 2008).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from collector.detect import drift
from collector.detect.cause_event import Change, Source, newest
from collector.detect.exposure import CATCH_UP, Gap
from collector.detect.gates import Facts, Held, bonus, held, is_ticket
from collector.detect.kinds import Severity
from collector.detect.memory import Memory
from collector.detect.resolve import (
    REOPEN_QUIETLY,
    Closed,
    Incident,
    Signs,
    follow,
    is_quiet_return,
    over,
)
from collector.detect.spike_state import NOTHING_KNOWN, Known, State, Verdict
from collector.detect.sudden import is_sudden
from collector.detect.surprise import WINDOWS_PRICE, surprise
from collector.detect.windows import WIDTHS

_SHARE = 0.02  # of the other classes, installs that are taken for self by mistake
_SUSPICIOUS = 4.0  # s from which nothing is learned
_LEAST_SHARE = 0.0002  # of the connections of an hour, that must fail where successes are known


def look(
    memory: Memory, state: State, facts: Facts, now: int, known: Known = NOTHING_KNOWN
) -> tuple[Verdict, State]:
    """Judge minute ``now``, of which all counts so far are in ``memory``.

    May be asked again for the same minute when more came; drift learns each minute once.
    """
    warmed = memory.go_to(now)
    change = newest(known.changes, now) if known.changes else None
    tau = None if change is None else change.at
    if memory.windows.since != state.restart:
        memory.windows.restart(state.restart)
    seen, usual = (0.0, 0.0) if warmed else (state.seen, state.expected)
    seen, usual = _learn(memory, state, seen, usual, change, known.gaps, now)
    g = drift.factor(seen, usual, cold=memory.baseline.cold)
    score, found = _best(memory, state, facts, known, change, g, now)
    suspicious = now if score > _SUSPICIOUS else state.suspicious_at
    verdict, state = _settle(memory, state, known, found, tau, g, now)
    return verdict, msgspec.structs.replace(
        state, evaluated_to=now, seen=seen, expected=usual, suspicious_at=suspicious
    )


class _Found(msgspec.Struct, frozen=True):
    """The most telling window."""

    severity: Severity | None
    score: float
    minutes: int
    count: int
    expected: float
    held: Held


def _best(
    memory: Memory,
    state: State,
    facts: Facts,
    known: Known,
    change: Change | None,
    g: float,
    now: int,
) -> tuple[float, _Found]:
    """The highest s, and the window that deserves most, of those the one with the highest S."""
    tau = None if change is None else change.at
    age = None if change is None else change.age(now)
    extra = bonus(facts, age, change is None or change.confirmed)
    baseline = memory.baseline
    opening = state.incident is None
    sudden: bool | None = None
    highest = -WINDOWS_PRICE
    best = _Found(None, highest + extra, WIDTHS[0], 0, 0.0, Held.USUAL)
    best_rank = (0, best.score)
    windows = memory.windows
    sums = [(width, windows.last(width, now)) for width in WIDTHS]
    if tau is not None:
        sums.append((now - tau + 1, windows.from_minute(tau)))
    for minutes, counted in sums:
        if not counted.own:
            continue
        # Before a known fix clients failed for a reason that is gone.
        count = counted.fresh if opening and known.fix is not None else counted.own
        start = max(now - minutes + 1, windows.since)
        expected = memory.expected(start, now + 1, tau, g, known.gaps) + _SHARE * counted.beside
        s = surprise(count, expected, memory.evidence, baseline.dispersion)
        total = s + extra
        changed = change is not None
        why = held(
            facts, total, count, counted.spread, expected, changed=changed, cold=baseline.cold
        )
        # What pages already is not doubted again.
        if why is Held.NOTHING and state.severity is not Severity.PAGE:
            if _is_small(known, count, minutes):
                why = Held.SUCCESSES
            else:
                if sudden is None:
                    sudden = _is_sudden(memory, facts, known, change, now)
                why = Held.SUDDEN if sudden else why
        severity = None
        if why is Held.NOTHING:
            severity = Severity.PAGE
        elif is_ticket(facts, total, count, expected, changed=changed):
            severity = Severity.TICKET
        highest = max(highest, s)
        rank = (severity.rank if severity else 0, total)
        if rank > best_rank:
            best_rank = rank
            best = _Found(severity, total, minutes, count, expected, why)
    return highest, best


def _is_small(known: Known, count: int, minutes: int) -> bool:
    """Whether too few fail against what connects well, as trusted keys count it."""
    if known.successes_60 is None:
        return False
    connected = known.successes_60 * min(max(minutes, WIDTHS[0]), 60) / 60
    return count < _LEAST_SHARE * (connected + count)


def _is_sudden(memory: Memory, facts: Facts, known: Known, change: Change | None, now: int) -> bool:
    """Only asked where made-up reports look like real ones, of a change that a probe timed."""
    if change is None or facts.checked or not facts.probed or change.source is not Source.PROBED:
        return False
    if any(ended > change.at for _, ended in known.gaps):
        return False  # nobody was there to see it begin
    return is_sudden(memory.windows, change, now)


def _learn(
    memory: Memory,
    state: State,
    seen: float,
    usual: float,
    change: Change | None,
    gaps: Sequence[Gap],
    now: int,
) -> tuple[float, float]:
    """A and B after the minutes since the last look, each an hour late, unless something is wrong."""
    if change is not None:
        return seen, usual
    if state.suspicious_at is not None and now - state.suspicious_at < drift.LAG:
        return seen, usual
    for at in range(max(state.evaluated_to, now - 1440) + 1 - drift.LAG, now + 1 - drift.LAG):
        if any(begun <= at < ended + CATCH_UP for begun, ended in gaps):
            continue
        rate = memory.usual.expected(at, at + 1)
        seen, usual = drift.learned(seen, usual, memory.windows.own_at(at), rate)
    return seen, usual


def _settle(
    memory: Memory,
    state: State,
    known: Known,
    found: _Found,
    tau: int | None,
    g: float,
    now: int,
) -> tuple[Verdict, State]:
    """Open, follow or resolve the incident."""
    incident, severity, quiet, closed = state.incident, state.severity, state.quiet, state.closed
    resolved = None
    if incident is None and found.severity is not None:
        incident = Incident(opened=now, tau=tau)
        quiet = closed is not None and now - closed.at < REOPEN_QUIETLY
    if incident is not None:
        if severity is None or (found.severity or severity).rank > severity.rank:
            severity = found.severity
        incident = msgspec.structs.replace(
            incident,
            tau=incident.tau if tau is None else tau,
            lead=known.lead or incident.lead,
        )
        quarter = memory.windows.last(15, now)
        last_15 = quarter.fresh if known.fix is not None else quarter.own
        quiet = quiet and is_quiet_return(closed, incident.tau, incident.lead, last_15)
        hour = memory.windows.last(60, now)
        start = max(now - 59, memory.windows.since)
        signs = Signs(
            fresh=hour.fresh if known.fix is not None else hour.own,
            count=hour.own,
            last_15=last_15,
            expected=memory.expected(start, now + 1, tau, g, known.gaps) + _SHARE * hour.beside,
            six_hours=memory.windows.last(360, now).own,
            usual_six_hours=memory.expected(
                max(now - 359, memory.windows.since), now + 1, tau, g, known.gaps
            ),
            fix=known.fix,
            successes=known.successes,
            usual=known.usual,
            retries=known.retries,
        )
        incident = follow(incident, signs, now)
        resolved = over(incident, signs, now)
    if incident is not None and resolved is not None:
        was_peak = closed.peak if quiet and closed is not None else 0
        closed = Closed(
            at=now,
            tau=incident.tau,
            lead=incident.lead,
            peak=max(incident.peak, was_peak),
            rule=resolved,
        )
        incident, severity, quiet = None, None, False
        state = msgspec.structs.replace(state, restart=now + 1)
    verdict = Verdict(
        severity=severity,
        quiet=quiet,
        score=found.score,
        minutes=found.minutes,
        count=found.count,
        expected=found.expected,
        held=found.held,
        tau=tau,
        resolved=resolved,
    )
    return verdict, msgspec.structs.replace(
        state, severity=severity, quiet=quiet, incident=incident, closed=closed
    )


def forged(state: State, now: int) -> State:
    """After somebody closed the spike as forged: no peak and no silent window are left of it."""
    return msgspec.structs.replace(
        state, restart=now + 1, severity=None, quiet=False, incident=None, closed=None
    )
