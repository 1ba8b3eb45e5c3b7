"""`simulate` beside an `up`: what an operator would say is said, and the alert comes."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.commands.process import environment, pinfall, up

HOST = "api.simulated.example"
DEADLINE = 90.0  # seconds


def test_a_bad_rotation_pages(tmp_path: Path) -> None:
    data = tmp_path / "with a space"
    with up(data):
        arguments = ("--data", data, "--host", HOST, "--installs", 80, "--minutes", 2, "--speed", 6)
        told = pinfall("simulate", "bad-rotation", *arguments)
        assert told.returncode == 0, told.stderr
        ended = json.loads(told.stdout)
        assert ended["affected_installs"]["self"] > 40
        assert ended["answers"] == {"200": sum(ended["reports"].values())}
        assert isinstance(ended["alerts"], list)
        (rotation,) = json.loads(_asked(data, "rotation", "list", "--json"))["rotations"]
        assert (rotation["host"], rotation["note"]) == (HOST, "of pinfall simulate")
        assert _asked(data, "certs", "list").count("of pinfall simulate") == 3
        until = time.monotonic() + DEADLINE
        while "page  firing" not in (alerts := _asked(data, "alerts", "list")):
            assert time.monotonic() < until, alerts
            time.sleep(0.5)


def test_an_operator_who_works_elsewhere_is_told_that_nothing_is_declared(tmp_path: Path) -> None:
    with up(tmp_path):
        elsewhere = environment(PINFALL_URL="http://127.0.0.1:9")
        told = pinfall("simulate", "quiet", "--data", tmp_path, "--minutes", 0.1, env=elsewhere)
        assert told.returncode == 0, told.stderr
        assert "told of no keys and no rotation" in told.stderr
        assert "alerts" not in json.loads(told.stdout)


def _asked(data: Path, *arguments: Any) -> str:
    told = pinfall(*arguments, "--data", data)
    assert told.returncode == 0, told.stderr
    return told.stdout
