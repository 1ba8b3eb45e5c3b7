"""What a process knows to be in Postgres: saves asking, never decides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from collector.detect.usual import Of
from collector.intake.budget import Budget
from collector.intake.recent import Recent
from collector.model import ProjectId
from collector.store.rows import Row

_MOST = 50_000  # ids of a generation of what was seen
_USUAL = 50_000  # classes of chains
_TOUCHED = 16_384  # shared rows that are known to be there today; forgotten all at once
Place = tuple[ProjectId, str]  # a project's host


def _ids(row: Row) -> list[bytes]:
    told = (row.signature, row.pin_set, row.validated_chain, row.served_chain)
    return [id_ for id_ in told if id_]


@dataclass(slots=True)
class Known:
    """``touched``: shared rows by their key, with the day they were last touched. ``admitted``:
    hosts that are labels. ``budget``: how many rows of a signature there are this hour. ``usual``:
    classes that sightings have until they are counted. ``recent``: keys of deliveries."""

    touched: dict[Hashable, date] = field(default_factory=dict)
    partitions: set[date] = field(default_factory=set)
    admitted: set[Place] = field(default_factory=set)
    budget: Budget = field(default_factory=Budget)
    recent: Recent = field(default_factory=Recent)
    usual: dict[Of, str] = field(default_factory=dict)
    usual_since: datetime | None = None
    deferred_room: int = 1000  # rows that may still be deferred, as of the last look
    _young: set[bytes] = field(default_factory=set)  # ids of content and signatures that were seen
    _old: set[bytes] = field(default_factory=set)

    def is_fresh(self, key: Hashable, today: date) -> bool:
        return self.touched.get(key) == today

    @property
    def remembers(self) -> bool:
        return bool(self._young)

    def is_new(self, row: Row) -> bool:
        """Whether there is something in it that was never seen: a chain, a pin set, a signature. What is
        asked for now and then is never forgotten."""
        if row.deferred:
            return True
        young = self._young
        return not (
            row.signature in young
            and row.pin_set in young
            and (row.validated_chain is None or row.validated_chain in young)
            and (row.served_chain is None or row.served_chain in young)
        ) and not all(self._is_old(id_) for id_ in _ids(row))

    def has_content(self, row: Row) -> bool:
        """Whether its chains and its pin set were seen, whatever they make a signature of."""
        return all(self._is_old(id_) for id_ in _ids(row) if id_ != row.signature)

    def _is_old(self, id_: bytes) -> bool:
        if id_ in self._young:
            return True
        if id_ in self._old:
            self.see((id_,))
            return True
        return False

    def expect(self, row: Row) -> None:
        """It is going to be stored: others like it are nothing new."""
        self.see(_ids(row))

    def see(self, ids: Iterable[bytes]) -> None:
        if len(self._young) > _MOST:
            self._old, self._young = self._young, set()
        self._young.update(ids)

    def learn_usual(self, told: Mapping[Of, str]) -> None:
        if len(self.usual) + len(told) > _USUAL:
            self.usual.clear()
        self.usual.update(told)

    def learn(self, keys: Iterable[Hashable], today: date) -> None:
        """Only after the commit that touched them."""
        if len(self.touched) > _TOUCHED:
            self.touched.clear()
        self.touched.update(dict.fromkeys(keys, today))
