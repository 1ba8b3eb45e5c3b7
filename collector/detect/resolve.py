"""When a spike is over: naive silence is not, since a client tells of the same fault once a day."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

_QUIET_FOR = 30  # minutes
_SETTLED = 30  # minutes that a fix has to be old
_RETRIES_LOW_FOR = 60
_SILENT_FOR = 26 * 60  # longer than the day after which an install tells again
BACK, DOWN = 0.95, 0.90  # of the expected successes
_SUCCESSES = 1000  # expected ones: with fewer, 95 % and 90 % are told apart by chance
_DOWN_FOR = 20  # minutes
_SIGMAS = 4  # that successes were missing, so that a small host was not down by chance
_FELL = 0.25  # of the peak: failures a quarter of an hour, where others' counts say that it is over
_RETRIES = 0.05  # of the peak
_RETRIES_TELL = 100  # at the peak, under which a few less are chance
REOPEN_QUIETLY = 1440  # minutes after a resolve
_LOUD = 0.20  # of the peak, in 15 minutes
REACH_AGAIN = 5  # times the reach that somebody acknowledged


class Rule(StrEnum):
    FIXED = "fixed"  # R1
    SUCCESSES = "successes"  # R2
    RETRIES = "retries"  # R3
    QUIET = "quiet"  # R4


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A spike while it is open. Minutes since 1970.

    tau: of the newest change that it followed; lead: the leaf and app version that most of it names.
    peak: the most that ``n_60`` was; peak_retries: the same of failures of clients that tell each time.
    quiet_since, back_since, retries_low_since: since when that holds, None: it does not; silent_since:
    the same for six hours, by which a small host is judged, whose broken clients tell once a day and
    never many in one hour. down_since: successes are under 90 % of what was expected, and by more than
    chance; was_down: they were for 20 minutes.
    """

    opened: int
    tau: int | None
    lead: str = ""
    peak: int = 0
    peak_retries: float = 0.0
    quiet_since: int | None = None
    silent_since: int | None = None
    back_since: int | None = None
    retries_low_since: int | None = None
    down_since: int | None = None
    was_down: bool = False


class Signs(msgspec.Struct, frozen=True, kw_only=True):
    """What an open spike is judged by, at one minute.

    fresh: n_60, without reports of before the known fix; count: with them; last_15: n_15, without;
    expected: M_60; six_hours, usual_six_hours: n_360 and M_360. fix: the minute of it, declared or seen
    by a probe. successes, usual: of the affected segments over the last 10 minutes (30 on a small
    host) and what was expected of them, from trusted keys only. retries: failures of 15 minutes of
    clients that do not de-duplicate, scaled by the hour of the day, from trusted keys only; None: there
    are no such clients.
    """

    fresh: int
    count: int
    last_15: int
    expected: float
    six_hours: int
    usual_six_hours: float
    fix: int | None = None
    successes: int | None = None
    usual: float = 0.0
    retries: float | None = None


def follow(incident: Incident, signs: Signs, now: int) -> Incident:
    """The incident after one more minute."""
    peak = max(incident.peak, signs.count)
    is_quiet = signs.fresh < max(5.0, 3 * signs.expected, 0.02 * peak)
    is_silent = is_quiet and signs.six_hours < max(5.0, 3 * signs.usual_six_hours)
    told = signs.successes is not None and signs.usual >= _SUCCESSES
    share = signs.successes / signs.usual if told and signs.successes is not None else None
    missing = 0.0 if share is None else (1 - share) * signs.usual
    is_down = missing > max((1 - DOWN) * signs.usual, _SIGMAS * math.sqrt(signs.usual))
    down_since = _since(incident.down_since, is_down, now)
    peak_retries = max(incident.peak_retries, signs.retries or 0.0)
    is_low = (
        signs.retries is not None
        and peak_retries >= _RETRIES_TELL
        and (signs.retries <= _RETRIES * peak_retries)
    )
    return Incident(
        opened=incident.opened,
        tau=incident.tau,
        lead=incident.lead,
        peak=peak,
        peak_retries=peak_retries,
        quiet_since=_since(incident.quiet_since, is_quiet, now),
        silent_since=_since(incident.silent_since, is_silent, now),
        back_since=_since(incident.back_since, share is not None and share >= BACK, now),
        retries_low_since=_since(incident.retries_low_since, is_low, now),
        down_since=down_since,
        was_down=incident.was_down or _lasts(down_since, now, _DOWN_FOR),
    )


def over(incident: Incident, signs: Signs, now: int) -> Rule | None:
    """Which rule ends it, if one does."""
    fix = signs.fix
    if (
        fix is not None
        and fix >= incident.opened - _SILENT_FOR
        and now - fix >= _SETTLED
        and _lasts(incident.quiet_since, now, _QUIET_FOR)
    ):
        return Rule.FIXED
    fell = 4 * signs.last_15 <= _FELL * incident.peak
    if incident.was_down and fell and _lasts(incident.back_since, now, _QUIET_FOR):
        return Rule.SUCCESSES
    if fell and _lasts(incident.retries_low_since, now, _RETRIES_LOW_FOR):
        return Rule.RETRIES
    if _lasts(incident.silent_since, now, _SILENT_FOR):
        return Rule.QUIET
    return None


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of the last spike: so that the same cause does not page twice."""

    at: int
    tau: int | None
    lead: str
    peak: int
    rule: Rule


def is_quiet_return(closed: Closed | None, tau: int | None, lead: str, last_15: int) -> bool:
    """Whether a spike that opened soon after a resolve is the old one, and nobody needs to hear of it."""
    return (
        closed is not None
        and tau in (closed.tau, None)
        and lead == closed.lead
        and last_15 < _LOUD * closed.peak
    )


def _since(since: int | None, holds: bool, now: int) -> int | None:
    if not holds:
        return None
    return now if since is None else since


def _lasts(since: int | None, now: int, minutes: int) -> bool:
    return since is not None and now - since >= minutes
