"""Starting `pinfall` as people do: another process, another user, another directory."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PINFALL_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def pinfall(
    *arguments: object,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "collector", *map(str, arguments)],
        input=stdin, capture_output=True, check=False, cwd="/", env=env or environment(), timeout=120, user=user,
    )  # fmt: skip
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@dataclass
class Up:
    """A running `pinfall up`."""

    process: subprocess.Popen[str]
    data: Path
    told: str

    @property
    def ingest(self) -> str:
        return re.search(r"reports to +(\S+)", self.told)[1]

    @property
    def pages(self) -> str:
        return re.search(r"pages +(\S+)", self.told)[1]

    @property
    def curl(self) -> str:
        return re.search(r"try it +(curl .*)", self.told)[1]

    def example(self) -> bytes:
        return re.search(r"-d '([^']*)'", self.curl)[1].encode()

    def post(self, body: bytes) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(self.ingest, data=body, timeout=60) as answer:
                return json.loads(answer.read())  # type: ignore[no-any-return]
        except urllib.error.HTTPError as error:
            return {"status": error.code, **json.loads(error.read())}

    def totals(self) -> dict[str, dict[str, int]]:
        with urllib.request.urlopen(self.pages + "api/v1/totals", timeout=30) as answer:
            return json.loads(answer.read())["projects"]  # type: ignore[no-any-return]

    def postgres(self) -> int:
        return int((self.data / "postgres" / "postmaster.pid").read_text().split()[0])

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def up(
    data: Path, *arguments: object, user: str | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Up]:
    """Run `up` on free ports until the block ends."""
    command = [
        sys.executable,
        "-m",
        "collector",
        "up",
        "--data",
        str(data),
        "--port",
        "0",
        "--operator-port",
        "0",
    ]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=env or environment(), user=user,
    )  # fmt: skip
    assert process.stdout
    assert process.stderr
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail(f"up ended: {process.stderr.read()}")
        yield Up(process, data, "".join(lines))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)
        process.stdout.close()
        process.stderr.close()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def another_user() -> str:
    """An ordinary user that can read this checkout; skips where there is none."""
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    user = pwd.getpwnam("nobody").pw_name
    for path in (sys.executable, ROOT / "collector"):
        if subprocess.run(["test", "-r", path], check=False, user=user).returncode:
            pytest.skip("the checkout lies where only root can read it")
    return user


@contextmanager
def directory_of(user: str) -> Iterator[Path]:
    """A directory that belongs to a user, reachable by it (pytest's own are root's alone)."""
    place = Path(tempfile.mkdtemp(prefix="pinfall-test-"))
    try:
        entry = pwd.getpwnam(user)
        os.chown(place, entry.pw_uid, entry.pw_gid)
        place.chmod(0o755)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
