import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tests.commands.process import Up, another_user, directory_of, environment, gone, pinfall, up
from tests.make import neutral, okhttp_text
from tests.tools import needs
from tests.web.test_source import proxy_header


def test_the_main_job(tmp_path: Path) -> None:
    """Start, paste, paste again, kill -9, start again: still there, once."""
    data = tmp_path / "with a space"
    with up(data) as first:
        needs("curl")
        for expected in ('"accepted":1', '"duplicates":1'):
            told = subprocess.run(
                shlex.split(first.curl), capture_output=True, text=True, check=True
            )
            assert expected in told.stdout
        postgres = first.postgres()
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert gone(postgres), "a Postgres was left behind"
        again = first.example()
    with up(data) as second:
        assert second.ingest.rpartition("/")[2] == first.ingest.rpartition("/")[2]
        assert second.post(again)["duplicates"] == 1
        assert second.totals()["default"]["accepted"] == 1
        with urllib.request.urlopen(second.pages) as page:
            assert b"api.example.com" in page.read()
        postgres = second.postgres()
        assert second.stop() == 0
        assert gone(postgres, 1)
    assert not (data / "operator.json").exists()


def test_postgres_is_started_again_when_it_dies(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        assert running.post(json.dumps(neutral(event_id="1")).encode())["accepted"] == 1
        before = running.postgres()
        os.kill(before, signal.SIGKILL)
        answer = running.post(json.dumps(neutral(event_id="2")).encode())
        assert answer["accepted"] + answer["spooled"] == 1  # it may be back already
        deadline = time.monotonic() + 60
        while not running.post(json.dumps(neutral(event_id="2")).encode())["duplicates"]:
            assert time.monotonic() < deadline
        while not _is_another(running, before):  # its children may have taken the report, too
            assert time.monotonic() < deadline
        assert running.post(json.dumps(neutral(event_id="1")).encode())["duplicates"] == 1
        totals = running.totals()["default"]
        assert totals["accepted"] == 2
        assert totals["received"] == sum(n for result, n in totals.items() if result != "received")


def _is_another(running: Up, before: int) -> bool:
    try:
        return running.postgres() != before
    except (OSError, ValueError, IndexError):  # it is being written
        return False


def test_kill_9_under_load_loses_nothing_and_the_ledger_adds_up(tmp_path: Path) -> None:
    told = []
    with up(tmp_path) as running:

        def post(number: int) -> None:
            for turn in range(1000):
                body = json.dumps(
                    [neutral(event_id=f"{number}-{turn}-{i}") for i in range(50)] + [7]
                )
                try:
                    told.append(running.post(body.encode())["accepted"])
                except (OSError, ValueError):
                    return

        threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        while len(told) < 40:
            time.sleep(0.01)
        os.kill(running.process.pid, signal.SIGKILL)
        for thread in threads:
            thread.join()
        running.process.wait()
    with up(tmp_path) as running:
        totals = running.totals()["default"]
        assert totals["accepted"] >= sum(told)
        assert totals["received"] == sum(n for result, n in totals.items() if result != "received")


def test_proxy_protocol_on_the_loop_that_serves(tmp_path: Path) -> None:
    with up(tmp_path, env=environment(PINFALL_PROXY_PROTOCOL="true")) as running:
        host, port = running.ingest.split("/")[2].split(":")
        body = okhttp_text().encode()
        head = f"POST /r/{running.ingest.rpartition('/')[2]} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        for source, expected in (
            ("198.51.100.7", b'"accepted":1'),
            ("198.51.100.8", b'"accepted":1'),
        ):
            with socket.create_connection((host, int(port)), 10) as connection:
                connection.sendall(proxy_header(source) + head.encode() + body)
                assert expected in connection.recv(65536)


def test_sigterm_is_a_polite_end(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        postgres = running.postgres()
        assert running.stop(signal.SIGTERM) == 0
        assert gone(postgres, 1)


def test_a_second_up_says_who_holds_the_data(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        second = pinfall("up", "--data", tmp_path, "--port", 0, "--operator-port", 0)
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert f"pid {running.process.pid}" in second.stderr


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with up(tmp_path / "a") as running:
        port = running.ingest.split("/")[2].rpartition(":")[2]
        other = pinfall("up", "--data", tmp_path / "b", "--port", port, "--operator-port", 0)
        assert other.returncode == 1
        assert f":{port}" in other.stderr.splitlines()[-1]
        assert "Traceback" not in other.stderr


def test_commands_find_a_running_up(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        mode = stat.S_IMODE((tmp_path / "operator.json").stat().st_mode)
        assert mode == 0o600
        made = pinfall("project", "add", "wallet", "--host", "*.example.com", "--data", tmp_path)
        assert (made.returncode, made.stderr) == (0, "")
        key = pinfall(
            "key", "add", "--project", "wallet", "--app", "ios", "--data", tmp_path
        ).stdout.strip()
        assert key in pinfall("key", "list", "--data", tmp_path).stdout
        assert "*.example.com" in pinfall("project", "list", "--data", tmp_path).stdout
        report = tmp_path / "report.json"
        report.write_text(json.dumps(neutral()))
        url = running.ingest.rpartition("/")[0] + "/" + key
        sent = pinfall("send", report, "--url", url)
        assert (sent.returncode, '"accepted":1' in sent.stdout) == (0, True)
        assert pinfall("send", report, "--data", tmp_path).returncode == 0
        assert pinfall("key", "disable", key, "--data", tmp_path).returncode == 0
        refused = pinfall("send", report, "--url", url)
        assert (refused.returncode, "403" in refused.stdout) == (1, True)
        assert "no such key" in pinfall("key", "disable", "x", "--data", tmp_path).stderr
        assert "already" in pinfall("project", "add", "wallet", "--data", tmp_path).stderr
        assert "is ready" in pinfall("check", "--data", tmp_path).stdout
        nowhere = environment(PINFALL_URL="http://127.0.0.1:1")
        assert "does not answer" in pinfall("check", env=nowhere).stderr
        told = pinfall("key", "add", "--app", "b", "--data", tmp_path)
        assert told.stderr == f"reports to {running.ingest.rpartition('/')[0]}/{told.stdout}"
    lost = pinfall("key", "list", "--data", tmp_path)
    assert (lost.returncode, "nothing runs" in lost.stderr, lost.stderr.count("\n")) == (1, True, 1)


@pytest.mark.parametrize("what", ["a file", "below a file", "other files"])
def test_a_data_directory_that_cannot_be_one_is_one_line(tmp_path: Path, what: str) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("x")
    data = {"a file": file, "below a file": file / "data", "other files": tmp_path}[what]
    told = pinfall("up", "--data", data)
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert "Traceback" not in told.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_places_that_are_closed_are_one_line(tmp_path: Path) -> None:
    user = another_user()
    for command in (
        ["up", "--data", "/root/x"],
        ["backup", "/root/x.dump"],
        ["restore", "/root/x.dump"],
    ):
        told = pinfall(*command, user=user, env=environment(HOME="/nonexistent"))
        assert (told.returncode, told.stderr.count("\n")) == (1, 1), told.stderr


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    told = pinfall("backup", tmp_path / "a.dump", "--data", tmp_path / "none")
    assert (told.returncode, told.stderr.count("\n")) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_postgres_that_hangs_does_not_hold_clients(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        main = running.postgres()
        pids = [main, *(int(p.name) for p in Path("/proc").iterdir() if _parent(p) == main)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        answer = running.post(json.dumps(neutral(event_id="1")).encode())
        waited = time.monotonic() - began
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        assert answer["spooled"] == 1
        assert waited < 20
        deadline = time.monotonic() + 60
        while not running.post(json.dumps(neutral(event_id="1")).encode())["duplicates"]:
            assert time.monotonic() < deadline
        assert running.totals()["default"]["accepted"] == 1


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None


def test_backup_while_it_runs_and_restore_elsewhere(tmp_path: Path) -> None:
    dump = tmp_path / "pinfall.dump"
    with up(tmp_path / "a") as running:
        running.post(json.dumps(neutral(event_id="1")).encode())
        assert pinfall("backup", dump, "--data", tmp_path / "a").returncode == 0
        assert stat.S_IMODE(dump.stat().st_mode) == 0o600
        assert "is there already" in pinfall("backup", dump, "--data", tmp_path / "a").stderr
        assert "in use" in pinfall("restore", dump, "--data", tmp_path / "a").stderr
    restored = pinfall("restore", dump, "--data", tmp_path / "b")
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "not empty" in pinfall("restore", dump, "--data", tmp_path / "b").stderr
    with up(tmp_path / "b") as running:
        assert running.post(json.dumps(neutral(event_id="1")).encode())["duplicates"] == 1


def test_from_postgres_15_to_18(tmp_path: Path) -> None:
    """A data directory of the system's 15 is refused by the wheel's 18, and moved by a backup."""
    old, new, dump = tmp_path / "old", tmp_path / "new", tmp_path / "pinfall.dump"
    system = environment(PINFALL_POSTGRES_BIN=needs("postgresql"))
    with up(old, env=system) as running:
        assert "PostgreSQL 15" in running.told
        running.post(json.dumps(neutral(event_id="1")).encode())
    refused = pinfall("up", "--data", old, "--port", 0, "--operator-port", 0)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "PostgreSQL 15" in refused.stderr
    assert "PostgreSQL 18" in refused.stderr
    assert "pinfall backup" in refused.stderr
    saved = pinfall("backup", dump, "--data", old)
    assert (saved.returncode, "PostgreSQL 15" in saved.stdout) == (0, True)
    assert pinfall("restore", dump, "--data", new).returncode == 0
    with up(new) as running:
        assert "PostgreSQL 18" in running.told
        assert running.post(json.dumps(neutral(event_id="1")).encode())["duplicates"] == 1
        assert running.totals()["default"]["accepted"] == 1


def test_from_18_to_your_own_15(tmp_path: Path) -> None:
    from collector.embedded.directory import opened
    from collector.embedded.server import Server

    dump = tmp_path / "pinfall.dump"
    with up(tmp_path / "a") as running:
        running.post(json.dumps(neutral(event_id="1")).encode())
    assert pinfall("backup", dump, "--data", tmp_path / "a").returncode == 0
    with opened(tmp_path / "own", needs("postgresql")) as directory:
        server = Server(directory)
        try:
            server.start()
            env = environment(PINFALL_DATABASE_URL=server.url("postgres"))
            restored = pinfall("restore", dump, env=env)
            assert (restored.returncode, restored.stderr) == (0, "")
            again = pinfall("backup", tmp_path / "again.dump", env=env)
            assert (again.returncode, again.stderr) == (0, "")
            assert "not empty" in pinfall("restore", dump, env=env).stderr
        finally:
            server.stop()


def test_as_an_ordinary_user(tmp_path: Path) -> None:
    user = another_user()
    with directory_of(user) as place:
        data = place / "data"
        env = environment(HOME=str(place))
        with up(data, user=user, env=env) as running:
            assert running.post(running.example())["accepted"] == 1
            postgres = running.postgres()
            assert os.stat(f"/proc/{postgres}").st_uid == os.stat(data).st_uid != 0
            os.kill(running.process.pid, signal.SIGKILL)
            running.process.wait()
            assert gone(postgres)
        # Root may go on with it, as that user; the user finds it again after.
        with up(data) as running:
            assert running.totals()["default"]["accepted"] == 1
            assert os.stat(f"/proc/{running.postgres()}").st_uid == os.stat(data).st_uid
        with up(data, user=user, env=env) as running:
            assert running.totals()["default"]["accepted"] == 1


def test_data_of_root_is_not_for_an_ordinary_user() -> None:
    user = another_user()
    with directory_of(user) as place:
        with up(place / "data") as running:
            assert running.post(running.example())["accepted"] == 1
        refused = pinfall(
            "up", "--data", place / "data", user=user, env=environment(HOME=str(place))
        )
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1
        assert "made by root" in refused.stderr
        assert "chown -R nobody" in refused.stderr
        place.chmod(0o700)
        closed = pinfall("up", "--data", place / "new")
        assert (
            closed.returncode,
            "use another --data" in closed.stderr,
            closed.stderr.count("\n"),
        ) == (1, True, 1)
        subprocess.run(["chown", "-R", user, place / "data"], check=True)
        with up(place / "data", user=user, env=environment(HOME=str(place))) as running:
            assert running.totals()["default"]["accepted"] == 1


@pytest.mark.parametrize(
    "setting",
    [
        "PINFALL_DATABASE_URL=postgresql://u@h/d",
        "PINFALL_PUBLC_URL=x",
        "PINFALL_POSTGRES_BIN=/nowhere",
    ],
)
def test_settings_that_do_not_fit_are_one_line(tmp_path: Path, setting: str) -> None:
    name, _, value = setting.partition("=")
    told = pinfall("up", "--data", tmp_path, env=environment(**{name: value}))
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "PINFALL_" in told.stderr
