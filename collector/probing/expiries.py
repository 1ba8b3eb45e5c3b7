"""When what is served ends: for a metric, so that alert rules can look ahead."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from collector.reports.certificates import facts, role
from collector.store import served

_NOW = timedelta(minutes=30)  # a chain that no probe saw for so long is not served now


async def expiries(pool: asyncpg.Pool, now: datetime) -> dict[tuple[str, str], float]:
    """By (host, role): when the first certificate of that role ends, in seconds since 1970."""
    async with pool.acquire() as connection:
        chains = await served.served_now(connection, now - _NOW)
    ends: dict[tuple[str, str], float] = {}
    for host, _, chain in chains:
        for place, certificate in enumerate(chain):
            end = facts(certificate.der).not_after
            if end is not None:
                key = host, role(place, certificate)
                ends[key] = min(ends.get(key, end.timestamp()), end.timestamp())
    return ends
