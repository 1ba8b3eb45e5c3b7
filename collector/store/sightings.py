"""Sightings: the raw material of counting affected installs."""

from __future__ import annotations

from datetime import datetime

from collector.store.connect import Connection


async def forget_before(connection: Connection, at: datetime) -> None:
    await connection.execute("DELETE FROM sighting WHERE received_at < $1", at)
