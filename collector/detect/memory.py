"""What the detector holds of one host between two minutes. Counts can be read again; what was expected
of an hour, with what was known then, cannot: ``Learned`` is what a store has to keep of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from collector.detect.baseline import HOURS, learn
from collector.detect.exposure import Exposure, Gap
from collector.detect.windows import Minute, Windows

_BACK = 26  # hours of which minutes are looked at


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """With it another memory expects the same, to the last digit.

    hour: the one that goes on, since 1970. length: hours before it; counts: of the last of them, those
    before all had none. usual, lowest: (first hour, rates, sum before), see ``Exposure``; lowest None: as
    usual.
    """

    hour: int
    length: int
    counts: list[int]
    usual: tuple[int, list[float], float]
    lowest: tuple[int, list[float], float] | None


class Memory:
    """Counts and baseline of one host and class.

    hours: newly affected installs an hour, oldest first, up to ``last_hour`` (hours since 1970, a whole
    one that is over); fewer than 7 days make a cold host. minutes: of the last 25 hours.
    """

    __slots__ = ("_chains", "_hours", "baseline", "hour", "lowest", "usual", "windows")

    def __init__(
        self,
        hours: Sequence[int],
        last_hour: int,
        *,
        chains: bool,
        minutes: Iterable[Minute] = (),
        since: int = 0,
    ) -> None:
        self._hours = list(hours[-HOURS:])
        self._chains = chains
        self.hour = last_hour + 1  # the one that goes on
        self.windows = Windows(minutes, since)
        self.baseline = baseline = learn(self._hours, last_hour, chains=chains)
        back = range(self.hour - _BACK, self.hour + 1)
        self.usual = Exposure(back[0], [baseline.rate[baseline.place(h)] for h in back])
        self.lowest = Exposure(back[0], [baseline.lowest[baseline.place(h)] for h in back])

    @classmethod
    def again(cls, learned: Learned, *, chains: bool) -> Memory:
        """As it was when ``learned`` was told; without its minutes."""
        hours = [0] * (learned.length - len(learned.counts)) + learned.counts
        memory = cls(hours, learned.hour - 1, chains=chains)
        memory.usual = Exposure(*learned.usual)
        memory.lowest = Exposure(*(learned.lowest or learned.usual))
        return memory

    def learned(self) -> Learned:
        counts = self._hours
        first = next((place for place, count in enumerate(counts) if count), len(counts))
        usual, lowest = self.usual.rates(), self.lowest.rates()
        return Learned(
            hour=self.hour,
            length=len(counts),
            counts=counts[first:],
            usual=usual,
            lowest=None if lowest == usual else lowest,
        )

    @property
    def evidence(self) -> float:
        return self.baseline.evidence[self.baseline.place(self.hour)]

    def go_to(self, now: int) -> bool:
        """Learn the hours that are over at minute ``now``. Whether a cold host became a known one."""
        was_cold = self.baseline.cold
        while self.hour < now // 60:
            over = self.windows.between(60 * self.hour, 60 * self.hour + 60)
            self._hours.append(sum(minute.own for minute in over))
            del self._hours[:-HOURS]
            self.baseline = learn(self._hours, self.hour, chains=self._chains)
            self.hour += 1
            place = self.baseline.place(self.hour)
            self.usual.add(self.baseline.rate[place])
            self.lowest.add(self.baseline.lowest[place])
            self.usual.keep(_BACK + 1)
            self.lowest.keep(_BACK + 1)
            self.windows.forget(now)
        return was_cold and not self.baseline.cold

    def expected(
        self, start: int, end: int, tau: int | None, drift: float, gaps: Sequence[Gap]
    ) -> float:
        """Installs from ``start`` to before ``end``. After tau the quietest week counts, and no drift
        upwards: whoever knew of the rotation may have prepared for it."""
        if tau is None or end <= tau:
            return drift * self.usual.expected(start, end, gaps)
        after = min(1.0, drift) * self.lowest.expected(max(start, tau), end, gaps)
        if start >= tau:
            return after
        return drift * self.usual.expected(start, tau, gaps) + after
