"""Token buckets, one a source, in bounded memory. Pure: the time is an argument."""

from __future__ import annotations

from collections.abc import Hashable


class Buckets:
    """rate: tokens a second that a bucket gains, up to burst; a new one is full.

    most: buckets remembered. The one that was used longest ago is forgotten first, which fills it: with
    more sources than that, a limit by network has to hold them.
    """

    __slots__ = ("_levels", "burst", "most", "rate")

    def __init__(self, rate: float, burst: float, most: int = 50_000) -> None:
        self.rate, self.burst, self.most = rate, burst, most
        self._levels: dict[Hashable, tuple[float, float]] = {}  # tokens, and when; oldest use first

    def level(self, key: Hashable, now: float) -> float:
        """Tokens that are there."""
        known = self._levels.get(key)
        if known is None:
            return self.burst
        tokens, at = known
        return min(self.burst, tokens + max(0.0, now - at) * self.rate)

    def spend(self, key: Hashable, tokens: float, now: float) -> None:
        """Take tokens that ``level`` said are there."""
        left = self.level(key, now) - tokens
        self._levels.pop(key, None)
        self._levels[key] = (left, now)
        if len(self._levels) > self.most:
            del self._levels[next(iter(self._levels))]

    def take(self, key: Hashable, tokens: float, now: float) -> bool:
        """All of the tokens, or none and False."""
        # The same as ``level`` and ``spend``, with each bucket looked up once: it is on every report's way.
        levels = self._levels
        known = levels.pop(key, None)
        level = self.burst
        if known is not None:
            level, at = known
            if now > at:
                level = min(self.burst, level + (now - at) * self.rate)
        is_there = level >= tokens
        levels[key] = (level - tokens if is_there else level, now)
        if len(levels) > self.most:
            del levels[next(iter(levels))]
        return is_there

    def __len__(self) -> int:
        return len(self._levels)
