"""What this process stored lately: what is sent again soon is known without asking Postgres.

So nearly all that is left is new, and can be inserted as such. Looking each key up first, and telling apart
afterwards what was new, takes Postgres a sixth of what storing a report does. Where a key was there after all
(its own log says so), the batch is stored again with care, and the next ones are from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from collector.fingerprint import WEAK_WINDOW

_MOST = 50_000  # keys of a generation: two of 8 MB
_CAREFUL = 1_000  # batches without a surprise until inserts are made on trust again


class Recent:
    """Keys that are there, with when they were stored. Not every one that is: what is not known here, Postgres
    decides. Each is known for a weak one's window only, so that who did nothing while another server took over
    calls nothing a duplicate that is not there for long."""

    __slots__ = ("_careful", "_old", "_under_way", "_young")

    def __init__(self) -> None:
        self._young: dict[bytes, datetime] = {}
        self._old: dict[bytes, datetime] = {}
        self._under_way: list[set[bytes]] = []  # of each batch
        self._careful = 0

    def has(self, key: bytes, received_at: datetime) -> bool:
        """Whether it is a duplicate for sure, when it was received then."""
        first = self._young.get(key) or self._old.get(key)
        return first is not None and first >= received_at - WEAK_WINDOW

    @property
    def is_careful(self) -> bool:
        """Whether keys are likely to be there that are not known here."""
        return self._careful > 0

    @contextmanager
    def storing(self, keys: Collection[bytes]) -> Iterator[bool]:
        """Inside the block they are on their way; whether some of them are so already, in another batch."""
        mine = set(keys)
        is_shared = self._are_under_way(mine)
        self._under_way.append(mine)
        try:
            yield is_shared
        finally:
            self._under_way.remove(mine)

    def learn(self, stored: dict[bytes, datetime], *, surprises: int) -> None:
        """Only after the commit. surprises: keys of the batch that were there and not known."""
        self._careful = _CAREFUL if surprises else max(0, self._careful - 1)
        if len(self._young) > _MOST:
            self._old, self._young = self._young, {}
        self._young.update(stored)

    def beware(self, keys: Mapping[bytes, datetime]) -> None:
        """One of these, with when they were received, was there, and none was known when their batch began. It is no
        surprise where another batch of this process brought it meanwhile: that one began later, and came to
        Postgres first."""
        is_brought = any(self.has(key, at) for key, at in keys.items())
        if not is_brought and not self._are_under_way(set(keys)):
            self._careful = _CAREFUL

    def _are_under_way(self, keys: set[bytes]) -> bool:
        """Some of them, in another batch."""
        return not all(keys.isdisjoint(others) for others in self._under_way)

    def forget(self) -> None:
        """What was there may have gone with another server."""
        self._young.clear()
        self._old.clear()
