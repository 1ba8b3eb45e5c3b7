"""Learn, each hour, which pin sets the installs of a version agree on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg
import structlog

from collector.store import learning

EVERY = 3600.0  # seconds
SECONDS = 20.0  # of a round
_PAGE = 100  # hosts
_START = (0, "")
log = structlog.get_logger()


@dataclass(slots=True)
class Learner:
    """Goes round all admitted hosts, for about 20 s at a time; what is left is left for the next round,
    which goes on from there."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    seconds: float = SECONDS
    _after: tuple[int, str] = field(default=_START)

    async def tick(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        async with self.pool.acquire() as connection:
            await learning.forget(connection, self.clock())
            while page := await learning.hosts_after(connection, *self._after, _PAGE):
                for project, host in page:
                    self._after = (project, host)  # first: a host that fails holds up no other
                    await learning.learn(connection, project, host, self.clock())
                    if loop.time() > until:
                        log.warning("learn.unfinished")
                        return
        self._after = _START
