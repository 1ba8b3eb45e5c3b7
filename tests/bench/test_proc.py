from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bench import proc
from bench.proc import _fields
from bench.processes import ROOT

_PARENT = """
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", "while True: pass"]).pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    """A process that waits, and its child that never does."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    child = int(parent.stdout.readline())
    try:
        yield parent.pid, child
    finally:
        subprocess.run(["kill", "-9", str(child), str(parent.pid)], check=True)
        parent.communicate()


def _states(pids: tuple[int, int]) -> list[str]:
    return [(_fields(pid) or ["gone"])[0] for pid in pids]


def _until(pids: tuple[int, int], *states: str) -> None:
    deadline = time.monotonic() + 30
    while not all(state in states for state in _states(pids)):
        assert time.monotonic() < deadline, _states(pids)
        time.sleep(0.01)


def test_who_stands_still_does_nothing_and_then_goes_on(family: tuple[int, int]) -> None:
    with pytest.raises(ZeroDivisionError), proc.standing_still(family[0]):
        _until(family, "T")
        before = proc.cpu_seconds(family)
        time.sleep(0.2)
        assert proc.cpu_seconds(family) == before
        1 / 0  # noqa: B018 (whatever happens meanwhile)
    _until(family, "S", "R")
    deadline = time.monotonic() + 30
    while proc.cpu_seconds(family) == before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


_BENCH = """
import sys, time
from bench import proc
with proc.standing_still(int(sys.argv[1])):
    print(flush=True)
    time.sleep(600)
"""


def test_who_stands_still_goes_on_when_the_bench_is_killed(family: tuple[int, int]) -> None:
    bench = subprocess.Popen(
        [sys.executable, "-c", _BENCH, str(family[0])], stdout=subprocess.PIPE, cwd=ROOT
    )
    with bench:
        try:
            assert bench.stdout
            bench.stdout.readline()
            _until(family, "T")  # a signal takes its time
        finally:
            bench.kill()
    _until(family, "S", "R")
