"""Connections to Postgres, and what its refusals mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from collector.errors import StoreError

# What says that Postgres, and not the data, is at fault: try again later.
STORE_DOWN = (
    OSError,  # refused, reset, and TimeoutError
    asyncpg.PostgresError,  # shutting down, too many connections, disk full, read-only, deadlock
    asyncpg.InterfaceError,  # the connection was lost while in use,
    asyncpg.InternalClientError,  # and the driver noticed only halfway
)
_SQLSTATES = ("22", "23", "54")  # data exception, integrity constraint, program limit

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


def refuses_the_row(error: BaseException) -> str | None:
    """The SQLSTATE, or what stands for it, if a value is refused by Postgres or its driver."""
    if isinstance(error, asyncpg.PostgresError):
        if isinstance(error, asyncpg.CheckViolationError) and error.constraint_name is None:
            return None  # the day's partition is not there: not the row's fault
        state = error.sqlstate or ""
        return state if state[:2] in _SQLSTATES else None
    # asyncpg's own "invalid input for query argument" is a ValueError, as are Unicode errors.
    return "22000" if isinstance(error, ValueError | TypeError | OverflowError) else None


class _Writing(asyncpg.Connection):
    """One that is given up after use if it may only read: since a fail-over, or a change of the
    database, which none that is open ever hears of, the next one leads to where writing is allowed."""

    async def reset(self, *, timeout: float | None = None) -> None:
        told = self.get_settings()  # Postgres reports these two by itself
        if "on" in (
            getattr(told, "default_transaction_read_only", "off"),
            getattr(told, "in_hot_standby", "off"),
        ):
            self.terminate()
            return
        await super().reset(timeout=timeout)


class _Lasting(_Writing):
    """One whose users leave nothing behind, and which need not be wiped after each."""

    def get_reset_query(self) -> str:
        return ""


async def open_pool(
    url: str, *, size: int = 8, seconds: float = 30, flushing: bool = False, least: int = 1
) -> asyncpg.Pool:
    """A pool that opens connections as they are needed. Raises StoreError if none can be opened.

    flushing: for batches only. Nested loops are off: see ``failures``; and nothing is planned anew, since no
    plan of theirs depends on what is in a batch. least: 0 opens none now, and so does not notice whether
    Postgres is there.
    """
    # Compiling takes longer than any query of ours that is worth it.
    settings = {"application_name": "pinfall", "timezone": "UTC", "jit": "off"}
    if flushing:
        settings |= {"enable_nestloop": "off", "plan_cache_mode": "force_generic_plan"}
    try:
        return await asyncpg.create_pool(
            url,
            min_size=least,
            max_size=size,
            command_timeout=seconds,
            timeout=10,
            server_settings=settings,
            connection_class=_Lasting if flushing else _Writing,
        )
    except STORE_DOWN as error:
        raise StoreError(f"Postgres does not answer: {no_password(error, url)}") from None
    except ValueError as error:
        raise StoreError(f"PINFALL_DATABASE_URL: {no_password(error, url)}") from None


@asynccontextmanager
async def lent(pool: asyncpg.Pool, seconds: float) -> AsyncIterator[Connection]:
    """A connection for so long. Raises TimeoutError after it, whatever happens: the connection is
    cut, because a driver whose server hangs takes as long to give up a query as it takes to do it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    is_cut = False

    def cut() -> None:
        nonlocal is_cut
        is_cut = True
        connection.terminate()

    async with pool.acquire(timeout=seconds) as connection:
        timer = loop.call_at(until, cut)
        try:
            yield connection
        except STORE_DOWN as error:
            if is_cut:
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()


def no_password(error: BaseException, url: str) -> str:
    """An error's words without the URL, which may hold a password."""
    words = str(error) or type(error).__name__
    return words.replace(url, "the URL").splitlines()[0]
