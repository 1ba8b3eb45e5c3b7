from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from collector.errors import PinfallError
from collector.workers.cores import give, leave, share_out

_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no core can be chosen")


@pytest.mark.parametrize(
    ("cores", "workers", "own", "others"),
    [
        ({0, 1}, 1, [1], {0}),
        ({7, 2, 5, 3}, 2, [5, 7], {2, 3}),
        (range(64), 63, [*range(1, 64)], {0}),
    ],
)
def test_each_worker_has_one_and_others_the_rest(
    cores: set[int], workers: int, own: list[int], others: set[int]
) -> None:
    assert share_out(cores, workers) == (own, others)


@pytest.mark.parametrize(("cores", "workers"), [({3}, 1), ({0, 1}, 2), ({0, 1}, 64)])
def test_somebody_has_to_do_the_rest(cores: set[int], workers: int) -> None:
    with pytest.raises(PinfallError, match=f"there are {len(cores)} for {workers}"):
        share_out(cores, workers)


@_LINUX
def test_a_core_that_is_not_there_is_told_and_the_worker_goes_on() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        before = os.sched_getaffinity(process.pid)
        with capture_logs() as logs:
            give(process.pid, 1023)
        assert os.sched_getaffinity(process.pid) == before
        process.kill()
    (told,) = logs
    assert (told["event"], told["log_level"], told["core"]) == ("core.not_given", "warning", 1023)
    assert "--own-cores" in told["so"]
    with capture_logs() as logs:
        give(process.pid, 0)  # it has ended
    assert logs == []


@_LINUX
def test_what_was_asked_for_and_is_forbidden_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    with pytest.raises(PinfallError, match="Operation not permitted"):
        leave(1)
