"""`./pinfall screenshots`: pictures of an incident, small enough for a README, and its Slack message."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bench.screenshots import DESK, PHONE, README, SCHEMES
from tests.commands.process import ROOT, environment
from tests.commands.test_launcher import _ready, _run, checkout
from tests.tools import needs

__all__ = ["checkout"]
LARGEST = 150_000  # bytes of a picture of the README


def _shoot(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.screenshots", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=ROOT, env=environment(), timeout=300,
    )  # fmt: skip


def _size(path: Path) -> tuple[int, int]:
    """Width and height, of a PNG's header."""
    raw = path.read_bytes()[:24]
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", raw[16:24])
    return width, height


def test_help_shows_examples() -> None:
    told = _shoot("--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "./pinfall screenshots out" in told.stdout


def test_the_launcher_knows_it(checkout: Path) -> None:
    _ready(checkout)
    (checkout / "bench").symlink_to(ROOT / "bench")
    told = _run(checkout / "pinfall", "screenshots", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("usage: pinfall screenshots")


def test_an_incident_in_pictures(tmp_path: Path) -> None:
    needs("chromium")
    pytest.importorskip("playwright.async_api", reason="needs playwright")
    told = _shoot(tmp_path / "out")
    assert (told.returncode, told.stderr) == (0, "")
    names = {path.name: path for path in (tmp_path / "out").iterdir()}
    slack = names.pop("slack.txt").read_text()
    pictures = {
        f"{page}-{scheme}{suffix}.png": size
        for page in (*README, "alert")
        for scheme in SCHEMES
        for suffix, size in (("", DESK), ("-phone", PHONE))
    }
    assert {name: _size(path) for name, path in names.items()} == pictures
    for page in README:
        light, dark = (names[f"{page}-{scheme}.png"].read_bytes() for scheme in SCHEMES)
        assert light != dark
        assert max(len(light), len(dark)) < LARGEST
    assert slack.startswith("Page: ")
    assert "\nHost: api.example.com\n" in slack
    assert "\nCause: own rotation" in slack
    assert "\nOpen the alert: https://pinfall.example.net/alerts/" in slack
    assert "&" not in slack
