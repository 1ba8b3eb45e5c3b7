"""One trial of the detection benchmark, fed to the detector a minute at a time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts
from collector.detect.kinds import Severity
from collector.detect.memory import Memory
from collector.detect.spike import look
from collector.detect.spike_state import Known, State
from collector.detect.successes import usual
from collector.detect.windows import Minute

_EPOCH = 100 * 168 * 60  # minutes: some start of a week
_ONE = b"one operator network"
_DAY = 1440


class Trial:
    """successes: whether the success counts of the trial may be used, as those of a trusted key.

    What clients that do not de-duplicate report again and again is not used (rule R3): it comes with public
    keys, and the watcher takes such failures from trusted ones only.
    """

    def __init__(self, raw: Mapping[str, Any], *, successes: bool) -> None:
        self.id: str = raw["id"]
        self.end: int = raw["T"]
        self._start: int = raw["start_minute_of_week"]
        chains = bool(raw["chain_info"])
        self.facts = Facts(chains=chains, probed=raw["prober"], registry=raw["registry"])
        self.causes = tuple(
            Change(at=_EPOCH + at, source=Source.PROBED) for at in raw["causes"] if at is not None
        )
        self.gaps = tuple((_EPOCH + begun, _EPOCH + ended) for begun, ended in raw["gaps"])
        self.history: list[int] = [] if raw["cold"] else raw["history"]["S" if chains else "U"]
        self.minutes: dict[int, Minute] = {}
        self.successes = [0] * self.end
        self.trusted = successes
        for at, own, own_one, unknown, unknown_one, private, _, connected in raw["counts"]:
            counted, one = (own, own_one) if chains else (unknown, unknown_one)
            self.minutes[at] = Minute(
                at=_EPOCH + at,
                own=counted + one,
                beside=private + (unknown + unknown_one if chains else 0),
                by_operator={_ONE: one} if one else {},
            )
            if at % 5 == 0:  # the minutes of which successes are always told
                self.successes[at] = 5 * connected
        self._connected = [0, *accumulate(self.successes)]

    def _between(self, sums: list[int], start: int, end: int) -> int:
        return sums[max(0, min(end, self.end))] - sums[max(0, min(start, self.end))]

    def _weekend(self, at: int) -> bool:
        """A trial holds no successes of earlier weeks, and Saturdays are not like Fridays."""
        return (self._start + at) // _DAY % 7 >= 5

    def known(self, at: int, opened: int | None) -> Known:
        """What is known at a minute; opened: when the open spike began."""
        if opened is None or at < _DAY:
            hour = self._between(self._connected, at - 59, at + 1) if self.trusted else None
            return Known(changes=self.causes, gaps=self.gaps, successes_60=hour)
        first = self.causes[0].at - _EPOCH if self.causes else opened
        reference = min(first, opened) - 80
        hours = (reference, reference + 60)
        then = self._between(self._connected, hours[0] - _DAY, hours[1] - _DAY)
        now = self._between(self._connected, *hours)
        successes, expected = None, 0.0
        for width in (10, 30) if self.trusted else ():
            successes = self._between(self._connected, at - width + 1, at + 1)
            days = 1 + (at - max(_DAY, reference)) // _DAY
            start = at - width + 1 - days * _DAY
            same = self._between(self._connected, start, start + width)
            alike = self._weekend(at) - self._weekend(start) == self._weekend(
                reference
            ) - self._weekend(reference - _DAY)
            expected = usual([(same, then)], now) if alike else 0.0
            if expected >= 1000:
                break
        return Known(
            changes=self.causes,
            gaps=self.gaps,
            successes_60=self._between(self._connected, at - 59, at + 1) if self.trusted else None,
            successes=successes,
            usual=expected,
        )


def pages_of(trial: Trial) -> list[list[int | None]]:
    """Pages that would have been sent: [start, end or None]."""
    memory = Memory(trial.history, _EPOCH // 60 - 1, chains=trial.facts.chains, since=_EPOCH)
    state = State(evaluated_to=_EPOCH - 1, restart=_EPOCH)
    pages: list[list[int | None]] = []
    is_open = False
    nothing = Minute(at=0)
    for at in range(trial.end):
        memory.windows.add(trial.minutes.get(at, nothing))
        opened = None if state.incident is None else state.incident.opened - _EPOCH
        known = trial.known(at, opened)
        verdict, state = look(memory, state, trial.facts, _EPOCH + at, known)
        sent = verdict.severity is Severity.PAGE and not verdict.quiet
        if sent and not is_open:
            pages.append([at, None])
            is_open = True
        if is_open and verdict.severity is None:
            pages[-1][1] = at
            is_open = False
    return pages
