"""A host with three weeks behind it, and its detector driven minute by minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts
from collector.detect.memory import Memory
from collector.detect.spike import look
from collector.detect.spike_state import NOTHING_KNOWN, Known, State, Verdict
from collector.detect.windows import Minute

START = 480_000 * 60  # minutes since 1970
QUIET = [0, 1, 0] * 168  # hours: 8 installs a day


def rotated(at: int = 0) -> Known:
    """``at``: minutes after START."""
    return Known(changes=(Change(at=START + at, source=Source.PROBED),))


class Host:
    def __init__(self, facts: Facts | None = None, hours: Sequence[int] = QUIET) -> None:
        self.facts = facts or Facts()
        self.hours = hours
        self.minutes: list[Minute] = []
        self.state = State(evaluated_to=START - 1, restart=START)
        self.memory = self.remembered()
        self.now = START - 1

    def remembered(self) -> Memory:
        return Memory(
            self.hours,
            START // 60 - 1,
            chains=self.facts.chains,
            minutes=self.minutes,
            since=self.state.restart,
        )

    def add(self, own: int, *, at: int | None = None, **more: int | Mapping[bytes, int]) -> None:
        minute = Minute(at=START + at if at is not None else self.now + 1, own=own, **more)  # type: ignore[arg-type]
        self.minutes.append(minute)
        self.memory.windows.add(minute)

    def minute(self, own: int = 0, known: Known = NOTHING_KNOWN) -> Verdict:
        if own:
            self.add(own)
        self.now += 1
        verdict, self.state = look(self.memory, self.state, self.facts, self.now, known)
        return verdict

    def run(
        self, minutes: int, known: Known = NOTHING_KNOWN, own: Callable[[int], int] = lambda _: 0
    ) -> list[Verdict]:
        return [self.minute(own(self.now + 1 - START), known) for _ in range(minutes)]
