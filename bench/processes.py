"""Starting what is measured: processes that end with this one, however it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from collector.embedded import child
from collector.errors import PinfallError
from collector.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
_READY = 60.0  # seconds


def start(
    *arguments: str, env: Mapping[str, str] | None = None, piped: bool = False
) -> subprocess.Popen[str]:
    """`python ARGUMENTS` from this checkout. No settings from outside reach it.

    piped: its standard input and output are ours.
    """
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PINFALL_")}
    inherited = {**clean, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    # By way of child.py, which asks the kernel for a signal when this process dies.
    guard = [sys.executable, "-I", "-S", child.__file__, str(os.getpid()), "self"]
    pipe = subprocess.PIPE if piped else None
    return subprocess.Popen(
        [*guard, sys.executable, *arguments],
        env={**inherited, **(env or {})},
        stdin=pipe,
        stdout=pipe,
        start_new_session=True,  # Ctrl-C is for this process, which then stops them in order
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Politely, then not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[str], name: str) -> None:
    """Until it answers on /healthz. Raises PinfallError if it ends before."""
    deadline = time.monotonic() + _READY
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PinfallError(f"{name} ended with {process.returncode} before it answered")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
            return
        time.sleep(0.05)
    raise PinfallError(f"{name} does not answer after {_READY:.0f} s")


def collector_settings(url: str, public: int, operator: int, data: Path) -> dict[str, str]:
    """As an operator behind a proxy on this machine sets them, with all that keeps reports safe;
    files go under ``data``."""
    has_spool = any(field.name == "spool_dir" for field in fields(Settings))
    spool = {"PINFALL_SPOOL_DIR": str(data / "spool")} if has_spool else {}
    return {
        **spool,
        "PINFALL_DATABASE_URL": url,
        "PINFALL_PUBLIC_ADDRESS": f"127.0.0.1:{public}",
        "PINFALL_OPERATOR_ADDRESS": f"127.0.0.1:{operator}",
        "PINFALL_TRUSTED_PROXIES": "127.0.0.0/8",
        "PINFALL_LOG_LEVEL": "warning",
        "XDG_DATA_HOME": str(data),
    }


class Generator:
    """The process that makes the load."""

    def __init__(self) -> None:
        self._process = start("-m", "bench.generator", piped=True)
        self.pid = self._process.pid
        self._hear("made")

    def close(self) -> None:
        stop(self._process)

    def prepare(
        self, port: int, path: str, *, kind: str = "load", connections: int = 256,
        seconds: float, rate: float | None = None, fresh: int = 1,
    ) -> None:  # fmt: skip
        """Open connections. rate None: closed loop. fresh: chains that nobody has seen."""
        self._say(
            {"port": port, "path": path, "kind": kind, "connections": connections,
             "seconds": seconds, "rate": rate, "fresh": max(fresh, 1)}
        )  # fmt: skip
        self._hear("ready")

    def go(self) -> None:
        self._say({})

    def until_ended(self) -> None:
        self._hear("ended")

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = self._hear("told")["round"]
        return found

    def _say(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def _hear(self, state: str) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        told: dict[str, Any] = json.loads(line) if line else {}
        if told.get("state") != state:
            raise PinfallError("the load generator ended; what it said is above")
        return told


@contextlib.contextmanager
def generator() -> Iterator[Generator]:
    made = Generator()
    try:
        yield made
    finally:
        made.close()
