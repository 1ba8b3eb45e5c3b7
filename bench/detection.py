"""The spike detector over trials of a benchmark: one file a simulated host, one line an answer.

DIR holds one JSON file a trial: {id, T, chain_info, prober, registry, cold, causes: [minute], gaps:
[[from, to]], history: {S, U: installs an hour}, counts: [[minute, self, self of one operator network,
unknown, unknown of one operator network, interception, reports, successes]]}. ANSWERS gets
{"id", "pages": [[start, end or null], ...]} for each: page severity, and only those that are sent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.detection_trial import Trial, pages_of
from collector.errors import PinfallError

EXAMPLES = """example:
  ./pinfall bench detection /tmp/trials /tmp/answers.jsonl --successes
"""
_AT_ONCE, _TELL = 8, 200  # trials


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trials", type=Path, metavar="DIR")
    parser.add_argument("answers", type=Path, metavar="ANSWERS")
    parser.add_argument("--successes", action="store_true", help="success counts are trusted")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)"
    )


class _Answer(NamedTuple):
    id: str
    pages: list[list[int | None]]
    looks: int
    seconds: float  # of CPU


def _answer(path: Path, *, successes: bool) -> _Answer:
    trial = Trial(json.loads(path.read_bytes()), successes=successes)
    begun = time.process_time()
    pages = pages_of(trial)
    return _Answer(trial.id, pages, trial.end, time.process_time() - begun)


def run(told: argparse.Namespace) -> int:
    paths = sorted(told.trials.glob("*.json"))
    if not paths:
        raise PinfallError(f"no trials in {told.trials}")
    answer = partial(_answer, successes=told.successes)
    looks, spent, begun = 0, 0.0, time.monotonic()
    with told.answers.open("w") as answers, ProcessPoolExecutor(max(1, told.jobs)) as processes:
        for trials, found in enumerate(processes.map(answer, paths, chunksize=_AT_ONCE), 1):
            looks += found.looks
            spent += found.seconds
            answers.write(json.dumps({"id": found.id, "pages": found.pages}) + "\n")
            if trials % _TELL == 0:
                print(f"{trials} of {len(paths)} trials", file=sys.stderr)
    print(
        f"{len(paths)} trials, {looks} host-evaluations, {1e6 * spent / looks:.1f} us of CPU each, "
        f"{(time.monotonic() - begun) / 60:.1f} min"
    )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.detection", description=__doc__, epilog=EXAMPLES)
    arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
