"""What a process knows to be in Postgres: saves asking, never decides."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import date

from collector.intake.budget import Budget
from collector.model import ProjectId

_MOST = 50_000  # shared rows remembered, by key; forgotten all at once
Place = tuple[ProjectId, str]  # a project's host


@dataclass(slots=True)
class Known:
    """``touched``: shared rows by their key, with the day they were last touched. ``admitted``:
    hosts that are labels. ``budget``: how many rows of a signature there are this hour."""

    touched: dict[Hashable, date] = field(default_factory=dict)
    partitions: set[date] = field(default_factory=set)
    admitted: set[Place] = field(default_factory=set)
    budget: Budget = field(default_factory=Budget)

    def is_fresh(self, key: Hashable, today: date) -> bool:
        return self.touched.get(key) == today

    def learn(self, keys: Iterable[Hashable], today: date) -> None:
        """Only after the commit that touched them."""
        if len(self.touched) > _MOST:
            self.touched.clear()
        self.touched.update(dict.fromkeys(keys, today))
