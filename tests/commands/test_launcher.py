"""`./pinfall` itself, on a copy of the checkout whose .venv is this one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.commands.process import ROOT, environment
from tests.make import neutral

LAUNCHER = ROOT / "pinfall"
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    place = tmp_path / "a check out"
    place.mkdir()
    shutil.copy(LAUNCHER, place / "pinfall")
    for name in ("collector", "requirements", "alembic"):
        (place / name).symlink_to(ROOT / name)
    return place


def _run(
    path: Path, *arguments: str, cwd: str | Path = "/", **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [path, *arguments],
        cwd=cwd,
        env={**BARE, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _fake_python(place: Path, body: str) -> str:
    """A directory for PATH in which every python is this script."""
    directory = place / "bin"
    directory.mkdir()
    for name in ("python3", "python", *(f"python3.{minor}" for minor in range(11, 15))):
        script = directory / name
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
    return f"{directory}:/usr/bin:/bin"


def _ready(checkout: Path) -> None:
    """Make this test run's own environment the copy's .venv, as if it had been set up."""
    if Path(sys.prefix).name != ".venv":
        pytest.skip("these tests run in a .venv that ./pinfall made")
    (checkout / ".venv").symlink_to(sys.prefix)


def test_any_directory_a_symlink_and_spaces(checkout: Path, tmp_path: Path) -> None:
    _ready(checkout)
    link = tmp_path / "link to it"
    link.symlink_to(checkout / "pinfall")
    relative = tmp_path / "relative"
    relative.symlink_to(Path("a check out") / "pinfall")
    for path in (checkout / "pinfall", link, relative):
        for cwd in ("/", tmp_path, checkout):
            told = _run(path, "--version", cwd=cwd)
            assert (told.returncode, told.stdout, told.stderr) == (0, "pinfall 0.1.0\n", "")


def test_help_of_the_fuzzer_installs_nothing(checkout: Path) -> None:
    _ready(checkout)
    (checkout / "tests").symlink_to(ROOT / "tests")
    told = _run(checkout / "pinfall", "fuzz", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "./pinfall fuzz 600 bodies" in told.stdout


def test_standard_input_gets_through(checkout: Path) -> None:
    _ready(checkout)
    told = subprocess.run(
        [checkout / "pinfall", "parse"],
        input=json.dumps(neutral()),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout)["host"] == "api.example.com"


def test_an_old_python_is_one_line(checkout: Path, tmp_path: Path) -> None:
    path = _fake_python(
        tmp_path, 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi'
    )
    told = _run(checkout / "pinfall", "--version", PATH=path)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "Python 3.11" in told.stderr
    assert "3.9.2" in told.stderr


def test_a_missing_venv_module_is_one_line(checkout: Path, tmp_path: Path) -> None:
    real = Path(sys.executable).resolve()
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.util as u; f = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'ensurepip' else f(name, *a)\n"
    )
    # -E is dropped, so that the line above is read: what is left is an interpreter without ensurepip.
    path = _fake_python(tmp_path, f'shift; PYTHONPATH="{hide}" exec "{real}" "$@"')
    told = _run(checkout / "pinfall", "--version", PATH=path)
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1
    assert "-venv" in told.stderr
    assert not (checkout / ".venv").exists()


def test_no_network_is_one_line(checkout: Path) -> None:
    env = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": "",
           "PIP_CONFIG_FILE": os.devnull, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0",
           "PINFALL_PYTHON": str(Path(sys.executable).resolve())}  # fmt: skip
    told = _run(checkout / "pinfall", "--version", **env)
    assert told.returncode == 2
    last = told.stderr.splitlines()[-1]
    assert "no network?" in last
    assert "Traceback" not in told.stderr
    # The next start, with a network, takes it from there.
    assert not (checkout / ".venv" / ".run").exists()


def test_a_checkout_of_somebody_else_is_one_line(checkout: Path) -> None:
    from tests.commands.process import another_user

    user = another_user()
    for parent in checkout.parents:
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    told = subprocess.run(
        [checkout / "pinfall", "--version"], capture_output=True, text=True, check=False, user=user,
        env={**BARE, "PINFALL_PYTHON": str(Path(sys.executable).resolve())}, cwd="/",
    )  # fmt: skip
    assert told.returncode == 2
    assert told.stderr.count("\n") == 1


def test_the_locks_hold_no_addresses() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text()
        assert "://" not in text
        assert "--hash=sha256:" in text
    assert environment()["PYTHONPATH"] == str(ROOT)
