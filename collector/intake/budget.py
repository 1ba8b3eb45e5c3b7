"""The row budget: of one signature in one hour the first violations are stored whole, the rest counted.

A storm of one fault says after a thousand rows what it has to say: shares are right to three in a hundred
then, and nothing is worked out of more of them. Each process counts for itself and
learns every few seconds what all of them stored, so together they store at most what each of the others
takes between two looks on top.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

MOST = 1_000  # rows of one signature and hour
_REMEMBERED = 50_000  # signatures and hours
_FORGET = timedelta(hours=26)  # by then what waited in a queue has come

Slot = tuple[bytes, int]  # signature, hours since 1970
Take = Callable[[Sequence[bytes], Sequence[datetime]], list[bool]]  # signatures, times of receipt


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

    def take(self, wanted: Sequence[Slot]) -> list[bool]:
        """Room for rows, first come, first served: which of them have it."""
        counts = Counter(wanted)
        left = {slot: max(0, self.most - self._used.get(slot, 0)) for slot in counts}
        enough = all(rows <= left[slot] for slot, rows in counts.items())
        for slot, rows in counts.items():
            self._use(slot, self._used.get(slot, 0) + min(rows, left[slot]))
        if enough:
            return [True] * len(wanted)
        has_room = []
        for slot in wanted:
            left[slot] -= 1
            has_room.append(left[slot] >= 0)
        return has_room

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

    def take(signatures: Sequence[bytes], ats: Sequence[datetime]) -> list[bool]:
        slots = list(zip(signatures, _hours(ats), strict=True))
        has_room = budget.take(slots)
        taken.update(slots if all(has_room) else itertools.compress(slots, has_room))
        return has_room

    try:
        yield take
    except BaseException:
        budget.give_back(taken)
        raise


def _hours(ats: Sequence[datetime]) -> list[int]:
    """Most batches lie within one."""
    if not ats:
        return []
    first, last = hour_of(min(ats)), hour_of(max(ats))
    return [first] * len(ats) if first == last else [hour_of(at) for at in ats]
