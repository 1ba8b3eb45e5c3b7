"""/metrics, /healthz and /readyz of the operator listener."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from collector.intake.queue import Intake
from collector.metrics import Metrics
from collector.store.connect import STORE_DOWN
from collector.web.source import OneAddress


@dataclass(frozen=True, slots=True)
class Health:
    intake: Intake
    metrics: Metrics
    one_address: OneAddress

    async def scrape(self, _request: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        # As a header: aiohttp refuses a charset inside content_type.
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def alive(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 while reports can be made durable."""
        warnings = [warning] if (warning := self.one_address.warning) else []
        try:
            async with asyncio.timeout(3), self.intake.pool.acquire() as connection:
                await connection.execute("SELECT 1")
        except STORE_DOWN:
            told = {"state": "down", "reason": "Postgres does not answer", "warnings": warnings}
            return web.json_response(told, status=503)
        return web.json_response({"state": "ready", "warnings": warnings})
