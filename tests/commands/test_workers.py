"""`serve --workers`: real processes at one port, killed in all the ways there are."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from collector.embedded.server import Server
from collector.store import ledger, projects
from tests.commands.process import ROOT, environment, gone, pinfall
from tests.commands.serving import Serve, ask, post_all, serve, until
from tests.make import NOON, body, neutral, window


@pytest.fixture
async def key(pool: asyncpg.Pool) -> str:
    async with pool.acquire() as connection:
        await projects.add(connection, "default", [], NOON)
        return await projects.add_key(
            connection, "default", app="wallet", environment="production", trusted=False, now=NOON
        )


@pytest.fixture
async def serving(database_url: str, key: str, tmp_path: Path) -> Iterator[Serve]:  # type: ignore[misc]
    with serve(database_url, key, tmp_path) as started:
        yield started


def _bodies(count: int, name: str = "e") -> list[bytes]:
    return [body(neutral(event_id=f"{name}-{n}")) for n in range(count)]


def _sockets(pid: int) -> int:
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(entry).startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


@contextmanager
def _connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    opened = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def _are_counters(metrics: dict[str, float]) -> dict[str, float]:
    return {
        name: value
        for name, value in metrics.items()
        if re.match(r"\w+_(total|bucket|count|sum)(\{|$)", name)
    }


async def test_two_workers_answer_at_one_port_and_all_of_it_is_counted_once(
    serving: Serve, pool: asyncpg.Pool
) -> None:
    pids = serving.workers()
    assert sorted(pids) == [1, 2]
    before = {pid: _sockets(pid) for pid in pids.values()}
    with _connections(serving.port, 60):
        until(lambda: all(_sockets(pid) >= before[pid] + 5 for pid in before), "both have some")
    fresh = _bodies(200)
    refused = [b"{}", b"nonsense"] * 10
    answers = await post_all(serving, [*fresh, *fresh[:80], *refused])
    told = Counter(
        name
        for _, answer in answers
        for name in ("accepted", "duplicates", "rejected")
        for _ in range(answer.get(name, 0))
    )
    assert (told["accepted"], told["duplicates"]) == (200, 80)
    metrics, results = serving.counted(len(answers)), serving.results()
    assert metrics["pinfall_reports_received_total"] == len(answers)
    assert metrics["pinfall_waiting_reports"] == 0
    assert metrics["pinfall_ingest_seconds_count"] == len(answers)
    assert metrics['pinfall_build_info{version="0.1.0"}'] == 1
    assert results == {"accepted": 200, "duplicate": 80, "rejected": 20, "ignored": 0, "shed": 0}
    assert sum(results.values()) == metrics["pinfall_reports_received_total"]
    assert serving.ready() == (
        200,
        {"state": "ready", "warnings": [], "workers": {"alive": 2, "wanted": 2}},
    )
    # What both admitted is one host in the metrics, and the ledger agrees.
    async with asyncio.timeout(30), pool.acquire() as connection:
        while (await ledger.totals(connection))["default"].get("received") != len(answers):
            await asyncio.sleep(0.1)


async def test_a_killed_worker_comes_back_and_no_counter_goes_down(serving: Serve) -> None:
    await post_all(serving, _bodies(60, "before"))
    old = serving.workers()
    # Keep asking while it dies: a sum that goes down for a moment is seen.
    seen = [_are_counters(serving.counted(60))]
    os.kill(old[1], signal.SIGKILL)

    def has_new_one() -> bool:
        seen.append(_are_counters(serving.metrics()))
        return serving.workers()[1] != old[1]

    until(has_new_one, "worker 1 in a new process")
    assert gone(old[1])
    assert serving.workers()[2] == old[2]
    answers = await post_all(serving, _bodies(60, "after"))
    assert [answer["accepted"] for _, answer in answers] == [1] * 60
    seen.append(_are_counters(serving.metrics()))
    for earlier, later in itertools.pairwise(seen):
        fell = {name for name, value in earlier.items() if later.get(name, -1.0) < value}
        assert not fell
    metrics = serving.counted(120)
    assert metrics["pinfall_reports_received_total"] == 120
    assert serving.results()["accepted"] == 120
    assert metrics["pinfall_worker_restarts_total"] == 1
    assert metrics["pinfall_worker_unanswered_reports_total"] == 0
    (died,) = serving.events("worker.died")
    assert (died["worker"], died["signal"]) == (1, "SIGKILL")
    # What was stored by the one is a duplicate for all.
    again = await post_all(serving, _bodies(60, "before"))
    assert [answer["duplicates"] for _, answer in again] == [1] * 60


async def test_a_storm_with_deaths_keeps_what_was_answered(
    serving: Serve, pool: asyncpg.Pool
) -> None:
    """Whoever got a 200 is in the store once; received is results, waiting and what the dead left."""
    bodies = _bodies(400, "storm")

    async def kill() -> None:
        for worker in (1, 2, 1):
            lives = len(serving.events("worker.started"))
            os.kill(serving.workers()[worker], signal.SIGKILL)
            async with asyncio.timeout(60):
                while len(serving.events("worker.started")) == lives:
                    await asyncio.sleep(0.02)

    answered: dict[int, str] = {}

    async def post(number: int) -> None:
        """As a client that tries again until it is heard."""
        async with asyncio.timeout(60):
            while number not in answered:
                try:
                    status, told = await asyncio.to_thread(ask, serving.ingest, bodies[number])
                except OSError:  # the one that died had our connection
                    await asyncio.sleep(0.02)
                    continue
                if status == 200:
                    counts = json.loads(told)
                    answered[number] = "accepted" if counts["accepted"] else "duplicate"
                    assert counts["accepted"] + counts["duplicates"] == 1

    await asyncio.gather(kill(), *(post(n) for n in range(len(bodies))))
    stored = await pool.fetchval("SELECT count(*) FROM delivery")
    assert stored == len(bodies)

    def adds_up() -> bool:
        metrics, decided = serving.metrics(), sum(serving.results().values())
        left_open = metrics["pinfall_worker_unanswered_reports_total"]
        received = metrics["pinfall_reports_received_total"]
        return metrics["pinfall_waiting_reports"] == 0 and received == decided + left_open

    until(adds_up, "received is what became of all")
    assert serving.metrics()["pinfall_worker_restarts_total"] == 3


async def test_workers_do_not_outlive_a_killed_supervisor(serving: Serve) -> None:
    await post_all(serving, _bodies(4))
    pids, address = serving.workers(), ("127.0.0.1", serving.port)
    serving.process.kill()
    assert all(gone(pid, 10) for pid in pids.values())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)
    assert len(serving.events("supervisor.gone")) == 2


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT to all, as a terminal does"])
async def test_a_stop_finishes_what_is_in_flight(
    serving: Serve, way: str, pool: asyncpg.Pool
) -> None:
    """Postgres holds the commits back until the workers were told to stop."""
    pids = serving.workers()
    async with pool.acquire() as connection:
        async with connection.transaction():
            await connection.execute("LOCK TABLE delivery IN EXCLUSIVE MODE")
            sent = asyncio.create_task(post_all(serving, _bodies(12)))
            async with asyncio.timeout(60):
                while (await asyncio.to_thread(serving.metrics))["pinfall_waiting_reports"] < 12:
                    await asyncio.sleep(0.02)
            if way == "SIGTERM":
                serving.process.send_signal(signal.SIGTERM)
            else:
                os.killpg(serving.process.pid, signal.SIGINT)
            until(lambda: len(serving.events("worker.stopping")) == 2, "both are told")
            assert not sent.done()
        answers = await sent
    assert [answer.get("accepted") for _, answer in answers] == [1] * 12
    assert await asyncio.to_thread(serving.process.wait, 60) == 0
    assert all(gone(pid, 1) for pid in pids.values())
    assert not serving.events("worker.died")


async def test_ready_says_when_workers_are_missing(
    serving: Serve, database_url: str, server: Server
) -> None:
    """They cannot come back while Postgres takes no new connections."""
    admin = await asyncpg.connect(server.url("postgres"))
    try:
        name = await _name(database_url)
        await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            os.kill(serving.workers()[1], signal.SIGKILL)
            until(lambda: serving.ready()[1]["workers"]["alive"] == 1, "one is missing")
            os.kill(serving.workers()[2], signal.SIGKILL)
            until(lambda: serving.ready()[1]["workers"]["alive"] == 0, "both are missing")
            status, told = serving.ready()
            assert (status, told["state"]) == (503, "down")
            until(lambda: any("reason" in e for e in serving.events("worker.died")), "told why")
        finally:
            await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    finally:
        await admin.close()
    until(lambda: serving.ready()[1]["state"] == "ready", "both are back")
    reasons = {e["reason"] for e in serving.events("worker.died") if "reason" in e}
    assert all(reason.startswith("Postgres does not answer") for reason in reasons)


async def _name(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT current_database()"))
    finally:
        await connection.close()


async def test_a_workers_warning_and_an_import_are_seen(serving: Serve) -> None:
    many = body([neutral(event_id=str(n)) for n in range(1000)])
    assert (await post_all(serving, [many]))[0][1]["accepted"] == 1000
    until(lambda: bool(serving.ready()[1]["warnings"]), "the warning")
    assert b"PINFALL_TRUSTED_PROXIES" in ask(serving.operator + "/")[1]
    # What is imported here is the supervisor's own to count.
    told = {"project": "default", "windows": [window()]}
    request = urllib.request.Request(
        serving.operator + "/api/v1/connections",
        data=json.dumps(told).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.loads(answer.read())["accepted"] == 1
    assert serving.counted(1001)["pinfall_reports_received_total"] == 1001


@pytest.mark.parametrize("how", ["port", "tls"])
async def test_a_start_that_fails_is_one_line(database_url: str, how: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1] if how == "port" else 0
        env = {
            "PINFALL_DATABASE_URL": database_url,
            "PINFALL_PUBLIC_ADDRESS": f"127.0.0.1:{port}",
            "PINFALL_OPERATOR_ADDRESS": "127.0.0.1:0",
        }
        if how == "tls":
            for name in ("CERT", "KEY"):
                env[f"PINFALL_TLS_{name}"] = str(tmp_path / "nothing.pem")
        told = await asyncio.to_thread(pinfall, "serve", "--workers", "2", env=environment(**env))
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.count("\n") == 1, told.stderr
    assert ("cannot listen on" if how == "port" else "PINFALL_TLS_CERT") in told.stderr


async def test_two_supervisors_do_not_share_a_port(serving: Serve, database_url: str) -> None:
    env = environment(
        PINFALL_DATABASE_URL=database_url,
        PINFALL_PUBLIC_ADDRESS=f"127.0.0.1:{serving.port}",
        PINFALL_OPERATOR_ADDRESS="127.0.0.1:0",
    )
    told = await asyncio.to_thread(pinfall, "serve", "--workers", "2", env=env)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "something else" in told.stderr


async def test_workers_import_from_where_their_supervisor_does(
    database_url: str, key: str, tmp_path: Path
) -> None:
    """As the launcher starts it: the environment's PYTHONPATH and the directory say nothing."""
    for name in ("collector.py", "asyncio.py", "structlog.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong one')")
    start = f"import sys; sys.path[0] = {str(ROOT)!r}; from collector.cli import main; sys.exit(main(sys.argv[1:]))"
    with serve(
        database_url,
        key,
        tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        python=("-P", "-E", "-c", "import sys; sys.path.insert(0, '')\n" + start),
        cwd=tmp_path,
    ) as started:
        assert (await post_all(started, _bodies(1)))[0][0] == 200


@pytest.mark.parametrize(
    ("told", "ready"), [(None, {"workers": {"alive": 1, "wanted": 1}}), (0, {})]
)
async def test_a_process_of_its_own_takes_reports_unless_none_is_wanted(
    database_url: str, key: str, tmp_path: Path, told: int | None, ready: dict[str, object]
) -> None:
    with serve(database_url, key, tmp_path, workers=told) as started:
        assert (await post_all(started, _bodies(1)))[0][0] == 200
        assert len(started.workers()) == len(ready)
        status, says = started.ready()
        says.pop("connections", None)
        assert (status, says) == (200, {"state": "ready", "warnings": []} | ready)
        assert started.counted(1)["pinfall_reports_received_total"] == 1
        if told is None:
            usual = os.getpriority(os.PRIO_PROCESS, 0)
            assert os.getpriority(os.PRIO_PROCESS, started.process.pid) == usual + 5
            for lives in (1, 2):  # also one that takes the place of another
                until(lambda n=lives: len(started.events("worker.started")) == n, "started")  # type: ignore[misc]
                pid = started.workers()[1]
                assert os.getpriority(os.PRIO_PROCESS, pid) == usual
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("told", ["-1", "x", "1.5", "1000"])
def test_a_number_of_workers_that_is_none(told: str) -> None:
    done = pinfall("serve", "--workers", told)
    assert done.returncode == 2
    assert "--workers" in done.stderr


def test_help_shows_workers_by_example() -> None:
    assert "pinfall serve --workers 4" in pinfall("serve", "--help").stdout


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="there is one core, or none can be chosen",
)
async def test_a_worker_may_have_a_core_of_its_own(
    database_url: str, key: str, tmp_path: Path
) -> None:
    *others, last = sorted(os.sched_getaffinity(0))
    with serve(database_url, key, tmp_path, workers=1, more=["--own-cores"]) as started:
        for lives in (1, 2):
            until(partial(_has_lived, started, lives), "a worker")
            worker = started.workers()[1]
            assert (await post_all(started, _bodies(1, f"life {lives}")))[0][0] == 200
            assert _cores(worker) == {last}
            os.kill(worker, signal.SIGKILL)
        assert _cores(started.process.pid) == set(others)


def _has_lived(serving: Serve, lives: int) -> bool:
    return len(serving.events("worker.started")) == lives


def _cores(pid: int) -> set[int]:
    """Those that its threads may use, all together."""
    threads = [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    return {core for thread in threads for core in os.sched_getaffinity(thread)}


@pytest.mark.parametrize(("workers", "words"), [("0", "--workers 1"), ("64", "more cores than")])
def test_cores_of_their_own_are_not_always_to_be_had(workers: str, words: str) -> None:
    env = environment(PINFALL_DATABASE_URL="postgresql://u@127.0.0.1:1/x")
    told = pinfall("serve", "--workers", workers, "--own-cores", env=env)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert words in told.stderr
