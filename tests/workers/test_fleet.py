"""A supervisor with small programs in the place of workers: those do what real ones should not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from collector.errors import PinfallError
from collector.metrics import OTHER, Metrics
from collector.workers import fleet as module
from collector.workers import merge
from collector.workers.fleet import Fleet
from collector.workers.worker import pause

_TALK = """
import os, socket, sys, time
from collector.metrics import Metrics
from collector.workers.link import Failed, Snapshot, framed
from collector.workers.merge import of_worker
link = socket.socket(fileno=int(sys.argv[1]))
metrics = Metrics()
metrics.receive(7)
metrics.result("unknown", "generic", "accepted", 5)
def tell(answers=0, warning=None, is_down=False):
    link.sendall(framed(Snapshot(answers, of_worker(metrics.registry.collect()), warning, is_down)))
"""


def _fleet(body: str, workers: int = 1) -> tuple[Fleet, Metrics]:
    metrics = Metrics()
    command = [sys.executable, "-c", _TALK + body]
    return Fleet(workers, lambda link, number: [*command, str(link), str(number)], metrics), metrics


async def _until(is_so: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.02)


def _counter(text: bytes, name: str) -> float:
    (line,) = [line for line in text.decode().splitlines() if line.startswith(name + " ")]
    return float(line.split()[1])


def test_the_first_restart_is_at_once_and_later_ones_take_their_time() -> None:
    assert [pause(n) for n in range(10)] == [0, 0, 0.5, 1, 2, 4, 8, 10, 10, 10]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("link.sendall(framed(Failed('no room')))", "^no room$"),
        ("sys.exit(3)", "'exit_code': 3"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("link.sendall(b'\\xff' * 100); time.sleep(60)", "SIGTERM|exit_code|SIGKILL"),
    ],
    ids=["says why", "ends", "is killed", "speaks another language"],
)
async def test_a_first_start_that_fails_is_told(
    body: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP", 0.5)
    fleet, _ = _fleet(body)
    with pytest.raises(PinfallError, match=words):
        async with fleet.running():
            pytest.fail("it runs")


async def test_a_start_does_not_take_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_START", 0.5)
    fleet, _ = _fleet("time.sleep(60)")
    with pytest.raises(PinfallError, match="do not listen"):
        async with fleet.running():
            pytest.fail("it runs")


async def test_a_program_that_cannot_be_started_is_told() -> None:
    fleet = Fleet(2, lambda *_: ["/nowhere/python"], Metrics())
    with pytest.raises(PinfallError, match="No such file"):
        async with fleet.running():
            pytest.fail("it runs")


async def test_the_dead_count_on_and_what_they_left_open_is_told(tmp_path: Path) -> None:
    """The first life ends; the second one stays."""
    mark = tmp_path / "was here"
    body = f"""
tell(warning="w")
if not os.path.exists({str(mark)!r}):
    open({str(mark)!r}, "w").close()
    sys.exit(4)
while link.recv(4096):
    pass
"""
    fleet, metrics = _fleet(body)
    async with fleet.running():
        await _until(lambda: metrics.worker_restarts._value.get() == 1 and fleet.alive == 1)
        assert fleet.warning() == "w"
        assert not fleet.is_down
        text = await fleet.exposition()
    received, left_open = (
        "pinfall_reports_received_total",
        "pinfall_worker_unanswered_reports_total",
    )
    assert _counter(text, received) == 14
    assert _counter(text, left_open) == 2  # of the first
    assert _counter(text, "pinfall_waiting_reports") == 2  # of the second
    assert fleet.alive == 0


async def test_a_worker_that_does_not_answer_holds_up_no_scrape() -> None:
    fleet, _ = _fleet("tell(is_down=True)\ntime.sleep(60)", workers=2)
    async with fleet.running():
        async with asyncio.timeout(5):
            texts = await asyncio.gather(*(fleet.exposition() for _ in range(5)))
        assert {_counter(text, "pinfall_reports_received_total") for text in texts} == {14}
        assert fleet.is_down


async def test_a_scrape_gets_numbers_of_now() -> None:
    """The worker says something new only when it is asked."""
    body = """
tell()
asked = 0
while link.recv(4096):
    asked += 1
    metrics.receive(1)
    tell(answers=asked)
"""
    fleet, _ = _fleet(body)
    async with fleet.running():
        for expected in (8, 9, 10):
            text = await fleet.exposition()
            assert _counter(text, "pinfall_reports_received_total") == expected


async def test_a_worker_that_will_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STOP", 0.3)
    body = "import signal\nsignal.signal(15, signal.SIG_IGN)\ntell()\ntime.sleep(60)"
    fleet, _ = _fleet(body)
    async with asyncio.timeout(30):
        async with fleet.running():
            assert fleet.alive == 1


def _with_past(**hosts: tuple[str, ...]) -> tuple[Fleet, Metrics]:
    """What a worker that died knew, by project."""
    fleet, metrics = _fleet("")
    dead = Metrics()
    for project, names in hosts.items():
        dead.know_project(project)
        for name in names:
            dead.know_host(project, name)
    fleet.past.add(merge.of_worker(dead.registry.collect()), gauges=False)
    return fleet, metrics


def _reading(act: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def tick() -> None:
        act()

    return tick


async def test_the_past_forgets_hosts_that_were_released_and_no_others() -> None:
    fleet, metrics = _with_past(p=("kept", "released", OTHER), new=("unread",))
    metrics.keep_projects(["p"])

    def read() -> None:
        metrics.know_host("p", "kept")
        # A worker dies while Postgres answers: what it brings is newer than the answer.
        late = Metrics()
        late.know_project("p")
        late.know_host("p", "late")
        fleet.past.add(merge.of_worker(late.registry.collect()), gauges=False)

    await fleet.forgetting_hosts(_reading(read))()
    owners = fleet.past.owners()
    assert {("p", "kept"), ("p", "late"), ("p", OTHER), ("new", "unread"), ("p", None)} <= owners
    assert ("p", "released") not in owners


async def test_the_past_forgets_projects_that_were_deleted_and_their_hosts() -> None:
    fleet, metrics = _with_past(p=("a",), gone=("b", OTHER))
    await fleet.forgetting_projects(_reading(lambda: metrics.keep_projects(["p"])))()
    assert {project for project, _ in fleet.past.owners()} == {"p", "unknown"}
    assert ("p", "a") in fleet.past.owners()  # that is for the round that reads hosts to say
