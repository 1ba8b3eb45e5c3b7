"""`pinfall serve` as a process that is killed and started again, with what it logs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp

from tests.commands.process import environment, gone, is_alive
from tests.faults.hurt import children, send

_PATIENCE = 90.0  # seconds; generous: it is there for a machine that is busy
# What a log must not hold, whatever was done to Postgres, the disk or the processes.
_NEVER = {"flush.crashed", "spool.crashed", "request.crashed", "doubts.lost", "background.died"}


def free_port() -> int:
    """Below those that the system gives to whoever connects somewhere: it has to stay free while
    `serve` is down."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with contextlib.suppress(OSError), socket.socket() as found:
            found.bind(("127.0.0.1", port))
            return port


class Serve:
    """One after the other at the same ports, over the same spool."""

    def __init__(
        self, place: Path, database_url: str, workers: int, spool: Path | None, **more: str
    ) -> None:
        self.workers = workers
        self.spool = spool
        self.log = place / "serve.log"
        self.public = f"http://127.0.0.1:{free_port()}"
        self.operator = f"http://127.0.0.1:{free_port()}"
        self._env = environment(
            PINFALL_DATABASE_URL=database_url,
            PINFALL_PUBLIC_ADDRESS=self.public.removeprefix("http://"),
            PINFALL_OPERATOR_ADDRESS=self.operator.removeprefix("http://"),
            PINFALL_LOG_FORMAT="json",
            **({"PINFALL_SPOOL_DIR": str(spool)} if spool else {}),
            **more,
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0  # of processes that take reports; those before took their numbers along

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def worker_pids(self) -> list[int]:
        return children(self.pid)

    async def start(self) -> None:
        """Until it takes reports."""
        self.starts += 1
        said = self.said("collector.started")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "collector", "serve", "--migrate",
                    "--workers", str(self.workers),
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=self._env,
            )  # fmt: skip
        async with asyncio.timeout(_PATIENCE), aiohttp.ClientSession() as session:
            while True:
                if self._process.poll() is not None:
                    raise AssertionError(f"serve ended: {self.log.read_text()[-2000:]}")
                try:
                    async with session.get(f"{self.public}/healthz") as answer:
                        # Also when it is not somebody else who answers there.
                        if answer.status == 200 and self.said("collector.started") > said:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """The one that was started; workers of it end by themselves."""
        workers = self.worker_pids()
        send([self.pid], signal.SIGKILL)
        assert self._process is not None
        await asyncio.to_thread(self._process.wait)
        for pid in workers:
            assert await asyncio.to_thread(gone, pid, _PATIENCE), "a worker outlives its supervisor"

    def kill_worker(self, number: int) -> None:
        """One of the workers; where there are none, see ``kill``."""
        self.starts += 1
        send(self.worker_pids()[number : number + 1], signal.SIGKILL)

    async def freeze_worker(self, number: int, seconds: float) -> None:
        pids = self.worker_pids()[number : number + 1]
        send(pids, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            send(pids, signal.SIGCONT)

    async def kill_while_stopping(self, seconds: float) -> None:
        """Tell it to stop, and kill all of it so much later."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        await asyncio.sleep(seconds)
        pids = [self.pid, *self.worker_pids()]
        send(pids, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        for pid in pids[1:]:
            assert await asyncio.to_thread(gone, pid, _PATIENCE)

    async def workers_are_back(self) -> None:
        async with asyncio.timeout(_PATIENCE):
            while len(self.worker_pids()) < self.workers:
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """In order; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self._process.wait, _PATIENCE)

    def end(self) -> None:
        """Whatever became of it."""
        if self._process is not None and self._process.poll() is None:
            pids = [self.pid, *self.worker_pids()]
            send(pids, signal.SIGKILL)
            self._process.wait()
            for pid in pids[1:]:
                gone(pid)

    def is_alive(self) -> bool:
        return self._process is not None and is_alive(self.pid)

    async def rounds(self, task: str, more: int) -> None:
        """Wait until a background task went round so many more times, whatever came of it."""
        name = "pinfall_background_ticks_total"
        until = (await self.metrics(f'task="{task}"'))[name] + more
        async with asyncio.timeout(_PATIENCE):
            while (await self.metrics(f'task="{task}"'))[name] < until:
                await asyncio.sleep(0.1)

    async def metrics(self, label: str = "") -> dict[str, float]:
        """Sums over all labels, or those samples that have this one, by name."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.operator}/metrics") as answer,
        ):
            text = await answer.text()
        told: dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#") and label in line:
                name = line.partition("{")[0].partition(" ")[0]
                told[name] = told.get(name, 0.0) + float(line.rpartition(" ")[2])
        return told

    async def answers(self, path: str) -> int:
        """The status of a page of the operator listener."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.operator}{path}") as answer,
        ):
            return answer.status

    def segments(self) -> list[Path]:
        return sorted(self.spool.glob("*.spool")) if self.spool else []

    def said(self, event: str) -> int:
        """How often its log says so."""
        if not self.log.exists():
            return 0
        return sum(told.get("event") == event for told in self.events())

    def events(self) -> list[dict[str, Any]]:
        """Lines of the log that are events."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def complaints(self, expected: frozenset[str] = frozenset()) -> list[str]:
        """What the log must not hold. expected: events that this fault brings about."""
        told = []
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                if "Traceback" in line or "Error" in line or "never awaited" in line:
                    told.append(f"log: {line[:200]}")
                continue
            name = event.get("event")
            if name not in expected and (name in _NEVER or "exception" in event):
                told.append(f"log: {name}: {str(event.get('exception', event))[-300:]}")
        return told
