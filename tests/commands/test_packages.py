"""The wheel and the image: what is shipped holds what it needs."""

import json
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest

from collector.embedded.server import Server
from collector.store.migrate import head
from tests.commands.process import ROOT, environment


def test_the_migrations_are_found_from_an_installed_wheel(tmp_path: Path, server: Server) -> None:
    copy = tmp_path / "source"
    copy.mkdir()
    for name in ("collector", "alembic"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "-t",
        "wheel",
        "-d",
        str(tmp_path / "dist"),
    ]
    subprocess.run(build, cwd=copy, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(site)
    assert "collector/web/templates/overview.html" in names
    assert "collector/web/static/pinfall.css" in names
    shutil.rmtree(copy)
    assert "collector/web/templates/setup.html" in names
    code = (
        "import collector, json; from collector.store.migrate import scripts, migrate;"
        f"print(json.dumps([collector.__file__, str(scripts()), migrate({server.url('postgres')!r})[1]]))"
    )
    env = {**environment(), "PYTHONPATH": str(site)}
    told = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=env, check=True, capture_output=True, text=True
    )
    module, scripts, revision = json.loads(told.stdout)
    assert module.startswith(str(site))
    assert scripts.startswith(str(site))
    assert revision == head()


class Image:
    """A Dockerfile's COPY, RUN, ENV and CMD lines, replayed below a directory of a user."""

    def __init__(self, dockerfile: Path, root: Path, user: str | None) -> None:
        self.root = root
        self.user = user
        self.env = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PINFALL_", "PYTHON", "VIRTUAL_ENV"))
        }
        self.env |= {"HOME": str(root), "PATH": f"{root}/base:{os.environ['PATH']}"}
        # The base image's python3 is a plain one: not this test run's environment.
        (root / "base").mkdir()
        (root / "base" / "python3").symlink_to(Path(sys.executable).resolve())
        self.stages: dict[str, Path] = {}
        self.stage = root
        self.workdir = "/"
        self.command: list[str] = []
        self.entrypoint: list[str] = []
        for line in re.sub(r"\\\n", " ", dockerfile.read_text()).splitlines():
            if line.strip() and not line.startswith("#"):
                name, _, rest = line.partition(" ")
                getattr(self, f"on_{name.lower()}")(rest.strip())

    def inside(self, path: str) -> Path:
        return self.stage / os.path.join(self.workdir, path).lstrip("/")

    def on_from(self, rest: str) -> None:
        name = rest.split()[-1]
        self.stage = self.root / f"stage-{len(self.stages)}"
        self.stage.mkdir()
        self.stages[name] = self.stage

    def on_workdir(self, rest: str) -> None:
        self.workdir = rest
        self.inside(".").mkdir(parents=True, exist_ok=True)

    def on_copy(self, rest: str) -> None:
        words = rest.split()
        source = ROOT / words[0]
        if words[0].startswith("--from="):
            words = words[1:]
            source = self.stages[rest.split()[0].removeprefix("--from=")] / words[0].lstrip("/")
        target = self.inside(words[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(
                source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, target)
        self._give()

    def _give(self) -> None:
        if self.user:
            subprocess.run(["chown", "-R", self.user, self.root], check=True)

    def on_run(self, rest: str) -> None:
        self._give()
        done = subprocess.run(
            ["sh", "-c", rest],
            cwd=self.inside("."),
            env=self.env,
            user=self.user,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]

    def on_env(self, rest: str) -> None:
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            value = value.replace("$PATH", self.env["PATH"])
            self.env[name] = value.replace("/opt/pinfall", str(self.stage / "opt/pinfall"))

    def on_user(self, rest: str) -> None:
        assert rest.partition(":")[0] not in ("0", "root")

    def on_healthcheck(self, rest: str) -> None:
        self.healthcheck = json.loads(rest.partition("CMD ")[2])

    def on_entrypoint(self, rest: str) -> None:
        self.entrypoint = json.loads(rest)

    def on_cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def on_label(self, rest: str) -> None:
        assert rest

    def on_expose(self, rest: str) -> None:
        assert rest == "8080 8081"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_the_image_as_an_unprivileged_user(tmp_path: Path) -> None:
    """No engine is needed: its lines are replayed in an empty directory, then /healthz is asked."""
    user = None if os.geteuid() else "nobody"
    root = Path(f"/var/tmp/pinfall-image-{os.getpid()}") if user else tmp_path
    root.mkdir(exist_ok=True)
    postgres = None
    try:
        if (
            user
            and subprocess.run(
                ["test", "-x", Path(sys.executable).resolve()], user=user, check=False
            ).returncode
        ):
            pytest.skip("this Python lies where only root can run it")
        image = Image(ROOT / "Dockerfile", root, user)
        public, operator = _free_port(), _free_port()
        # A Postgres of that user's own, started by the shipped code.
        script = (
            "import sys,time;from pathlib import Path;from collector.embedded.directory import opened;"
            "from collector.embedded.server import Server\n"
            f"with opened(Path({str(root / 'pg')!r}), None) as d:\n"
            " s=Server(d); s.start(); print(s.url('postgres'), flush=True); sys.stdin.read(); s.stop()"
        )
        image._give()
        workdir = image.inside(".")
        python = [str(workdir / "venv/bin/python3"), "-c", script]
        postgres = subprocess.Popen(
            python,
            cwd=workdir,
            env=image.env,
            user=user,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert postgres.stdout
        url = postgres.stdout.readline().strip()
        env = {
            **image.env,
            "PINFALL_DATABASE_URL": url,
            "PINFALL_PUBLIC_ADDRESS": f"127.0.0.1:{public}",
            "PINFALL_OPERATOR_ADDRESS": f"127.0.0.1:{operator}",
        }
        entry = shutil.which(image.entrypoint[0], path=image.env["PATH"])
        assert entry == str(workdir / "venv/bin/python3")
        run = [entry, *image.entrypoint[1:]]
        subprocess.run(
            [*run, "migrate"], cwd=workdir, env=env, user=user, check=True, capture_output=True
        )
        serving = subprocess.Popen(
            [*run, *image.command], cwd=workdir, env=env, user=user, stderr=subprocess.DEVNULL
        )
        try:
            assert _answers(f"http://127.0.0.1:{public}/healthz") == b"ok\n"
            check = [part.replace(":8081/", f":{operator}/") for part in image.healthcheck]
            check[0] = str(workdir / "venv/bin/python3")
            subprocess.run(check, env=env, user=user, check=True)
            told = Path(f"/proc/{serving.pid}/status").read_text()
            uid = pwd.getpwnam(user).pw_uid if user else os.geteuid()
            assert f"\nUid:\t{uid}\t" in told
        finally:
            serving.terminate()
            assert serving.wait(30) == 0
    finally:
        if postgres and postgres.stdin and postgres.stdout:
            postgres.stdin.close()
            postgres.wait(60)
            postgres.stdout.close()
        if user:
            shutil.rmtree(root, ignore_errors=True)


def _answers(url: str) -> bytes:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
