"""The secret of the day, under which addresses are hashed until it is deleted."""

from __future__ import annotations

import secrets
from datetime import date

from collector.store.connect import Connection

_MAKE = "INSERT INTO day_secret (day, secret) VALUES ($1, $2) ON CONFLICT (day) DO NOTHING"
_READ = "SELECT secret FROM day_secret WHERE day = $1"


async def of_the_day(connection: Connection, day: date) -> bytes:
    """32 bytes, the same for every process."""
    found = await connection.fetchval(_READ, day)
    if found is None:
        await connection.execute(_MAKE, day, secrets.token_bytes(32))
        found = await connection.fetchval(_READ, day)
    return bytes(found)


async def forget_before(connection: Connection, day: date) -> None:
    await connection.execute("DELETE FROM day_secret WHERE day < $1", day)
