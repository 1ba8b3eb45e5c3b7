"""One host under watch: what is held of it between two looks, and one look at it.

Each class of failures has counts of its own. Own: against chains that are ours (or, where clients tell of
no chain, all that cannot be told), which may page. The other ones are tickets at most.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from collector.detect.baseline import HOURS
from collector.detect.exposure import Gap
from collector.detect.gates import Facts
from collector.detect.kinds import AlertKind, Severity
from collector.detect.memory import Learned, Memory
from collector.detect.spike import look
from collector.detect.spike_state import NOTHING_KNOWN, Known, State, Verdict
from collector.detect.windows import Minute, Windows
from collector.lifecycle import AlertState
from collector.store.minutes import UNTRUSTED

SELF, INTERCEPTION, UNKNOWN = "self", "interception", "unknown"
STREAMS = (SELF, INTERCEPTION, UNKNOWN, UNTRUSTED)
_CATCH_UP = 60  # minutes that are looked at one by one, also where nothing came
_REMEMBERED = 24  # hours after which what was learned is old: minutes of 26 are read
_BESIDE = 10  # installs of the other classes, an hour and operator network
_TELLING = 0.25  # of the installs that tell no chain
_GAPS = 26 * 60  # minutes, of which some window may hold one
Counts = Mapping[str, Mapping[int, Mapping[bytes, int]]]  # class, minute, operator: installs


class Kept(msgspec.Struct):
    """As it is stored: states of spikes and what was learned by stream, alerts by kind with their ids.
    loud: of streams whose spike was there without some silenced signatures, which those were, in order.
    gaps: in which no collector ran."""

    spikes: dict[str, State] = {}
    alerts: dict[str, tuple[str, AlertState]] = {}
    learned: dict[str, Learned] = {}
    loud: dict[str, tuple[bytes, ...]] = {}
    gaps: tuple[Gap, ...] = ()


@dataclass(slots=True)
class Watched:
    """``saved_at``: the minute of the last state that was stored."""

    project: int
    project_name: str
    host: str
    kept: Kept
    memories: dict[str, Memory] = field(default_factory=dict)
    saved_at: int = 0
    lead: str = ""  # of the spike that was there last
    first_hour: int = 0  # since 1970, in which the host was known first
    hours: Mapping[str, Mapping[int, int]] = field(default_factory=dict)  # until memories are made

    @property
    def place(self) -> tuple[int, str]:
        return self.project, self.host

    def alert(self, kind: AlertKind) -> tuple[str, AlertState] | None:
        return self.kept.alerts.get(kind.value)

    def is_open(self) -> bool:
        return any(state.incident is not None for state in self.kept.spikes.values())

    def own(self, counts: Counts) -> str:
        """The stream that may page; what pages goes on to, until it is over."""
        paging = [
            stream for stream in (SELF, UNKNOWN)
            if (state := self.kept.spikes.get(stream)) and state.incident and state.severity is Severity.PAGE
        ]  # fmt: skip
        if paging:
            return paging[0]
        return SELF if not counts.get(UNKNOWN) or self._tells_chains(counts) else UNKNOWN

    def _tells_chains(self, counts: Counts) -> bool:
        """Whether its clients tell which chain they saw. By their share, and not because one report does:
        else one that somebody made up would keep a host from its page whose clients tell none."""
        told = {stream: _installs(self.hours.get(stream, {}), counts.get(stream, {}))
                for stream in (SELF, INTERCEPTION, UNKNOWN)}  # fmt: skip
        chains = told[SELF] + told[INTERCEPTION]
        return chains > 0 and chains >= _TELLING * told[UNKNOWN]

    def missed(self, gap: Gap) -> None:
        """Nobody collected meanwhile."""
        old = gap[1] - _GAPS
        self.kept.gaps = (*(one for one in self.kept.gaps if one[1] >= old), gap)

    def learn(self, hours: Mapping[str, Mapping[int, int]], first_hour: int, now: int) -> None:
        """hours: by stream, newly affected installs of each hour since 1970 that has some. first_hour:
        when the host was admitted. What was stored is taken first: it expects what it expected before,
        whoever holds it."""
        last = now // 60 - 1
        start = max(last - HOURS + 1, first_hour)
        for stream in STREAMS:
            # A host that is new to us begins now: what was before is in no window.
            self.kept.spikes.setdefault(stream, State(evaluated_to=now - 1, restart=0))
            learned = self.kept.learned.get(stream)
            if learned is not None and 0 <= now // 60 - learned.hour <= _REMEMBERED:
                self.memories[stream] = Memory.again(learned, chains=stream is not UNKNOWN)
                continue
            told = hours.get(stream, {})
            counts = [told.get(hour, 0) for hour in range(start, last + 1)]
            self.memories[stream] = Memory(counts, last, chains=stream is not UNKNOWN)
        self.kept.learned = {}  # the memories tell it from here on

    def remember(self, counts: Counts, now: int) -> None:
        """Hours that are over, as counts of now have them: what was taken back is gone from them."""
        this, oldest = now // 60, now // 60 - HOURS
        for stream, by_minute in counts.items():
            hours = {h: n for h, n in self.hours.get(stream, {}).items() if h >= oldest}
            fresh: dict[int, int] = {}
            for at, operators in by_minute.items():
                if this - 25 < at // 60 < this:
                    fresh[at // 60] = fresh.get(at // 60, 0) + sum(operators.values())
            self.hours = {**self.hours, stream: {**hours, **fresh}}

    def days(self, counts: Counts, now: int) -> dict[int, int]:
        """Newly affected installs of each day since 1970, of all classes."""
        found: dict[int, int] = defaultdict(int)
        for hours in self.hours.values():
            for hour, count in hours.items():
                found[hour // 24] += count
        for by_minute in counts.values():
            for at, operators in by_minute.items():
                if at // 60 == now // 60:
                    found[at // 1440] += sum(operators.values())
        return found

    def look(
        self,
        counts: Counts,
        facts: Mapping[str, Facts],
        now: int,
        known: Known = NOTHING_KNOWN,
        late: Mapping[int, int] = MappingProxyType({}),
    ) -> dict[str, Verdict]:
        """Judge each minute that was not judged yet, up to ``now``; the verdicts of now. late: of the
        class that may page, installs that failed before the known fix and told after it, by minute."""
        found = {}
        for stream in STREAMS:
            if stream == SELF or facts[stream].pages:
                minutes = _minutes(stream, counts, known.fix, late)
                found[stream] = self._look(stream, minutes, facts[stream], now, known)
            else:
                minutes = _minutes(stream, counts)
                found[stream] = self._look(stream, minutes, facts[stream], now, NOTHING_KNOWN)
        return found

    def _look(
        self, stream: str, minutes: Sequence[Minute], facts: Facts, now: int, known: Known
    ) -> Verdict:
        memory, state = self.memories[stream], self.kept.spikes[stream]
        last = min(state.evaluated_to, now)
        # Minutes that were missed are looked at one by one, as they would have been. Where many were,
        # only if something can come of it.
        missed = any(last < minute.at < now for minute in minutes) or state.incident is not None
        start = max(last + 1, now - 1440) if missed or now - last <= _CATCH_UP else now
        start = min(start, now)
        first = bisect_left(minutes, start, key=lambda minute: minute.at)
        memory.windows, coming = Windows(minutes[:first], state.restart), iter(minutes[first:])
        following = next(coming, None)
        verdict = None
        # What connects now says nothing of minutes that were missed.
        before = replace(known, successes=None, retries=None)
        for at in range(start, now + 1):
            while following is not None and following.at <= at:
                memory.windows.add(following)
                following = next(coming, None)
            verdict, state = look(memory, state, facts, at, known if at == now else before)
        assert verdict is not None
        self.kept.spikes[stream] = state
        return verdict

    def would_open(self, stream: str, counts: Counts, facts: Facts, now: int, known: Known) -> bool:
        """Whether these counts, by themselves, would be a spike now. Nothing of it is remembered."""
        memory, state = self.memories[stream], self.kept.spikes[stream]
        before, memory.windows = memory.windows, Windows(_minutes(stream, counts), state.restart)
        alone = msgspec.structs.replace(state, severity=None, quiet=False, incident=None)
        verdict, _ = look(memory, alone, facts, now, known)
        memory.windows = before
        return verdict.severity is not None

    def to_json(self) -> str:
        learned = {name: memory.learned() for name, memory in self.memories.items()}
        kept = msgspec.structs.replace(self.kept, learned=learned or self.kept.learned)
        return msgspec.json.encode(kept).decode()


def _installs(hours: Mapping[int, int], minutes: Mapping[int, Mapping[bytes, int]]) -> int:
    """Of the hours before those of which minutes are read, and of these."""
    first = min(minutes, default=None)
    before = sum(n for hour, n in hours.items() if first is None or hour < first // 60)
    return before + sum(sum(operators.values()) for operators in minutes.values())


def kept_of(text: str | None) -> Kept:
    """Undo ``Watched.to_json``; what an older version wrote and cannot be read begins anew."""
    if text is None:
        return Kept()
    try:
        return msgspec.json.decode(text, type=Kept)
    except msgspec.MsgspecError:
        return Kept()


def _minutes(
    stream: str,
    counts: Counts,
    fix: int | None = None,
    late: Mapping[int, int] = MappingProxyType({}),
) -> list[Minute]:
    """In order. What was received before the fix failed before it. Failures of class self by mistake are
    a share of all others, so those stand beside."""
    own = counts.get(stream, {})
    others = _others(stream, counts) if stream in (SELF, UNKNOWN) else {}
    found = []
    for at in sorted({*own, *others}):
        told = own.get(at, {})
        installs = sum(told.values())
        by_operator = {operator: n for operator, n in told.items() if operator}
        before = 0 if fix is None else installs if at < fix else min(installs, late.get(at, 0))
        found.append(
            Minute(
                at=at, own=installs, beside=others.get(at, 0), late=before, by_operator=by_operator
            )
        )
    return found


def _others(stream: str, counts: Counts) -> dict[int, int]:
    """Of each minute. Of one operator network ``_BESIDE`` an hour count, and no more than of all others
    in that hour so far: else whoever has many addresses could make a break of ours look usual."""
    told: dict[int, dict[bytes, int]] = defaultdict(lambda: defaultdict(int))
    for other in (INTERCEPTION, UNKNOWN, SELF):
        if other == stream or (stream == UNKNOWN and other == SELF):
            continue
        for at, by_operator in counts.get(other, {}).items():
            for operator, installs in by_operator.items():
                told[at][operator] += installs
    found: dict[int, int] = {}
    hour, counted, largest, before = 0, 0, 0, 0
    operators: dict[bytes, int] = defaultdict(int)
    for at in sorted(told):
        if at // 60 != hour:
            hour, counted, largest, before = at // 60, 0, 0, 0
            operators.clear()
        counted += told[at].pop(b"", 0)  # of many, each of which has few
        for operator, installs in told[at].items():
            taken = min(installs, _BESIDE - operators[operator])
            operators[operator] += taken
            counted, largest = counted + taken, max(largest, operators[operator])
        within = min(counted, 2 * (counted - largest))
        found[at], before = within - before, within
    return found


Grouped = dict[tuple[int, str], dict[str, dict[int, dict[bytes, int]]]]


def grouped(rows: Sequence[Any], counts: Grouped | None = None) -> Grouped:
    """Rows of ``minutes.by_minute`` by project and host, class, minute and operator; added to others."""
    found: Grouped = {} if counts is None else counts
    for row in rows:
        place = found.setdefault((row["project"], row["host"]), {})
        minute = place.setdefault(row["class"], {}).setdefault(row["minute"], {})
        minute[row["operator"]] = minute.get(row["operator"], 0) + row["installs"]
    return found
