"""Programs that some tests use and the project does not need.

A test whose program is missing skips, with the line that installs it as its reason; with
PINFALL_TEST_INSTALL=1 (tests/run.py installs them then, all but the browser) it fails instead.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

APT = {
    "postgresql": "postgresql postgresql-client",
    "curl": "curl",
    "git": "git",
    "chromium": "chromium",
    "javac": "default-jdk-headless",
    "okhttp": "libokhttp-java libokio-java libjsr305-java",
    "npm": "npm",
    "promtool": "prometheus",
    "prometheus": "prometheus",
    "amtool": "prometheus-alertmanager",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "nginx": "nginx-light",
    "caddy": "caddy",
}


def system_postgres() -> str | None:
    """The ``bin`` directory of the system's newest PostgreSQL that is not the wheel's major."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    older = [path.parent for path in found if path.parts[-3] != "18"]
    return str(older[-1]) if older else None


def _find(name: str) -> str | None:
    if name == "okhttp":
        jar = Path("/usr/share/java/okhttp.jar")
        return str(jar) if jar.is_file() else None
    return system_postgres() if name == "postgresql" else shutil.which(name)


def needs(name: str) -> str:
    """Where the tool is; skips, or fails, where it is missing."""
    found = _find(name)
    if found is None:
        reason = f"needs {name}: apt-get install {APT[name]}"
        # A browser is large, and installed by whoever wants to look at pages.
        if os.environ.get("PINFALL_TEST_INSTALL") == "1" and name != "chromium":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def corpus() -> Path:
    """Payloads with ground truth, beside a development checkout only."""
    place = Path(__file__).parents[2] / "shared" / "corpus"
    if not (place / "EXPECTED.jsonl").is_file():
        pytest.skip("the shared corpus is not beside this checkout; it is not part of the project")
    return place
