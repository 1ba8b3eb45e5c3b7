"""What docs/pipelines.md tells people to paste: shells that parse, commands that exist, a hook that works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from collector.cli import main
from tests.commands.process import ROOT, environment
from tests.make import chain

TEXT = (ROOT / "docs" / "pipelines.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
SHELLS = [block for kind, block in BLOCKS if kind == "sh"]
HOOK = next(block for block in SHELLS if "RENEWED_LINEAGE" in block)
PREFLIGHTS = sorted(
    {
        line.strip("- ")
        for line in re.findall(r"pinfall preflight [^|\n]*", TEXT)
        if "--chain" in line
    }
)


@pytest.mark.parametrize("block", SHELLS)
def test_shells_parse(block: str) -> None:
    done = subprocess.run(["sh", "-n"], input=block.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("line", PREFLIGHTS)
def test_options_exist(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Taken as they stand: what is wrong is only that the files are not here."""
    words = shlex.split(line.replace("$host", "api.example.com").rstrip("`"))
    assert main(words[1:]) == 2
    assert "No such file" in capsys.readouterr().err


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4])
def test_the_hook_deploys_only_what_passed(tmp_path: Path, code: int) -> None:
    """With the programs it calls standing for themselves: what they were called with is the test."""
    lineage, served, programs = tmp_path / "live", tmp_path / "tls", tmp_path / "bin"
    for path in (lineage, served, programs):
        path.mkdir()
    (lineage / "fullchain.pem").write_text("new")
    (lineage / "privkey.pem").write_text("key")
    program(
        programs / "pinfall",
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ "$1" != preflight ] || exit {code}\n',
    )
    program(programs / "systemctl", f'#!/bin/sh\necho systemctl "$@" >> {tmp_path}/calls\n')
    hook = HOOK.replace("/etc/nginx/tls", str(served))
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "RENEWED_LINEAGE": str(lineage)}
    done = subprocess.run(["sh"], input=hook.encode(), env=env, capture_output=True, check=False)
    calls = [line.split()[:2] for line in (tmp_path / "calls").read_text().splitlines()]
    assert calls[0] == ["preflight", "api.example.com"]
    if code:
        assert (done.returncode, calls[1:], list(served.iterdir())) == (1, [], [])
        assert f"not deployed ({code})".encode() in done.stderr
    else:
        assert (done.returncode, calls[1:]) == (0, [["systemctl", "reload"], ["rotation", "add"]])
        assert (served / "fullchain.pem").read_text() == "new"
        assert (served / "privkey.pem").stat().st_mode & 0o777 == 0o600


def test_the_real_command_in_the_hook(tmp_path: Path) -> None:
    """No server runs, so nothing is deployed."""
    lineage, programs = tmp_path / "live", tmp_path / "bin"
    lineage.mkdir()
    programs.mkdir()
    (lineage / "fullchain.pem").write_text("".join(issued.pem for issued in chain()))
    program(programs / "pinfall", f'#!/bin/sh\nexec "{sys.executable}" -m collector "$@"\n')
    env = environment(
        PATH=f"{programs}:{os.environ['PATH']}",
        RENEWED_LINEAGE=str(lineage),
        PINFALL_DATA=str(tmp_path / "none"),
    )
    done = subprocess.run(
        ["sh"], input=HOOK.encode(), env=env, cwd="/", capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"not deployed (4)" in done.stderr
