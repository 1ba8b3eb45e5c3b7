"""How many newly affected installs a stretch of minutes should bring, by the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

CATCH_UP = 10  # minutes in which clients bring what a collector that was away missed
Gap = tuple[int, int]  # minutes since 1970: from, to before


class Exposure:
    """Expected installs of one host by the rates of each hour, the newest last.

    Rates stay as they were in their hour: what was learned since does not change what was expected.
    """

    __slots__ = ("_first", "_rates", "_sums")

    def __init__(self, first_hour: int, rates: Sequence[float], before: float = 0.0) -> None:
        """rates: a minute, one an hour, from ``first_hour`` (hours since 1970) on. before: the sum that
        it goes on from."""
        self._first = first_hour
        self._rates = list(rates)
        self._sums = list(accumulate((60 * rate for rate in rates), initial=before))

    def add(self, rate: float) -> None:
        """Of the hour after the last."""
        self._sums.append(self._sums[-1] + 60 * rate)
        self._rates.append(rate)

    def keep(self, hours: int) -> None:
        """Forget all but the newest."""
        gone = max(0, len(self._rates) - hours)
        self._first += gone
        del self._rates[:gone]
        del self._sums[:gone]

    def rates(self) -> tuple[int, list[float], float]:
        """What makes it again, as it was to the last digit."""
        return self._first, list(self._rates), self._sums[0]

    def until(self, minute: int) -> float:
        """Before ``minute``, from the start of what is known."""
        hour, rest = divmod(minute - 60 * self._first, 60)
        if hour < 0:
            return self._sums[0]
        if hour >= len(self._rates):
            hour, rest = len(self._rates) - 1, rest + 60 * (hour - len(self._rates) + 1)
        return self._sums[hour] + rest * self._rates[hour]

    def expected(self, start: int, end: int, gaps: Sequence[Gap] = ()) -> float:
        """From ``start`` to before ``end``.

        A gap of the collector adds nothing while it lasts; what was expected of it is spread over the
        first minutes after it, since clients deliver late.
        """
        plain = self.until(end) - self.until(start)
        for gap in gaps:
            plain -= self._missing(gap, end) - self._missing(gap, start)
        return max(0.0, plain)

    def _missing(self, gap: Gap, minute: int) -> float:
        """Of what ``until`` tells, the part that had not come by ``minute``."""
        begun, over = gap
        if minute <= begun or minute >= over + CATCH_UP:
            return 0.0
        within = self.until(min(minute, over)) - self.until(begun)
        return within * (1 - max(0, minute - over) / CATCH_UP)
