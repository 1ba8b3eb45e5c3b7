"""Installs that were found to be counted: who reports again within the day need not be looked up again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from collector.detect.classes import Class
from collector.detect.counting import Before, Place, Sighting, is_counted

MOST = 50_000  # that are remembered, of 270 bytes each


@dataclass(slots=True)
class Remembered:
    """most: installs at a place that are remembered; then it begins anew."""

    most: int = MOST
    _mark: int | None = None
    _at: dict[tuple[Place, bytes], datetime] = field(default_factory=dict)

    def until(self, mark: int) -> None:
        """Nothing is remembered that was learned at another mark: something was taken back since."""
        if mark != self._mark:
            self._at.clear()
            self._mark = mark

    def learn(self, before: Before) -> None:
        """What was read, and what counts now: to be told once that is committed."""
        if len(self._at) > self.most:
            self._at.clear()
        for key, known in before.installs.items():
            if known:
                self._at[key] = known[-1][0]

    def may_count(self, classed: Iterable[tuple[Sighting, Class]]) -> list[tuple[Sighting, Class]]:
        """Those that are not known to be counted. An install of which one sighting may count is left whole,
        as that may move the others."""
        told = [
            (((one.project, one.host, class_), one.install), one, class_)
            for one, class_ in classed
            if one.counts
        ]
        may = {key for key, one, _ in told if not self._is_counted(key, one.received_at)}
        return [(one, class_) for key, one, class_ in told if key in may]

    def _is_counted(self, key: tuple[Place, bytes], at: datetime) -> bool:
        then = self._at.get(key)
        return then is not None and is_counted(((then, 0),), at)
