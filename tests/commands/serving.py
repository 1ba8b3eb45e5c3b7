"""A running `pinfall serve`: its processes, its lines on stderr, its numbers."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.commands.process import environment, gone

DEADLINE = 60.0  # seconds; far more than anything here takes


def until(is_so: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)


def ask(url: str, body: bytes | None = None) -> tuple[int, Any]:
    """Over a connection of its own."""
    try:
        with urllib.request.urlopen(url, data=body, timeout=DEADLINE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@dataclass
class Serve:
    process: subprocess.Popen[bytes]
    stderr: Path
    key: str

    def events(self, name: str) -> list[dict[str, Any]]:
        """Lines of the log, oldest first."""
        lines = [line for line in self.stderr.read_text().splitlines() if line.startswith("{")]
        return [told for line in lines if (told := json.loads(line))["event"] == name]

    @property
    def started(self) -> dict[str, Any]:
        return self.events("collector.started")[0]

    @property
    def port(self) -> int:
        return int(self.started["public"])

    @property
    def ingest(self) -> str:
        return f"http://127.0.0.1:{self.port}/r/{self.key}"

    @property
    def operator(self) -> str:
        return f"http://127.0.0.1:{self.started['operator']}"

    def workers(self) -> dict[int, int]:
        """Process of each worker's newest life, by its number."""
        return {told["worker"]: told["pid"] for told in self.events("worker.started")}

    def ready(self) -> tuple[int, dict[str, Any]]:
        status, body = ask(self.operator + "/readyz")
        return status, json.loads(body)

    def metrics(self) -> dict[str, float]:
        _, body = ask(self.operator + "/metrics")
        lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def counted(self, received: int) -> dict[str, float]:
        """The metrics, once they hold so many items: on a slow machine a scrape may be a look
        behind."""
        name = "pinfall_reports_received_total"
        until(lambda: self.metrics()[name] >= received, f"{received} received")
        return self.metrics()

    def results(self) -> dict[str, float]:
        """Items by result, of all projects and dialects."""
        sums: dict[str, float] = {}
        for name, value in self.metrics().items():
            if name.startswith("pinfall_reports_total{"):
                result = name.partition('result="')[2].partition('"')[0]
                sums[result] = sums.get(result, 0) + value
        return sums


@contextmanager
def serve(
    url: str,
    key: str,
    place: Path,
    *,
    workers: int | None = 2,
    more: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    python: Sequence[str] = ("-m", "collector"),
    cwd: Path = Path("/"),
) -> Iterator[Serve]:
    """Run `serve` on free ports until the block ends; then none of its processes is left."""
    told = {
        "PINFALL_DATABASE_URL": url,
        "PINFALL_PUBLIC_ADDRESS": "127.0.0.1:0",
        "PINFALL_OPERATOR_ADDRESS": "127.0.0.1:0",
    }
    stderr = place / "stderr"
    with stderr.open("wb") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                *python,
                "serve",
                *([] if workers is None else ["--workers", str(workers)]),
                *more,
            ],
            stderr=file,
            cwd=cwd,
            env=environment(**told, **(env or {})),
            process_group=0,
        )
    serving = Serve(process, stderr, key)
    try:
        until(
            lambda: bool(serving.events("collector.started")) or process.poll() is not None, "start"
        )
        if process.poll() is not None:
            pytest.fail(f"serve ended: {stderr.read_text()}")
        yield serving
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
        pids = [told["pid"] for told in serving.events("worker.started")]
        left = [pid for pid in pids if not gone(pid)]
        assert not left, stderr.read_text()


async def post_all(
    serving: Serve, bodies: Sequence[bytes], *, at_once: int = 40
) -> list[tuple[int, dict[str, Any]]]:
    """Each over a connection of its own, so that each finds a worker of its own."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(at_once) as threads:
        tasks = [loop.run_in_executor(threads, ask, serving.ingest, body) for body in bodies]
        return [(status, json.loads(told)) for status, told in await asyncio.gather(*tasks)]
