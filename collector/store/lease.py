"""One watcher of all replicas: a row that says who, renewed by the database's clock.

The epoch grows with each new holder, and every write of alerts and deliveries carries it: whoever slept
through the end of a lease changes nothing when it wakes.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg

from collector.errors import StoreError
from collector.store.connect import Connection

RENEW = timedelta(seconds=3)
LASTS = timedelta(seconds=10)
# A holder is sure of its lease for less long than others wait: its question may have taken a while.
_SURE = 8.0  # seconds
_WRITING = (
    "5s"  # that a transaction may sit idle with the lease held still: then its connection is cut
)


class StaleEpochError(StoreError):
    """Another watcher has taken over."""


_TAKE = """
INSERT INTO watcher_lease AS lease (id, holder, epoch, renewed_at)
VALUES (1, $1, 1, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET
    holder = $1, renewed_at = clock_timestamp(),
    epoch = CASE WHEN lease.holder = $1 THEN lease.epoch ELSE lease.epoch + 1 END
WHERE lease.holder = $1 OR lease.renewed_at <= clock_timestamp() - $2::interval
RETURNING epoch
"""


async def take(connection: Connection, holder: str) -> int | None:
    """Take the lease, or renew it; None: another has it. Returns the epoch.

    holder: of one process and start of it: who comes back under a name of before would be taken for
    the one that still holds it.
    """
    epoch: int | None = await connection.fetchval(_TAKE, holder, LASTS)
    return epoch


async def release(connection: Connection, holder: str) -> None:
    """The next one need not wait."""
    await connection.execute(
        "UPDATE watcher_lease SET renewed_at = '-infinity' WHERE holder = $1", holder
    )


async def hold(connection: Connection, epoch: int) -> None:
    """Nobody takes over until the transaction ends. Raises StaleEpochError if somebody has."""
    await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = '{_WRITING}'")
    found = await connection.fetchval(
        "SELECT 1 FROM watcher_lease WHERE epoch = $1 FOR SHARE", epoch
    )
    if found is None:
        raise StaleEpochError("another watcher has taken over")


class Lease:
    """A process's side of it: renew it every ``RENEW``; while ``epoch`` is a number it may write."""

    def __init__(self, pool: asyncpg.Pool, holder: str) -> None:
        self._pool = pool
        self.holder = holder
        self._epoch: int | None = None
        self._renewed = float("-inf")  # when the question began, not when its answer came

    @property
    def epoch(self) -> int | None:
        now = asyncio.get_running_loop().time()
        return self._epoch if now - self._renewed < _SURE else None

    async def renew(self) -> None:
        began = asyncio.get_running_loop().time()
        async with self._pool.acquire(timeout=_SURE) as connection:
            self._epoch = await take(connection, self.holder)
        self._renewed = began

    async def give_up(self) -> None:
        self._epoch = None
        async with self._pool.acquire(timeout=_SURE) as connection:
            await release(connection, self.holder)
