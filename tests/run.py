"""`./pinfall test`: lint, types, import rules, tests. Says which failed; changes nothing outside.

    ./pinfall test                  all of it
    ./pinfall test tests/reports    only these tests (any pytest argument)
    ./pinfall test --faults ROUNDS  processes killed, Postgres and disks taken away, under load;
                                    --faults --help says more

PINFALL_TEST_INSTALL=1 installs with apt what optional tests need, and a test that still lacks its
program fails instead of being skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.tools import APT, _find

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
LINT = f"{Path(PYTHON).parent}/lint-imports"
STEPS = (
    ("lint", [PYTHON, "-m", "ruff", "check", "--no-cache", "."]),
    ("format", [PYTHON, "-m", "ruff", "format", "--no-cache", "--check", "--diff", "."]),
    ("types", [PYTHON, "-m", "mypy"]),
    (
        "imports",
        [PYTHON, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-logo"],
    ),
)
TESTS = [PYTHON, "-m", "pytest"]
# Files side by side, each with a PostgreSQL of its own: twice as fast on two cores. One more than there are cores,
# because many wait for a process to start or to end. In the order of their names: by their number of tests the
# longest file, which has few, would be last, on one core.
SIDE_BY_SIDE = [
    "-n", str(min(4, 1 + (os.cpu_count() or 1))), "--dist", "loadfile", "--no-loadscope-reorder",
]  # fmt: skip


def install() -> None:
    missing = [
        packages for name, packages in APT.items() if _find(name) is None and name != "chromium"
    ]
    if not missing:
        return
    packages = " ".join(missing).split()
    print(f"== apt-get install {' '.join(packages)}", flush=True)
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    subprocess.run(["apt-get", "update", "-qq"], check=False, **quiet)  # type: ignore[call-overload]
    subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=True, **quiet)  # type: ignore[call-overload]


def main(arguments: Sequence[str]) -> int:
    """Exit 0 if all passed, 1 if something failed."""
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if arguments[:1] == ["--faults"]:
        from tests.faults import driver

        return driver.main(arguments[1:])
    if os.environ.get("PINFALL_TEST_INSTALL") == "1":
        install()
    with tempfile.TemporaryDirectory(prefix="pinfall-") as temporary:
        Path(temporary).chmod(0o755)  # some tests become another user
        return run(arguments, temporary)


def run(arguments: Sequence[str], temporary: str) -> int:
    """Everything that is written outside the checkout goes into ``temporary``. So does bytecode: hundreds of
    processes would each compile the project again."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONPYCACHEPREFIX": f"{temporary}/bytecode",
        "TMPDIR": temporary,
    }
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    side_by_side = [] if arguments else SIDE_BY_SIDE
    tests = [*TESTS, *side_by_side, "--basetemp", f"{temporary}/t", *arguments]
    steps = [("tests", tests)] if arguments else [*STEPS, ("tests", tests)]
    failed = []
    for name, command in steps:
        began = time.monotonic()
        print(f"== {name}", flush=True)
        if subprocess.run(command, cwd=ROOT, env=env, check=False).returncode:
            failed.append(name)
        print(
            f"== {name}: {'failed' if name in failed else 'ok'}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    print("== failed: " + ", ".join(failed) if failed else "== all passed", flush=True)
    return 1 if failed else 0
