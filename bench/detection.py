"""The spike detector over trials of a benchmark: one file a simulated host, one line an answer.

DIR holds one JSON file a trial: {id, T, chain_info, prober, registry, cold, causes: [minute], gaps:
[[from, to]], history: {S, U: installs an hour}, counts: [[minute, self, self of one operator network,
unknown, unknown of one operator network, interception, reports, successes]]}. ANSWERS gets
{"id", "pages": [[start, end or null], ...]} for each: page severity, and only those that are sent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.detection_trial import Trial, pages_of

EXAMPLES = """example:
  python -m bench.detection /tmp/trials /tmp/answers.jsonl --successes
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trials", type=Path, metavar="DIR")
    parser.add_argument("answers", type=Path, metavar="ANSWERS")
    parser.add_argument("--successes", action="store_true", help="success counts are trusted")
    parser.add_argument(
        "--part", default="0/1", metavar="K/N", help="only each Nth trial from K on"
    )


def _trials(folder: Path, part: str) -> Iterator[dict[str, Any]]:
    place, parts = (int(number) for number in part.split("/"))
    for path in sorted(folder.glob("*.json"))[place::parts]:
        yield json.loads(path.read_bytes())


def run(told: argparse.Namespace) -> int:
    looks, spent, trials = 0, 0.0, 0
    with told.answers.open("w") as answers:
        for raw in _trials(told.trials, told.part):
            trial = Trial(raw, successes=told.successes)
            begun = time.process_time()
            pages = pages_of(trial)
            spent += time.process_time() - begun
            looks += trial.end
            trials += 1
            answers.write(json.dumps({"id": trial.id, "pages": pages}) + "\n")
    each = 1e6 * spent / max(1, looks)
    print(f"{trials} trials, {looks} host-evaluations, {each:.1f} us of CPU each")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.detection", description=__doc__, epilog=EXAMPLES)
    arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
