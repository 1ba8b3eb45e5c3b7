"""`bench` as it is called. What it finds is asserted in its shape, never in its speed."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.commands.process import ROOT, environment
from tests.commands.test_launcher import _ready, _run, checkout

__all__ = ["checkout"]


def _bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.run", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=environment(), timeout=300,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [[], ["ingest"], ["queries"], ["memory"], ["service"], ["causes"]]
)
def test_help_shows_examples(arguments: list[str]) -> None:
    told = _bench(*arguments, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "./pinfall bench" in told.stdout


def test_causes_are_judged_right(tmp_path: Path) -> None:
    told = _bench("causes", "--out", tmp_path)
    assert (told.returncode, told.stderr) == (0, "")
    found = json.loads((tmp_path / "causes.json").read_text())
    assert found["right"] == found["cases"] >= 80
    assert "own_rotation" in told.stdout


def test_a_bad_rotation_goes_through_the_whole_service(tmp_path: Path) -> None:
    data = tmp_path / "with a space"
    data.mkdir()
    told = _bench(
        "service", "--scenarios", "bad-rotation", "--installs", 60, "--minutes", 5, "--processes", 1,
        "--out", tmp_path / "out", "--data", data,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, ""), told.stdout
    (trial,) = json.loads((tmp_path / "out" / "service.json").read_text())["trials"]
    assert trial["counted"] == trial["true"]
    assert trial["true"]["self"] > 20
    assert trial["alerts"] == ["pin_failure_spike page"]
    assert 0 <= trial["delay"] <= 60
    assert not list(data.iterdir())


def test_a_scenario_that_is_none_is_said_in_one_line(tmp_path: Path) -> None:
    told = _bench("service", "--scenarios", "nothing", "--data", tmp_path)
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1


def test_the_launcher_knows_it(checkout: Path) -> None:
    _ready(checkout)
    (checkout / "bench").symlink_to(ROOT / "bench")
    told = _run(checkout / "pinfall", "bench", "memory", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("usage: pinfall bench memory")


def test_one_short_round_of_ingest(tmp_path: Path) -> None:
    told = _bench(
        "ingest", "--rounds", 1, "--seconds", 1, "--connections", 16, "--retries", 0, "--rest", 0,
        "--out", tmp_path / "out", "--data", tmp_path,
    )  # fmt: skip
    assert told.returncode in (0, 1), told.stderr
    found = json.loads((tmp_path / "out" / "ingest.json").read_text())
    ET.parse(tmp_path / "out" / "ingest.svg")
    assert found["machine"]["cores"] >= 1
    closed = {r["contestant"]: r for r in found["rounds"] if r["kind"] == "closed"}
    assert {"bare", "naive", "pipeline", "durable"} <= set(closed)
    for one in closed.values():
        assert one["seen"]["answered"] > 0
        assert {status[0] for status in one["seen"]["statuses"]} == {"2"}
    kept = {t["name"]: t["value"] for t in found["targets"]}
    assert (kept["reports lost"], kept["reports counted twice"]) == (0, 0)
    assert closed["durable"]["seen"]["told"]["kept"] > 0
    missed = [t["name"] for t in found["targets"] if not t["met"]]
    assert told.returncode == (1 if missed else 0)
    for name in missed:
        assert name in told.stdout.splitlines()[-1]
    assert [r["contestant"] for r in found["rounds"] if r["kind"] == "open"] == ["bare", "durable"]
    assert not list(tmp_path.glob("pinfall-bench-*"))
