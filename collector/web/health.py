"""/metrics, /healthz and /readyz of the operator listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from collector.background import within
from collector.intake.queue import Intake
from collector.metrics import Metrics
from collector.store.connect import STORE_DOWN
from collector.web.door import Door
from collector.workers.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Health:
    """fleet: the workers that take the reports; None where this process does."""

    intake: Intake
    metrics: Metrics
    warning: Callable[[], str | None]
    door: Door
    fleet: Fleet | None = None

    async def scrape(self, _request: web.Request) -> web.Response:
        if self.fleet is None:
            body = generate_latest(self.metrics.registry)
        else:
            body = await self.fleet.exposition()
        # As a header: aiohttp refuses a charset inside content_type.
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 while reports can be made durable; "degraded" while some workers are not there."""
        told: dict[str, Any] = {"state": "ready"}
        told["warnings"] = [warning] if (warning := self.warning()) else []
        if self.fleet is None:
            told["connections"] = {"open": len(self.door.room), "room": self.door.room.most}
        spool = self.intake.spool
        reason = "the last commit failed" if self.intake.is_down else None
        alive = 1
        if self.fleet is not None:
            alive, size = self.fleet.alive, self.fleet.size
            told["workers"] = {"alive": alive, "wanted": size}
            if alive < size:
                told["state"] = "degraded"
            if self.fleet.is_down:
                reason = "the last commit failed"
            if not alive:
                reason = "no worker is alive"
        try:
            read_only = await within(3.0, self._read_only())
            reason = "Postgres is read-only" if read_only else reason
        except STORE_DOWN:
            reason = "Postgres does not answer"
        if reason and spool is not None and not spool.is_full and alive:
            return web.json_response(
                told | {"state": "degraded", "spooling": True, "reason": reason}
            )
        if reason:
            return web.json_response(told | {"state": "down", "reason": reason}, status=503)
        return web.json_response(told)

    async def _read_only(self) -> bool:
        async with self.intake.pool.acquire() as connection:
            told = await connection.fetchval("SHOW transaction_read_only")
        return bool(told == "on")
