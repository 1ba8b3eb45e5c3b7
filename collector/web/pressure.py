"""How close a collector is to what it can take, and what it leaves out then: detail first, counts last."""

from __future__ import annotations

from enum import IntEnum

LATE = 1.0  # seconds behind at which the event loop takes nothing new
RECOVERED = 0.5  # seconds behind at which it does again
FULL = 0.95  # share of the queue
ROOM = 0.75
_DECAY = 0.8  # of the estimate, a sample


class Pressure(IntEnum):
    """What is left out; each level with all that the ones below it leave out."""

    NORMAL = 0
    NO_EXTRAS = 1  # keys that only describe
    COUNTS_ONLY = 2  # rows: what happened is counted, not kept one by one
    SHED = 3  # requests


def pressure(fill: float, late: float, *, shut: bool = False) -> Pressure:
    """fill: of the queue, 0 to 1. late: seconds that the event loop is behind. shut: nothing new is
    taken."""
    if shut or fill >= 1.0 or late >= LATE:
        return Pressure.SHED
    if fill > 1 / 2 or late > 0.5:
        return Pressure.COUNTS_ONLY
    if fill > 1 / 4 or late > 0.25:
        return Pressure.NO_EXTRAS
    return Pressure.NORMAL


def switched(is_on: bool, value: float, on: float, off: float) -> bool:
    """A switch with play: on from ``on``, off again below ``off``."""
    return value >= off if is_on else value >= on


class Lag:
    """Seconds that the event loop is behind.

    One late sample is a pause (a snapshot of the machine, a collection of garbage), and what came in
    meanwhile is soon dealt with; two in a row are more work than fits. So the lesser of the last two
    counts, and wears off.
    """

    __slots__ = ("_last", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._last = 0.0

    def saw(self, late: float) -> None:
        late = max(0.0, late)
        self.seconds = max(min(late, self._last), _DECAY * self.seconds)
        self._last = late
