"""Sightings: the raw material of counting affected installs."""

from __future__ import annotations

from datetime import datetime

from collector.store import chunks
from collector.store.connect import Connection


async def forget_before(connection: Connection, at: datetime) -> bool:
    """Delete some; whether there may be more."""
    return await chunks.delete_some(connection, "sighting", "received_at < $1", at)
