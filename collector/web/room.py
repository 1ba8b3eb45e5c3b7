"""The room for connections: who may come in, who has waited long enough, who makes room for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Protocol

from collector.fingerprint import IPAddress
from collector.intake.prepare import canonical
from collector.settings import Network
from collector.web.source import trusted

HEAD_SECONDS = 10.0  # for the whole head of a request
KEEP_ALIVE = 75.0  # seconds that a connection may wait for its next request
CROWDED_KEEP_ALIVE = 5.0  # seconds, where little room is left
_SETTLED = 1.5  # seconds of waiting before a connection is closed for a newcomer
_LITTLE = 7 / 8  # of the room: beyond it little is left
_FEW = 64  # connections that one address may always have


class Held(Protocol):
    """A connection that takes room."""

    def waits_since(self) -> float | None:
        """Since when it waits for its peer, by the loop's clock; None while it is at work."""

    def patience(self) -> tuple[float, bool]:
        """Seconds that it may wait, and whether it owes something that it began, or never sent."""

    def end(self) -> None:
        """Close it now."""


@lru_cache(maxsize=4096)
def source(peer: str, proxies: tuple[Network, ...]) -> Hashable | None:
    """Who shares one share of the room: an IPv4 address, or an IPv6 /64, which one client has to
    itself. None for a trusted proxy, which speaks for many."""
    try:
        address = canonical(peer)
    except ValueError:
        return None
    return None if proxies and trusted(address, proxies) else source_of(address)


def source_of(address: IPAddress) -> Hashable:
    return (6, int(address) >> 64) if address.version == 6 else (4, int(address))


class Room:
    """Connections that are open.

    most: connections at a time. share: how many of them one source may have once half are taken: one
    client with thousands of connections keeps nobody else out, and a carrier's one address for many
    phones is not held to it while there is room.
    count: takes the reason of each refusal.
    """

    def __init__(self, most: int, count: Callable[[str], None]) -> None:
        self.most = most
        self.share = max(_FEW, most // 16)
        self._count = count
        self._open: dict[Held, Hashable | None] = {}
        self._sources: Counter[Hashable] = Counter()
        self._idle: list[tuple[float, Held]] = []  # by the last sweep, the longest last

    def __len__(self) -> int:
        return len(self._open)

    @property
    def is_full(self) -> bool:
        """No place, and nobody known who would make one."""
        return len(self._open) >= self.most and not self._idle

    def enter(self, held: Held, by: Hashable | None) -> bool:
        """Whether it may stay. by: its source, None where no share applies. Counts who may not."""
        taken = len(self._open)
        if by is not None and taken * 2 >= self.most and self._sources[by] >= self.share:
            self._count("crowded")
            return False
        if taken >= self.most and not self._make_room():
            self._count("crowded")
            return False
        self._open[held] = by
        if by is not None:
            self._sources[by] += 1
        return True

    def leave(self, held: Held) -> None:
        """Also one that is not there, or not any more."""
        by = self._open.pop(held, None)
        if by is not None:
            self._sources[by] -= 1
            if self._sources[by] <= 0:
                del self._sources[by]

    def _make_room(self) -> bool:
        """End the connection that has waited longest: a report that comes is worth more than one
        that may come."""
        while self._idle:
            since, held = self._idle.pop()
            if held in self._open and held.waits_since() == since:
                self.leave(held)
                self._count("crowded")
                held.end()
                return True
        return False

    def sweep(self, now: float) -> None:
        """Once a second: end what has waited too long. One pass instead of a timer for each."""
        little = len(self._open) >= self.most * _LITTLE
        idle: list[tuple[float, Held]] = []
        late: list[tuple[Held, bool]] = []
        for held in self._open:
            since = held.waits_since()
            if since is None:
                continue
            seconds, owes = held.patience()
            if little:
                seconds = min(seconds, HEAD_SECONDS if owes else CROWDED_KEEP_ALIVE)
            if now - since >= seconds:
                late.append((held, owes))
            elif little and now - since >= _SETTLED:
                idle.append((since, held))
        for held, owes in late:
            self.leave(held)
            if owes:
                self._count("too_slow")
            held.end()
        idle.reverse()  # of those of one moment, too, the one that came first is the last in the list
        idle.sort(key=lambda pair: pair[0], reverse=True)
        self._idle = idle
