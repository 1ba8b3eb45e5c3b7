"""What goes into a look at a host beside its counts, and what comes out: the nouns of ``spike``."""

from __future__ import annotations

import msgspec

from collector.detect.cause_event import Change
from collector.detect.exposure import Gap
from collector.detect.gates import Held
from collector.detect.kinds import Severity
from collector.detect.resolve import Closed, Incident, Rule


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What survives a restart, stored with the minute it was worked out for.

    evaluated_to: the last minute that was looked at. seen, expected: A and B of the drift. restart:
    minutes before it are in no window. quiet: the open incident is an old one that nobody is told of.
    """

    evaluated_to: int
    seen: float = 0.0
    expected: float = 0.0
    suspicious_at: int | None = None
    restart: int = 0
    severity: Severity | None = None
    quiet: bool = False
    incident: Incident | None = None
    closed: Closed | None = None

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> State:
        return msgspec.json.decode(data, type=cls)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a minute is judged with, beside the counts of failures.

    fix: minute of the known fix. successes_60: successes of the last hour, from trusted keys only.
    successes, usual, retries: see ``resolve.Signs``. lead: leading leaf and app version.
    """

    changes: tuple[Change, ...] = ()
    gaps: tuple[Gap, ...] = ()
    fix: int | None = None
    successes_60: int | None = None
    successes: int | None = None
    usual: float = 0.0
    retries: float | None = None
    lead: str = ""


NOTHING_KNOWN = Known()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A host at one minute.

    severity: of the open spike, None: none is open. quiet: open, but nobody needs to hear of it.
    score: S with its bonus, of the window that ends now and is ``minutes`` long, in which ``count``
    installs failed where ``expected`` were usual. held: why the count alone does not page.
    resolved: the rule that ended a spike in this minute.
    """

    severity: Severity | None
    quiet: bool
    score: float
    minutes: int
    count: int
    expected: float
    held: Held
    tau: int | None
    resolved: Rule | None = None
