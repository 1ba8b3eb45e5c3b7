"""Which class sightings of a chain usually are of. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from collector.detect.classes import Class
from collector.detect.counting import Sighting

OFTEN = 20  # sightings of a class, until it is the usual one: of a chain that comes once nothing is kept
_REMEMBERED = 50_000
Of = tuple[int, str, str, bytes]  # project, host, kind, chain


@dataclass(slots=True)
class Usual:
    """What sightings turned out to be, and what was told of that today."""

    _met: Counter[tuple[Of, Class]] = field(default_factory=Counter)
    _told: dict[Of, tuple[Class, date]] = field(default_factory=dict)

    def learn(self, classed: Iterable[tuple[Sighting, Class]], today: date) -> dict[Of, Class]:
        """What is to be told now: what became usual, and once a day what still is. Where that is not written
        down after all it costs something, and is told again the next day."""
        found: dict[Of, Class] = {}
        for one, class_ in classed:
            if one.chain is None:
                continue
            of = one.project, one.host, one.kind, one.chain
            if self._told.get(of) == (class_, today):
                continue
            self._met[of, class_] += 1
            if self._met[of, class_] >= OFTEN:
                found[of] = class_
                self._told[of] = class_, today
                for other in Class:
                    self._met.pop((of, other), None)
        if len(self._met) > _REMEMBERED:
            self._met.clear()
        if len(self._told) > _REMEMBERED:
            self._told.clear()
        return found
