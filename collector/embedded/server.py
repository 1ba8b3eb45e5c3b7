"""One PostgreSQL server over a data directory: make it, start it, watch it, stop it.

It listens on a Unix socket only (0700), with no TCP port and no password. On Linux it is told to
stop when this process dies, however it dies; elsewhere, and after a power cut, the next start
finds what was left and stops it first.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from collector.embedded import child
from collector.embedded.directory import DataDirectory, socket_directory
from collector.errors import StoreError

USER = "pinfall"
DATABASE = "pinfall"
_CHILD = Path(child.__file__)
_LINUX = os.uname().sysname == "Linux"
_READY = 120.0  # seconds: recovery after a crash under load takes its time
_TELLING = ("FATAL", "PANIC", "HINT", "unrecognized", "invalid", "could not")
# MB of a file of the write-ahead log. Each new one is filled with zeros while every commit waits: with 16 MB that
# was half of what the slowest hundredth of a storm waited for. Only for clusters that are made from here on.
_SEGMENT = "1"
# Of all its files: what PostgreSQL has by default with files of 16 MB. With smaller ones initdb makes these smaller
# too, 64 MB at most: a storm then has a checkpoint each second, after which each page that is touched goes into the
# log whole (85 % of the log), and the disk is told to write all that is new.
_LOG_SIZE = {"min_wal_size": "80MB", "max_wal_size": "1GB"}
_STOP = 60.0  # seconds until a stop becomes a kill


class Server:
    """A server of our own. ``start`` and ``stop`` block; ``poll`` does not."""

    def __init__(self, directory: DataDirectory, options: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._options = dict(options or {})
        self._sockets: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def sockets(self) -> Path:
        if self._sockets is None:
            raise StoreError("PostgreSQL is not started")
        return self._sockets

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self.sockets), safe='')}"

    def start(self) -> None:
        """Make the cluster if there is none, start it, wait until it answers.

        Raises StoreError with PostgreSQL's own last words.
        """
        if self.directory.is_new:
            self._initialise()
        self._end_what_was_left()
        self._sockets = self._sockets or socket_directory(self.directory.path)
        if self.directory.identity.kind == "uid":
            with contextlib.suppress(PermissionError):
                os.chown(self._sockets, self.directory.identity.owner, -1)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
            "log_min_messages": "warning",
            "log_statement": "none",
            "log_error_verbosity": "terse",  # no DETAIL: it quotes what was refused
            "log_parameter_max_length_on_error": "0",  # a failed statement's values stay out
            "log_min_error_statement": "panic",
            "timezone": "UTC",
            **_LOG_SIZE,
            **self._options,
        }
        arguments = ["-D", str(self.directory.cluster)]
        for name, value in options.items():
            arguments += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + _READY
        while True:
            said = self._log_size()
            self._process = self._spawn("postgres", arguments)
            if self._answers(deadline):
                return
            words = self._last_words(said)
            if time.monotonic() > deadline or not any(
                sign in words for sign in ("lock file", "shared memory", "still in use")
            ):
                self._end()
                raise StoreError(f"PostgreSQL did not start: {words}")
            time.sleep(0.3)  # a predecessor's children are still going

    def poll(self) -> int | None:
        """None while it runs, else the exit code."""
        return self._process.poll() if self._process else 0

    def stop(self) -> None:
        """Fast shutdown; a kill after a minute. Safe to repeat."""
        self._end()
        if self._sockets is not None and self._sockets != self.directory.path:
            shutil.rmtree(self._sockets, ignore_errors=True)
        self._sockets = None

    def _end(self) -> None:
        """The process only: who connects keeps its place for the next start."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "PINFALL_"))}
        return env | {"LC_ALL": "C", "TZ": "UTC"}

    def _command(self, program: str, arguments: list[str]) -> list[str]:
        return [
            sys.executable, "-I", "-S", str(_CHILD), str(os.getpid()),
            self.directory.identity.told, self.directory.binaries.program(program), *arguments,
        ]  # fmt: skip

    def _spawn(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        with self.directory.log.open("ab") as log:
            return subprocess.Popen(
                self._command(program, arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                cwd=self.directory.path,
                start_new_session=True,  # Ctrl-C is for this process, which then stops it in order
            )

    def _initialise(self) -> None:
        """initdb into a directory beside, renamed when it is whole: a kill leaves no half cluster."""
        owner = self.directory.identity.owner
        making = self.directory.path / "postgres.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self.directory.identity.kind == "uid":
            os.chown(self.directory.path, owner, -1)
            os.chown(making, owner, -1)
        arguments = [
            "-D", str(making), "-U", USER, "-E", "UTF8", "--locale=C", "--auth-local=trust",
            "--auth-host=reject", "--data-checksums", "--no-instructions",
            "--wal-segsize", _SEGMENT,
        ]  # fmt: skip
        done = subprocess.run(
            self._command("initdb", arguments),
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
            cwd=self.directory.path,
        )
        if done.returncode:
            shutil.rmtree(making, ignore_errors=True)
            words = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise StoreError(f"initdb failed: {words[-1] if words else f'exit {done.returncode}'}")
        making.rename(self.directory.cluster)
        self.directory.record()

    def _end_what_was_left(self) -> None:
        """We hold the lock, so a server that still runs here is nobody's: end it, then go on."""
        pid = self._left_behind()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + _STOP
        while self._left_behind() == pid:
            if time.monotonic() > deadline:
                raise StoreError(f"PostgreSQL (pid {pid}) of an earlier start does not stop")
            time.sleep(0.05)

    def _left_behind(self) -> int | None:
        """The pid in postmaster.pid, if that process runs and works in our cluster."""
        try:
            pid = int((self.directory.cluster / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        if _LINUX:
            try:
                place = Path(f"/proc/{pid}/cwd").readlink()
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                return None
            return pid if place == self.directory.cluster.resolve() and state != "Z" else None
        told = subprocess.run(
            ["/bin/ps", "-p", str(pid), "-o", "command="],
            capture_output=True,
            text=True,
            check=False,
        )
        return pid if str(self.directory.cluster) in told.stdout else None

    def _answers(self, deadline: float) -> bool:
        """Wait for the line that postmaster.pid gets when connections are taken."""
        assert self._process is not None
        status = self.directory.cluster / "postmaster.pid"
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                lines = status.read_text().splitlines()
                # It execs through child.py, so the pid is the process' own.
                if len(lines) > 7 and lines[7].strip() == "ready" and self._owns(lines[0]):
                    return True
            time.sleep(0.01)
        return False

    def _owns(self, pid: str) -> bool:
        assert self._process is not None
        return pid.strip() == str(self._process.pid)

    def _log_size(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.directory.log.stat().st_size
        return 0

    def _last_words(self, since: int) -> str:
        code = self._process.poll() if self._process else None
        if code == child.NO_NAMESPACE:
            return "no user namespace may be made here"
        with contextlib.suppress(FileNotFoundError), self.directory.log.open("rb") as log:
            log.seek(since)
            lines = log.read().decode("utf-8", "replace").splitlines()
            told = [line for line in lines if any(sign in line for sign in _TELLING)]
            if told or lines:
                return " ".join(told[:2]) if told else lines[-1]
        return f"no word from it (exit {code}); see {self.directory.log}"
