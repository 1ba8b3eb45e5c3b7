"""A collector on free ports of this machine, with a project and a key."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import asyncpg
import pytest

from collector.app import Collector, collecting
from collector.probing.resolving import ResolvingError
from collector.settings import Address, Settings
from collector.store import ledger, projects
from tests.conftest import Clock
from tests.make import NOON

LOCAL = Address("127.0.0.1", 0)
# Tests speak as many senders: this machine is a trusted proxy, X-Forwarded-For says who.
PROXIES = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass
class Answer:
    status: int
    json: Any
    headers: Any


@dataclass
class Site:
    """A running collector as a client and an operator see it."""

    collector: Collector
    session: aiohttp.ClientSession
    pool: asyncpg.Pool
    key: str

    @property
    def public(self) -> str:
        return self.collector.public_url()

    @property
    def operator(self) -> str:
        return self.collector.operator_url()

    async def post(
        self, data: object, *, address: str | None = None, path: str | None = None, **headers: str
    ) -> Answer:
        """Post a body (bytes, text, or what becomes JSON) from an address."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if address:
            sent["X-Forwarded-For"] = address
        raw = data if isinstance(data, bytes | str) else json.dumps(data)
        file = io.BytesIO(raw.encode() if isinstance(raw, str) else raw)
        url = self.public + (f"/r/{self.key}" if path is None else path)
        async with self.session.post(
            url, data=file, headers=sent, allow_redirects=False
        ) as response:
            return Answer(response.status, await response.json(content_type=None), response.headers)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.get(self.operator + path, headers=sent) as response:
            return response.status, await response.text()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        **headers: str,
    ) -> Answer:
        """Ask the operator API, as the command line does."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if method != "GET":
            sent.setdefault("Content-Type", "application/json")
        data = None if body is None else json.dumps(body)
        if data is None and method in ("POST", "PATCH"):
            data = "{}"
        async with self.session.request(
            method, self.operator + path, data=data, headers=sent, allow_redirects=False
        ) as response:
            text = await response.text()
            is_json = "json" in response.headers.get("Content-Type", "")
            told = json.loads(text) if is_json and "ndjson" not in response.content_type else text
            return Answer(response.status, told, response.headers)

    async def token(self, name: str, role: str, *, by: str | None = None, **more: Any) -> str:
        """A new token."""
        made = await self.call(
            "POST", "/api/v1/tokens", {"name": name, "role": role, **more}, token=by
        )
        assert made.status == 201, made.json
        return str(made.json["token"])

    async def metrics(self) -> dict[str, float]:
        _, text = await self.get("/metrics")
        samples = [line for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in samples)}

    async def ledger(self) -> dict[str, dict[str, int]]:
        """Once all that was counted is in it."""
        intake = self.collector.ingest.taking.intake
        for _ in range(600):
            if not intake._counts and not intake._flushing:
                break
            await asyncio.sleep(0.05)
        async with self.pool.acquire() as connection:
            return await ledger.totals(connection)


async def nowhere(_: str) -> list[Any]:
    """Names of tests lead nowhere."""
    raise ResolvingError("no such name")


@pytest.fixture
def chosen() -> dict[str, Any]:
    """Settings that a test chooses: override it with parametrize."""
    return {}


@pytest.fixture
async def site(
    database_url: str, pool: asyncpg.Pool, clock: Clock, chosen: dict[str, Any], by_itself: bool
) -> AsyncIterator[Site]:
    async with opened_site(database_url, pool, clock, chosen, by_itself=by_itself) as opened:
        yield opened


@asynccontextmanager
async def opened_site(
    database_url: str, pool: asyncpg.Pool, clock: Clock, chosen: dict[str, Any], *,
    by_itself: bool = False,
) -> AsyncIterator[Site]:  # fmt: skip
    async with pool.acquire() as connection:
        await projects.add(connection, "default", [], NOON)
        key = await projects.add_key(
            connection, "default", app="wallet", environment="production", trusted=False, now=NOON
        )
    settings = Settings(
        database_url=database_url,
        public_address=LOCAL,
        operator_address=LOCAL,
        trusted_proxies=PROXIES,
    )
    async with (
        collecting(
            replace(settings, **chosen), clock, resolve=nowhere, by_itself=by_itself
        ) as collector,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
    ):
        yield Site(collector, session, pool, key)
