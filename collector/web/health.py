"""/metrics, /healthz and /readyz of the operator listener."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from collector.background import within
from collector.intake.queue import Intake
from collector.metrics import Metrics
from collector.store.connect import STORE_DOWN
from collector.web.door import Door
from collector.web.source import OneAddress


@dataclass(frozen=True, slots=True)
class Health:
    intake: Intake
    metrics: Metrics
    one_address: OneAddress
    door: Door

    async def scrape(self, _request: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        # As a header: aiohttp refuses a charset inside content_type.
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 while reports can be made durable."""
        warnings = [told for told in (self.one_address.warning, self.door.warning) if told]
        connections = {"open": len(self.door.room), "room": self.door.room.most}
        reason = "the last commit failed" if self.intake.is_down else None
        try:
            read_only = await within(3.0, self._read_only())
            reason = "Postgres is read-only" if read_only else reason
        except STORE_DOWN:
            reason = "Postgres does not answer"
        if reason:
            told = {"state": "down", "reason": reason, "warnings": warnings}
            return web.json_response({**told, "connections": connections}, status=503)
        told = {"state": "ready", "warnings": warnings}
        return web.json_response({**told, "connections": connections})

    async def _read_only(self) -> bool:
        async with self.intake.pool.acquire() as connection:
            told = await connection.fetchval("SHOW transaction_read_only")
        return bool(told == "on")
