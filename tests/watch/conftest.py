"""A collector as tests/web has it, and what tests of its rounds say of our own chains."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from tests.make import NOON, Issued
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "serve", "site", "tick"]


async def serve(
    pool: asyncpg.Pool,
    host: str,
    chain: Sequence[Issued],
    *,
    first: datetime = NOON - timedelta(days=30),
    last: datetime = NOON,
    trusted: bool = True,
) -> None:
    """As a probe writes down what it saw."""
    spki = bytes.fromhex(chain[0].pin_hex)
    await pool.execute(
        "INSERT INTO served_chain (id, host, port, ders, leaf, trusted, first_seen, last_seen)"
        " VALUES (substr(sha256($1::bytea), 1, 16), $2, 443, $3, $4, $5, $6, $7)",
        spki + host.encode(), host, [one.der for one in chain], spki, trusted, first, last,
    )  # fmt: skip


async def tick(site: Site, *names: str) -> None:
    for name in names:
        await site.collector.tick(name)
