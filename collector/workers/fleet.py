"""The supervisor's end: starts workers, starts again those that die, adds up what they count."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

import structlog

from collector.background import running
from collector.errors import PinfallError
from collector.metrics import Metrics
from collector.workers import cores, merge
from collector.workers.link import Failed, Snapshot, hear
from collector.workers.worker import Worker, pause

log = structlog.get_logger()

Tick = Callable[[], Awaitable[None]]

_START = 60.0  # seconds that the first start may take
_STOP = 30.0  # that a worker may take: 15 for requests in flight, the rest to flush and close
_LONG = 10.0  # a worker that lived so long is started again at once
_ANSWER = 0.2  # that a scrape waits for new numbers
_SILENT = 10.0  # then a worker counts as not alive
_LOOK = 0.02  # between looks whether a worker that hung up has ended


class Fleet:
    """``start``: (descriptor, number) to the command line of a worker. ``starter``: whose thread starts
    them, and whose priority they have; None: any. ``own_cores``: one for each worker, or none.

    ``past``: what workers counted that are no more. Sums never go down when a worker does; what it
    counted after its last snapshot, of about a second, is in the ledger alone.
    """

    def __init__(
        self,
        workers: int,
        start: Callable[[int, int], Sequence[str]],
        metrics: Metrics,
        starter: Executor | None = None,
        own_cores: Sequence[int] = (),
    ) -> None:
        self.size = workers
        self._cores = own_cores
        self.past = merge.Sums()
        self._start = start
        self._metrics = metrics
        self._workers: list[Worker] = []
        self._asked = 0
        self._starter = starter
        self._stopping = asyncio.Event()

    @property
    def alive(self) -> int:
        """Workers that were heard of a moment ago."""
        now = asyncio.get_running_loop().time()
        return sum(
            worker.newest is not None and now - worker.heard_at < _SILENT
            for worker in self._workers
        )

    @property
    def is_down(self) -> bool:
        """Whether the last commit of each failed."""
        told = self._snapshots()
        return bool(told) and all(snapshot.is_down for snapshot in told)

    def warning(self) -> str | None:
        """What a worker warns of, if one does."""
        return next((told.warning for told in self._snapshots() if told.warning), None)

    async def exposition(self) -> bytes:
        """The metrics of this process and of all workers, those that are no more among them."""
        await self._look_again()
        own = merge.families(self._metrics.registry.collect())
        workers = [snapshot.families for snapshot in self._snapshots()]
        return merge.exposition([own, *workers, self.past.families()])

    def forgetting_projects(self, tick: Tick) -> Tick:
        """A round that reads which projects there are: those that are gone leave the past, too.

        Only what was there before the reading: a worker that died meanwhile may have known more.
        """

        async def round_() -> None:
            before = self.past.owners()
            await tick()
            gone = {project for project, _ in before if not self._metrics.knows(project)}
            self.past.forget(lambda owner: owner[0] in gone)

        return round_

    def forgetting_hosts(self, tick: Tick) -> Tick:
        """The same of a round that reads which hosts are admitted."""

        async def round_() -> None:
            before = self.past.owners()
            await tick()
            knows = self._metrics.knows
            gone = {owner for owner in before if knows(owner[0]) and not knows(*owner)}
            self.past.forget(lambda owner: owner in gone)

        return round_

    def _snapshots(self) -> list[Snapshot]:
        return [worker.newest for worker in self._workers if worker.newest is not None]

    async def _look_again(self) -> None:
        self._asked += 1
        asked = [worker.ask(self._asked) for worker in self._workers]
        answers = [answer for answer in asked if answer is not None]
        if answers:
            await asyncio.wait(answers, timeout=_ANSWER)
        for answer in answers:
            answer.cancel()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Workers for the life of the block. Raises PinfallError if one cannot start at first."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            self._workers = [Worker(n, loop.create_future()) for n in range(1, self.size + 1)]
            for worker in self._workers:
                name = f"worker-{worker.number}"
                await stack.enter_async_context(running(name, self._keep(worker)))
            stack.push_async_callback(self._stop)
            firsts = [worker.first for worker in self._workers]
            await asyncio.wait(firsts, timeout=_START, return_when=asyncio.FIRST_EXCEPTION)
            for first in firsts:
                if not first.done():
                    first.cancel()
            failed = [e for f in firsts if not f.cancelled() and (e := f.exception())]
            if failed:
                raise failed[0]
            if any(first.cancelled() for first in firsts):
                raise PinfallError(f"workers do not listen after {_START:.0f} s")
            yield

    async def _keep(self, worker: Worker) -> None:
        try:
            await self._lives(worker)
        finally:
            worker.ended.set()
        await asyncio.Event().wait()  # whoever ends by itself ends the process

    async def _lives(self, worker: Worker) -> None:
        """One life after the other, until all stop or the first does not begin."""
        loop = asyncio.get_running_loop()
        short_lives = 0
        while True:
            began = loop.time()
            try:
                how = await self._live(worker)
            except OSError as error:  # no process to be had
                how = {"reason": error.strerror or type(error).__name__}
            if not worker.first.done():
                reason = how.get("reason") or f"it ended: {how}"
                worker.first.set_exception(PinfallError(str(reason)))
                return
            if self._stopping.is_set():
                return
            log.error("worker.died", worker=worker.number, **how)
            self._metrics.worker_restarts.inc()
            short_lives = 0 if loop.time() - began >= _LONG else short_lives + 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause(short_lives))
                return

    async def _live(self, worker: Worker) -> dict[str, object]:
        """One life, to its end; how it ended."""
        ours, theirs = socket.socketpair()
        with ours:  # until the loop has it
            ours.setblocking(False)
            with theirs:
                line = self._start(theirs.fileno(), worker.number)
                core = self._cores[worker.number - 1] if self._cores else None
                start = partial(_start, line, theirs.fileno(), core)
                process = await asyncio.get_running_loop().run_in_executor(self._starter, start)
            worker.process = process
            if self._stopping.is_set():
                process.terminate()
            reader, writer = await asyncio.open_connection(sock=ours.dup())
        worker.writer = writer
        failed = await self._hear_out(worker, reader, process.pid)
        worker.writer = None
        writer.close()  # a worker that lives and cannot be understood stops, too
        try:
            async with asyncio.timeout(_STOP):
                code = await _ended(process)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            code = await _ended(process)
        worker.process = None
        self._bury(worker)
        if failed:
            return {"reason": failed.reason}
        if code < 0:
            return {"signal": signal.Signals(-code).name}
        return {"exit_code": code}

    async def _hear_out(
        self, worker: Worker, reader: asyncio.StreamReader, pid: int
    ) -> Failed | None:
        """Keep the newest snapshot until there are no more."""
        loop = asyncio.get_running_loop()
        failed = None
        while (told := await hear(reader)) is not None:
            if isinstance(told, Failed):
                failed = told
                continue
            if worker.newest is None:
                log.info("worker.started", worker=worker.number, pid=pid)
            worker.newest = told
            worker.heard_at = loop.time()
            worker.answered(told.answers)
            if not worker.first.done():
                worker.first.set_result(None)
        return failed

    def _bury(self, worker: Worker) -> None:
        """In one step: a scrape finds it here or there, never twice or not at all."""
        last, worker.newest = worker.newest, None
        worker.answered(float("inf"))
        if last is not None:
            self.past.add(last.families, gauges=False)
            self._metrics.unanswered.inc(merge.value(last.families, "pinfall_waiting_reports"))

    async def _stop(self) -> None:
        """All at once; each may finish what it has."""
        self._stopping.set()
        for worker in self._workers:
            if worker.process is not None:
                _signal(worker.process, signal.SIGTERM)
        ended = [asyncio.create_task(worker.ended.wait()) for worker in self._workers]
        await asyncio.wait(ended, timeout=_STOP)
        for worker in self._workers:
            if worker.process is not None:
                log.error("worker.killed", worker=worker.number, seconds=_STOP)
                _signal(worker.process, signal.SIGKILL)
        await asyncio.wait(ended)


def _start(line: Sequence[str], link: int, core: int | None) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(line, pass_fds=(link,), stdin=subprocess.DEVNULL)
    if core is not None:
        cores.give(process.pid, core)
    return process


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code, once it has ended."""
    while (code := process.poll()) is None:  # noqa: ASYNC110 (it tells by no event)
        await asyncio.sleep(_LOOK)
    return code


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):  # it ended meanwhile
        process.send_signal(number)
