"""The row budget: of one signature in one hour the first violations are stored whole, the rest counted.

A storm of one fault says after ten thousand rows what it has to say. Each process counts for itself and
learns every few seconds what all of them stored, so together they store at most what each of the others
takes between two looks on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MOST = 10_000  # rows of one signature and hour
_REMEMBERED = 50_000  # signatures and hours
_FORGET = timedelta(hours=26)  # by then what waited in a queue has come

Slot = tuple[bytes, int]  # signature, hours since 1970
Take = Callable[[bytes, datetime], bool]


def hour_of(at: datetime) -> int:
    return int(at.timestamp()) // 3600


@dataclass(slots=True)
class Budget:
    """How much of it this process knows to be used. Holds at most _REMEMBERED slots, those most used."""

    most: int = MOST
    _used: dict[Slot, int] = field(default_factory=dict)
    _spent: set[Slot] = field(default_factory=set)
    _asked: set[int] = field(default_factory=set)  # hours, since the last look

    def has_room(self, signature: bytes, at: datetime) -> bool:
        return not self._spent or (signature, hour_of(at)) not in self._spent

    def take(self, signature: bytes, at: datetime) -> Slot | None:
        """Room for one row, or None."""
        slot = signature, hour_of(at)
        used = self._used.get(slot, 0)
        if used >= self.most:
            return None
        self._use(slot, used + 1)
        return slot

    def give_back(self, taken: Mapping[Slot, int]) -> None:
        """Rows that were not stored after all."""
        for slot, rows in taken.items():
            self._use(slot, max(0, self._used.get(slot, 0) - rows))

    def hours(self) -> list[datetime]:
        """Of which something was taken since the last look: ask what all processes have stored."""
        asked = sorted(self._asked)
        self._asked.clear()
        return [datetime.fromtimestamp(hour * 3600, UTC) for hour in asked]

    def learn(self, stored: Mapping[tuple[bytes, datetime], int], now: datetime) -> None:
        """What all processes have stored, by signature and hour; and forget what is long over.

        What this one knows of is never less: its newest rows may not have been committed yet.
        """
        oldest = hour_of(now - _FORGET)
        for slot in [slot for slot in self._used if slot[1] < oldest]:
            self._drop(slot)
        for (signature, at), rows in stored.items():
            slot = signature, hour_of(at)
            self._use(slot, max(rows, self._used.get(slot, 0)))

    def _use(self, slot: Slot, rows: int) -> None:
        if len(self._used) >= _REMEMBERED and slot not in self._used:
            least = sorted(self._used, key=self._used.__getitem__)[: _REMEMBERED // 2]
            for other in least:
                self._drop(other)
        self._used[slot] = rows
        self._asked.add(slot[1])
        if rows >= self.most:
            self._spent.add(slot)
        else:
            self._spent.discard(slot)

    def _drop(self, slot: Slot) -> None:
        del self._used[slot]
        self._spent.discard(slot)


@asynccontextmanager
async def spending(budget: Budget) -> AsyncIterator[Take]:
    """Take room for rows inside the block; where it raises, nothing was stored and all is given back."""
    taken: Counter[Slot] = Counter()

    def take(signature: bytes, at: datetime) -> bool:
        slot = budget.take(signature, at)
        if slot is not None:
            taken[slot] += 1
        return slot is not None

    try:
        yield take
    except BaseException:
        budget.give_back(taken)
        raise
