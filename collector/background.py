"""Background tasks: none dies in silence."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from collector.metrics import Metrics

log = structlog.get_logger()
T = TypeVar("T")
died: list[str] = []  # tasks that ended by themselves: the process then exits with 1


async def every(
    interval: timedelta,
    name: str,
    tick: Callable[[], Awaitable[None]],
    metrics: Metrics,
    first: timedelta | None = None,
) -> None:
    """Run ``tick`` for ever, the first time after ``first``.

    A failed round is counted, logged when it is the first, tried again.

    A round is given five intervals, at least two minutes: a stuck query must not stop the task, and the first
    look at thousands of hosts takes its time.
    """
    seconds = interval.total_seconds()
    failing = False
    wait = seconds if first is None else first.total_seconds()
    while True:
        await asyncio.sleep(wait)
        wait = seconds
        try:
            async with asyncio.timeout(max(5 * seconds, 120)):
                await tick()
        except Exception as error:  # noqa: BLE001 (whatever it was, the next round comes)
            metrics.ticks.labels(task=name, result="error").inc()
            if not failing:
                log.error("background.failed", task=name, error=type(error).__name__)
            failing = True
        else:
            metrics.ticks.labels(task=name, result="ok").inc()
            if failing:
                log.info("background.recovered", task=name)
            failing = False


_late: set[asyncio.Task[Any]] = set()  # or they would be collected while they run


async def within(seconds: float, coroutine: Coroutine[None, None, T]) -> T:
    """The result, or TimeoutError after so many seconds, whatever happens.

    Unlike ``asyncio.timeout`` it does not wait for the coroutine to notice: a driver whose server
    hangs takes as long to give up a query as it takes to do it.
    """
    task = asyncio.create_task(coroutine)
    _late.add(task)
    task.add_done_callback(_late.discard)
    await asyncio.wait((task,), timeout=seconds)
    if task.done():
        return task.result()
    task.add_done_callback(lambda late: late.cancelled() or late.exception())  # heard, and let go
    raise TimeoutError


class SharedLook:
    """Something that is asked for at most once a second; who comes meanwhile gets the same answer.

    Raises what the look raised, also to those who come within the second after: they do not know
    any better.
    """

    def __init__(self, look: Callable[[], Coroutine[None, None, None]], patience: float) -> None:
        self._look = look
        self._patience = patience
        self._task: asyncio.Task[None] | None = None
        self._began = float("-inf")

    async def __call__(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._task is None or (self._task.done() and now - self._began >= 1.0):
            self._began = now
            self._task = asyncio.create_task(within(self._patience, self._look()))
            self._task.add_done_callback(lambda t: t.cancelled() or t.exception())
        await asyncio.shield(self._task)


@asynccontextmanager
async def running(name: str, coroutine: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run a coroutine for the life of the block.

    If it ends by itself the process ends, in order: half a collector that looks healthy is worse
    than a restart.
    """

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            died.append(name)
            log.critical("background.died", task=name, exc_info=task.exception())
            signal.raise_signal(signal.SIGTERM)

    task = asyncio.create_task(coroutine, name=name)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.remove_done_callback(ended)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
