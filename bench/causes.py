"""How often causes are judged right: a confusion matrix over the cases of bench/cases.py."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

from bench.cases import every_case
from collector.detect.causes import Cause, judge

EXAMPLES = """examples:
  ./pinfall bench causes
  ./pinfall bench causes --out out
"""


def arguments(_parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(told: argparse.Namespace) -> int:
    """Exit 0 if every case gets its label."""
    cases = [(named, named.case()) for named in every_case()]
    began = time.perf_counter()
    judged = [(named, judge(case).label) for named, case in cases]
    each = (time.perf_counter() - began) / len(cases)
    counts = Counter((named.want, label) for named, label in judged)
    print(_matrix(counts))
    wrong = [(named.name, label) for named, label in judged if label is not named.want]
    for name, label in wrong:
        print(f"wrong: {name}: {label}")
    right = len(judged) - len(wrong)
    print(f"\n{right} of {len(judged)} cases right, {each * 1000:.2f} ms a judgement")
    if told.out is not None:
        told.out.mkdir(parents=True, exist_ok=True)
        found = {
            "cases": len(judged),
            "right": right,
            "matrix": [[*key, n] for key, n in counts.items()],
        }
        (told.out / "causes.json").write_text(json.dumps(found, indent=1) + "\n")
    return 1 if wrong else 0


def _matrix(counts: Counter[tuple[Cause, Cause]]) -> str:
    """Rows: what it is. Columns: what it is called."""
    causes = list(Cause)
    width = max(map(len, causes)) + 1
    lines = [" " * width + " ".join(f"{n:>3}" for n in range(1, len(causes) + 1))]
    for number, want in enumerate(causes, 1):
        row = " ".join(f"{counts[want, label] or '.':>3}" for label in causes)
        lines.append(f"{want:<{width}}{row}  {number:>2}")
    return "\n".join(lines)
