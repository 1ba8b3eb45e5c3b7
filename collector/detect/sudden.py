"""Whether failures began long after a change, out of nothing: a rollout has steps, a forger has none.

Only asked of hosts on which made-up reports cannot be told from real ones (no registry of pin sets),
after a change that a probe timed. Held back are those that began half an hour or more after it, with
less than a tenth of their pace before, until they went on for two hours.
"""

from __future__ import annotations

import math

from collector.detect.cause_event import Change
from collector.detect.windows import Windows

_AFTER = 30  # minutes in which most rollouts show themselves
_STEP = 0.1  # of the pace: from 1 % to 10 %, from 10 % to all
_SIGMAS = 3.0
_BELIEVED = 120  # minutes


def is_sudden(windows: Windows, change: Change, now: int) -> bool:
    """Of the installs since the change, find the minute at which their pace changed most, and compare
    before with after it."""
    start = change.at
    if change.age(now) < _AFTER or windows.since > start:  # what was resolved has shown itself
        return False
    entries = [(minute.at, minute.own) for minute in windows.between(start, now + 1) if minute.own]
    total = sum(own for _, own in entries)
    best, onset, before = 0.0, start, 0
    seen = 0
    for at, own in entries:
        gain = _gain(seen, at - start, total - seen, now + 1 - at)
        if gain > best:
            best, onset, before = gain, at, seen
        seen += own
    if onset - start < _AFTER or now - onset >= _BELIEVED:
        return False
    pace = (total - before) / (now + 1 - onset)
    expected = _STEP * pace * (onset - start)
    return expected - before >= _SIGMAS * math.sqrt(expected)


def _gain(first: int, minutes: int, second: int, rest: int) -> float:
    """Log-likelihood of two paces over one, where the second is the faster."""
    if minutes <= 0 or second * minutes <= first * rest:
        return 0.0
    both = (first + second) / (minutes + rest)
    gain = second * math.log(second / rest / both)
    return gain + (first * math.log(first / minutes / both) if first else 0.0)
