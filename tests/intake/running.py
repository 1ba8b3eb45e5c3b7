"""Shared by the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from collector.background import running
from collector.intake.keyring import Key
from collector.intake.queue import Intake
from collector.metrics import Metrics
from collector.model import ProjectId
from collector.store import projects
from tests.conftest import Clock
from tests.make import KEY, NOON


async def project(pool: asyncpg.Pool, name: str = "default", hosts: Sequence[str] = ()) -> Key:
    """A project in the database, and a key of it."""
    async with pool.acquire() as connection:
        made = await projects.add(connection, name, hosts, NOON)
    return Key(
        project=ProjectId(made), project_name=name, app=KEY.app, environment=KEY.environment,
        trusted=False, hosts=tuple(hosts), secret=KEY.secret,
    )  # fmt: skip


@asynccontextmanager
async def flushing(pool: asyncpg.Pool, clock: Clock, flushers: int = 2) -> AsyncIterator[Intake]:
    intake = Intake(pool, Metrics(), clock)
    tasks = [running(f"flush-{i}", intake.run()) for i in range(flushers)]
    for task in tasks:
        await task.__aenter__()
    try:
        yield intake
    finally:
        await intake.drain()
        for task in tasks:
            await task.__aexit__(None, None, None)
