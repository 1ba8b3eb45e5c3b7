"""`./pinfall fuzz`: look for bytes from outside that break a reader, guided by coverage.

    ./pinfall fuzz 600               ten minutes, shared by all targets
    ./pinfall fuzz 600 bodies        ten minutes of one
    ./pinfall fuzz 600 --more DIR --found DIR    real reports as further seeds, findings kept elsewhere

An input that breaks something is kept in tests/fuzz/crashers/<target>/: from then on it is a test of
`./pinfall test`, until it is mended and after. Exit 1 if one was found. Needs Linux on x86-64 (atheris).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS, run

ROOT = Path(__file__).resolve().parents[2]
CRASHERS = Path(__file__).parent / "crashers"
_LONGEST = 131_072  # bytes of one input
_PATIENCE = 20  # s of one input, after which it hangs
_DONE = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERAGE = re.compile(r"cov: (\d+)")


@dataclass(frozen=True, slots=True)
class Told:
    executions: int
    coverage: int  # places of the code that were reached, as libFuzzer counts them
    new: list[Path]


def main(arguments: Sequence[str]) -> int:
    """Exit 0 if nothing was found, 1 if something was, 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="pinfall fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("seconds", type=int, metavar="SECONDS", help="in total")
    parser.add_argument(
        "target", nargs="?", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS)
    )
    parser.add_argument("--more", type=Path, metavar="DIR", help="a directory of further seeds")
    parser.add_argument(
        "--found", type=Path, default=CRASHERS, metavar="DIR", help="(default: tests/fuzz/crashers)"
    )
    told = parser.parse_args(arguments)
    names = [told.target] if told.target else list(TARGETS)
    if told.seconds < len(names):
        parser.error(f"SECONDS: {len(names)} targets need a second each")
    if importlib.util.find_spec("atheris") is None:
        print("pinfall: fuzz: atheris has wheels for Linux on x86-64 only", file=sys.stderr)
        return 2
    total, found = 0, []
    shares = sum(TARGETS[name].share for name in names)
    for name in names:
        seconds = max(1, told.seconds * TARGETS[name].share // shares)
        one = fuzz(name, seconds, told.found, told.more)
        total += one.executions
        found += one.new
        print(
            f"{name}: {one.executions} executions, coverage {one.coverage}, {len(one.new)} found",
            flush=True,
        )
        for path in one.new:
            print(f"  {path}", flush=True)
    print(f"{total} executions, {len(found)} found", flush=True)
    return 1 if found else 0


def fuzz(name: str, seconds: int, into: Path, more: Path | None = None) -> Told:
    with tempfile.TemporaryDirectory(prefix="pinfall-fuzz-") as temporary:
        corpus, found = Path(temporary) / "corpus", Path(temporary) / "found"
        for directory in (corpus, found):
            directory.mkdir()
        for number, seed in enumerate(TARGETS[name].seeds()):
            (corpus / f"seed-{number}").write_bytes(seed)
        for path in sorted(more.rglob("*")) if more else []:
            if path.is_file() and path.stat().st_size <= _LONGEST:
                shutil.copy(path, corpus / f"more-{path.stat().st_ino}")
        words = Path(temporary) / "words"
        words.write_text("\n".join(_words(TARGETS[name].seeds())))
        command = [
            sys.executable, "-m", "tests.fuzz.worker", name, str(found), str(corpus),
            f"-artifact_prefix={found}/", f"-max_total_time={seconds}", f"-max_len={_LONGEST}",
            f"-timeout={_PATIENCE}", "-rss_limit_mb=2048", "-print_final_stats=1", "-len_control=50",
            f"-dict={words}",
        ]  # fmt: skip
        env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        log = Path(temporary) / "log"
        with log.open("wb") as file:
            done = subprocess.run(
                command, cwd=temporary, env=env, stdout=file, stderr=file, check=False
            )
        output = log.read_text(errors="replace")
        executed = _DONE.search(output)
        if executed is None and not any(found.iterdir()):
            print(output[-2000:], file=sys.stderr)
            raise SystemExit(f"pinfall: fuzz: {name} ended with {done.returncode}")
        coverage = _COVERAGE.findall(output)
        kept = [path for path in sorted(found.iterdir()) if not _is_fine(name, path)]
        return Told(
            int(executed[1]) if executed else 0,
            int(coverage[-1]) if coverage else 0,
            [_keep(into / name, path) for path in kept],
        )


def _words(seeds: Sequence[bytes]) -> list[str]:
    """A dictionary for libFuzzer: the words of the seeds, with what stands around them."""
    found = {word for seed in seeds for word in re.findall(rb"\W?[A-Za-z0-9_-]{3,40}\W?", seed)}
    return ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in sorted(found)[:400]]


def _is_fine(name: str, path: Path) -> bool:
    """Whether it is no finding without the instrumentation, which makes everything slower."""
    command = [sys.executable, "-m", "tests.fuzz.run", name, str(path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, env=env, check=False, timeout=_PATIENCE, capture_output=True)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _keep(place: Path, path: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    kept = place / path.name.rpartition("-")[2][:16]
    shutil.copyfile(path, kept)
    return kept


if __name__ == "__main__":
    run(sys.argv[1], Path(sys.argv[2]).read_bytes())
