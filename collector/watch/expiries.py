"""Tell, as a metric, when registered pin sets expire."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg

from collector.metrics import Metrics
from collector.pins.calendar import next_expiry
from collector.pins.model import ShippedPinSet
from collector.store import pin_sets

EVERY = 30.0  # seconds
MOST = 500  # series, the earliest first


@dataclass(frozen=True, slots=True)
class Expiries:
    pool: asyncpg.Pool
    metrics: Metrics

    async def tick(self) -> None:
        async with self.pool.acquire() as connection:
            rows = await pin_sets.expiring(connection)
        projects: dict[str, list[ShippedPinSet]] = {}
        for project, one in rows:
            projects.setdefault(project, []).append(one)
        told = {
            (project, host): at.timestamp()
            for project, sets in projects.items()
            for host, at in next_expiry(sets).items()
        }
        first = sorted(told.items(), key=lambda item: item[1])[:MOST]
        self.metrics.expire(dict(first))
