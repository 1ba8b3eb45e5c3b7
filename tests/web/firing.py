"""Alerts in a collector's database, as its watcher writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg
import pytest

from collector.alert import Alert, Event
from collector.store import alerts, outbox
from collector.store.outbox import Owed
from tests.make import NOON
from tests.notify.making import alert
from tests.web.conftest import Site

# Held for ever, so that the collector's own watcher changes nothing.
_HOLD = """
INSERT INTO watcher_lease (id, holder, epoch, renewed_at) VALUES (1, 'the test', 1, 'infinity')
"""
EPOCH = 1


@pytest.fixture(autouse=True)
async def nobody_watches(pool: asyncpg.Pool) -> None:
    """Before the collector starts: what a test writes stays as it is."""
    await pool.execute(_HOLD)


async def fire(site: Site, **chosen: Any) -> Alert:
    """An alert of api.example.com in the project default, or as chosen."""
    async with site.pool.acquire() as connection, connection.transaction():
        return await alerts.write(
            connection, alert(**{"kind": "pin_failure_spike", **chosen}), EPOCH
        )


async def owe(
    site: Site, told: Alert, *channels: str, event: Event = Event.FIRED, now: datetime = NOON
) -> None:
    async with site.pool.acquire() as connection, connection.transaction():
        owed = [Owed(channel) for channel in channels]
        await outbox.put(connection, told, event, owed, epoch=EPOCH, now=now)
