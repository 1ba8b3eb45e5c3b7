"""The door of the public listener: how much comes in at a time, and what is turned away.

Past a bound it refuses at the cheapest place: at accept, before a request is parsed, before its body
is read. What is turned away there is no item yet, so it is in no ledger: it is counted by reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable

import structlog

from collector.metrics import REFUSALS, Metrics
from collector.settings import Network
from collector.web import pressure
from collector.web.budget import Budget
from collector.web.pressure import Lag, Pressure, switched
from collector.web.refusal import Lingering
from collector.web.room import Room, source

log = structlog.get_logger()

MOST_REQUESTS = 4096  # in flight: about 26 KB each while they wait for the commit
_PERIOD = 0.1  # seconds between samples
_LOOK = 10  # samples between sweeps
_QUIET = 5  # looks without a refusal after which an overload is over
_TOLD = ("crowded", "overloaded")  # what operators are told of; slow peers are the weather


class Door:
    """One for each process.

    connections: at a time. fill: how full the queue is, 0 to 1.
    """

    def __init__(
        self,
        metrics: Metrics,
        connections: int,
        fill: Callable[[], float],
        proxies: tuple[Network, ...] = (),
    ) -> None:
        self.most = MOST_REQUESTS
        self.in_flight = 0
        self.shut = False  # nothing new: read for each piece of data that comes in
        self.room = Room(connections, self.count)
        self.bodies = Budget(proxies)
        self.lingering = Lingering()
        self.lag = Lag()
        self.refused: Counter[str] = Counter()
        self._metrics = {reason: metrics.refused.labels(reason=reason) for reason in REFUSALS}
        self._open = metrics.open_connections
        self._fill = fill
        self._proxies = proxies
        self._behind = False  # the loop, or the queue: with play
        self._full = False
        self._episode: Counter[str] | None = None  # what was refused when it began
        self._seen: Counter[str] = Counter()
        self._quiet = 0

    def count(self, reason: str, times: int = 1) -> None:
        self.refused[reason] += times
        self._metrics[reason].inc(times)

    def source(self, transport: asyncio.Transport) -> Hashable | None:
        name = transport.get_extra_info("peername")
        return source(name[0], self._proxies) if isinstance(name, tuple) else None

    @property
    def pressure(self) -> Pressure:
        return pressure.pressure(self._fill(), self.lag.seconds, shut=self.shut)

    def begins(self) -> bool:
        """Whether a request is taken on; then ``ends`` must follow. Counts one that is not."""
        if self.shut:
            self.count("overloaded")
            return False
        self.in_flight += 1
        if self.in_flight >= self.most:
            self._decide()
        return True

    def ends(self) -> None:
        """It has its answer."""
        self.in_flight -= 1
        if self.shut:
            self._decide()

    def _decide(self) -> None:
        self.shut = self._behind or self._full or self.in_flight >= self.most

    def sample(self, late: float) -> None:
        """late: seconds that the last round of the event loop came too late."""
        self.lag.saw(late)
        self._behind = switched(self._behind, self.lag.seconds, pressure.LATE, pressure.RECOVERED)
        self._full = switched(self._full, self._fill(), pressure.FULL, pressure.ROOM)
        self._decide()
        if self.shut and self._episode is None:
            self._begin()

    def look(self, now: float) -> None:
        """Once a second: end what has waited too long, and log what has changed."""
        self.room.sweep(now)
        self.lingering.sweep(now)
        self._open.set(len(self.room))
        is_refusing = self.shut or any(self.refused[r] > self._seen[r] for r in _TOLD)
        self._quiet = 0 if is_refusing else self._quiet + 1
        if is_refusing and self._episode is None:
            self._begin()
        elif self._episode is not None and self._quiet >= _QUIET:
            told = {reason: self.refused[reason] - self._episode[reason] for reason in _TOLD}
            log.warning("overload.ended", **told)
            self._episode = None
        self._seen = self.refused.copy()

    def _begin(self) -> None:
        self._episode = self._seen.copy()
        log.warning("overload.began", **self._state())

    def _state(self) -> dict[str, object]:
        return {
            "connections": len(self.room),
            "room": self.room.most,
            "requests": self.in_flight,
            "late": round(self.lag.seconds, 3),
            "queue": round(self._fill(), 3),
            "body_bytes": self.bodies.used,
        }

    @property
    def warning(self) -> str | None:
        """What operators should know while it lasts."""
        if self._episode is None:
            return None
        told = ", ".join(f"{name} {value}" for name, value in self._state().items())
        return f"overloaded: connections or requests are turned away ({told})"

    async def run(self) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._heard)
        samples = 0
        try:
            while True:
                due = loop.time() + _PERIOD
                await asyncio.sleep(_PERIOD)
                now = loop.time()
                self.sample(now - due)
                samples += 1
                if samples % _LOOK == 0:
                    self.look(now)
        finally:
            loop.set_exception_handler(None)

    def _heard(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """asyncio's own loop logs each connection that it has no descriptor for: thousands a second."""
        if isinstance(context.get("exception"), OSError) and "accept()" in str(context["message"]):
            self.count("crowded")
        else:
            loop.default_exception_handler(context)
