"""Counts of one host over the last 5, 15, 60 and 360 minutes and since its keys changed, a minute at a time.

Only minutes in which something came are kept, so an idle host costs next to nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

WIDTHS = (5, 15, 60, 360)  # minutes
DAY = 1440
_KEPT = DAY + 120


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """Newly affected installs of one minute, by receipt, after the cap of networks.

    at: minutes since 1970. own: of the class that can page: self, or unknown where clients report no
    chains. beside: of the other classes. late: of ``own``, those that failed before the known fix by
    their own clock. by_operator: of ``own``, by operator network; those of declared egress are left
    out. A minute may come in parts and out of order; parts are added up.
    """

    at: int
    own: int = 0
    beside: int = 0
    late: int = 0
    by_operator: Mapping[bytes, int] = {}


class Sum(msgspec.Struct, frozen=True):
    """What a window holds. own: after the cap of operator networks."""

    own: int
    beside: int
    fresh: int  # own, without those that failed before the fix
    spread: int  # without those of the largest operator network


class _Window:
    """Running sums over the entries from ``start`` on."""

    __slots__ = ("beside", "first", "late", "operators", "own", "start")

    def __init__(self) -> None:
        self.start = 0
        self.clear()

    def clear(self) -> None:
        self.own = self.beside = self.late = 0
        self.operators: Counter[bytes] = Counter()
        self.first = 0  # place of the first entry within

    def take(self, entry: Minute, sign: int) -> None:
        self.own += sign * entry.own
        self.beside += sign * entry.beside
        self.late += sign * entry.late
        for operator, count in entry.by_operator.items():
            left = self.operators[operator] + sign * count
            if left:
                self.operators[operator] = left
            else:
                del self.operators[operator]

    def sum(self) -> Sum:
        """One operator network stands for at most half of what is counted."""
        top = max(self.operators.values(), default=0)
        own = min(self.own, 2 * (self.own - top))
        # Late ones of one network must not stand for fresh ones of others.
        return Sum(own, self.beside, max(0, min(own, self.own - self.late)), self.own - top)


NOTHING = Sum(0, 0, 0, 0)


class Windows:
    """Windows of one host. ``since``: minutes before it are in none of them."""

    def __init__(self, minutes: Iterable[Minute] = (), since: int = 0) -> None:
        self._entries: list[Minute] = []
        self._windows: dict[int, _Window] = {}
        self.since = since
        for minute in minutes:
            self.add(minute)

    def add(self, minute: Minute) -> None:
        if not (minute.own or minute.beside):
            return
        entries = self._entries
        if not entries or entries[-1].at <= minute.at:
            entries.append(minute)
            for window in self._windows.values():
                if minute.at >= window.start:
                    window.take(minute, 1)
                elif window.first == len(entries) - 1:
                    window.first += 1
            return
        entries.insert(bisect_left(entries, minute.at + 1, key=lambda entry: entry.at), minute)
        self._windows.clear()  # counted anew when they are looked at

    def restart(self, since: int) -> None:
        """After a resolve: what came before is over."""
        self.since = since

    def last(self, width: int, now: int) -> Sum:
        """Of the ``width`` minutes that end with ``now``, itself included."""
        return self._sum(width, max(now - width + 1, self.since))

    def from_minute(self, start: int) -> Sum:
        return self._sum(0, max(start, self.since))

    def own_at(self, at: int) -> int:
        """Installs of one minute, without the cap of operator networks."""
        entries = self._entries
        total = 0
        place = bisect_left(entries, at, key=lambda entry: entry.at)
        while place < len(entries) and entries[place].at == at:
            total += entries[place].own
            place += 1
        return total

    def between(self, start: int, end: int) -> list[Minute]:
        """Parts of minutes from ``start`` to before ``end``, in order."""
        first = bisect_left(self._entries, start, key=lambda entry: entry.at)
        return self._entries[first : bisect_left(self._entries, end, key=lambda entry: entry.at)]

    def forget(self, now: int) -> None:
        """Drop what no window can hold any more."""
        gone = bisect_left(self._entries, now - _KEPT, key=lambda entry: entry.at)
        if gone:
            del self._entries[:gone]
            self._windows.clear()

    def _sum(self, name: int, start: int) -> Sum:
        entries = self._entries
        if not entries or entries[-1].at < start:
            return NOTHING
        window = self._windows.get(name)
        if window is None or start < window.start:
            window = self._windows[name] = _Window()
            window.start = start
            window.first = bisect_left(entries, start, key=lambda entry: entry.at)
            for entry in entries[window.first :]:
                window.take(entry, 1)
            return window.sum()
        window.start = start
        while window.first < len(entries) and entries[window.first].at < start:
            window.take(entries[window.first], -1)
            window.first += 1
        return window.sum()
