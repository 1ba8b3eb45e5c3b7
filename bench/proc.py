"""What processes cost, from /proc: CPU seconds of trees of processes, memory, foreign load."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# Columns of /proc/stat. Not irq and softirq: the kernel does loopback there, for our own processes.
_USER, _NICE, _SYSTEM, _STEAL = 0, 1, 2, 7


def _fields(pid: int) -> list[str] | None:
    """From the state on: [0] state, [1] parent, [11:15] user, system, and both of dead children."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants(*roots: int) -> set[int]:
    """The processes themselves and all below them."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _fields(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found: set[int] = set()
    ahead = list(roots)
    while ahead:
        pid = ahead.pop()
        if pid not in found:
            found.add(pid)
            ahead += children.get(pid, [])
    return found


# In a process of its own: those that stand still hear of nobody's death, and would stand for ever.
_STOPPER = """
import os, signal, sys

def tell(which):
    for pid in map(int, sys.argv[1:]):
        try:
            os.kill(pid, which)
        except ProcessLookupError:
            pass

tell(signal.SIGSTOP)
print(flush=True)
sys.stdin.read()  # to the end of who holds the other end, however that comes
tell(signal.SIGCONT)
"""


@contextlib.contextmanager
def standing_still(*roots: int) -> Iterator[None]:
    """These processes and all below them do nothing meanwhile, and then go on where they were; also when
    this process dies."""
    if not roots:
        yield
        return
    pids = map(str, descendants(*roots))
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _STOPPER, *pids],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    ) as stopper:  # fmt: skip
        assert stopper.stdin
        assert stopper.stdout
        try:
            stopper.stdout.readline()
            yield
        finally:
            stopper.stdin.close()


def keep_to(root: int, cores: Iterable[int]) -> None:
    """A process, all below it, and those that come later, use these cores only."""
    for pid in descendants(root):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(pid, cores)


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time until now, with that of their children that ended."""
    ticks = 0
    for pid in pids:
        if fields := _fields(pid):
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / _TICKS


def busy_seconds() -> tuple[float, float]:
    """CPU that all processes of the machine used until now, with what the host took away; and that alone."""
    with Path("/proc/stat").open() as file:
        values = [int(value) for value in file.readline().split()[1:]]
    stolen = values[_STEAL] / _TICKS
    return (values[_USER] + values[_NICE] + values[_SYSTEM]) / _TICKS + stolen, stolen


def resident_bytes(pid: int) -> int:
    """0 where it ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0
