"""A processor core of its own for each worker.

A worker that shares a core with PostgreSQL waits for it while reports wait for the worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

import structlog

from collector.errors import PinfallError

log = structlog.get_logger()


def share_out(cores: Collection[int], workers: int) -> tuple[list[int], set[int]]:
    """(the core of each worker, those that are left for all others). The last ones are the workers':
    the first has more interrupts to see to. Raises PinfallError where none would be left."""
    if len(cores) <= workers:
        raise PinfallError(
            f"--own-cores needs more cores than workers: there are {len(cores)} for {workers}"
        )
    told = sorted(cores)
    return told[-workers:], set(told[:-workers])


def leave(workers: int) -> list[int]:
    """Keep off the workers' cores from now on, with every thread that begins later; which those are.
    Raises PinfallError."""
    if sys.platform != "linux":
        raise PinfallError("--own-cores is for Linux only")
    if not workers:
        raise PinfallError("--own-cores needs --workers 1 or more")
    own, others = share_out(os.sched_getaffinity(0), workers)
    try:
        os.sched_setaffinity(0, others)
    except OSError as error:
        raise PinfallError(f"--own-cores: no core may be chosen here: {error.strerror}") from None
    log.info("cores.own", workers=own, others=sorted(others))
    return own


def give(pid: int, core: int) -> None:
    """To a process that has just started: threads that it makes later stay there, too. Where the core is to be
    had no more, it shares those of the first process."""
    if sys.platform == "linux":
        try:
            os.sched_setaffinity(pid, {core})
        except ProcessLookupError:
            pass  # it has ended, which is told elsewhere
        except OSError as error:
            so = "this worker shares the first process' cores: restart serve, or leave out --own-cores"
            log.warning("core.not_given", pid=pid, core=core, error=error.strerror, so=so)
