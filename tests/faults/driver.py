"""Fault rounds: real processes, a real PostgreSQL, one fault at a random moment of each round.

    ./pinfall test --faults ROUNDS [--seed N] [--only NAME] [--out FILE]

After each round every acknowledged item is in the database exactly once, nothing is there that nobody
sent, the ledger adds up by project, nothing waits, and the log holds no traceback. What failed keeps its
directory. The same seed gives the same faults at the same counts of answers; machines differ in between.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from tests.faults.hurt import Database
from tests.faults.kinds import FAULTS
from tests.faults.places import Skipped
from tests.faults.rounds import Told, run_round

_FIGURES = ("acknowledged", "found", "lost", "doubled", "unasked")


def order(rounds: int, only: Sequence[str], seed: int) -> list[str]:
    """Names of faults: all of them, in random order, again and again."""
    rng = random.Random(seed)
    names: list[str] = []
    while len(names) < rounds:
        turn = [name for name in FAULTS if not only or name in only]
        rng.shuffle(turn)
        names += turn
    return names[:rounds]


async def run(
    rounds: int,
    seed: int,
    only: Sequence[str],
    place: Path,
    told: list[Told],
    skipped: dict[str, str],
) -> None:
    """Into ``told`` and ``skipped``, which hold what was done also where this is cut short."""
    times: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        shared = await stack.enter_async_context(Database(place / "postgres"))
        for number, name in enumerate(order(rounds, only, seed), 1):
            if name in skipped:
                continue
            times[name] += 1
            try:
                one = await run_round(place, shared, FAULTS[name], f"{seed}.{times[name]}")
            except Skipped as why:
                skipped[name] = str(why)
                print(f"{number:4} {name}: skipped: {why}", flush=True)
                continue
            told.append(one)
            figures = " ".join(f"{name} {value}" for name, value in one.figures.items() if value)
            print(
                f"{number:4} {name} workers {one.workers} spool {'yes' if one.spool else 'no'}: {figures} "
                f"shed {one.shed} slowest {one.slowest} s, {one.seconds} s"
                + "".join(f"\n     WRONG {line}" for line in one.wrong),
                flush=True,
            )
            if one.wrong:
                # What a failed round leaves behind is not held against the next.
                await stack.aclose()
                shared = await stack.enter_async_context(Database(place / f"postgres-{number}"))


def summary(told: Sequence[Told], skipped: dict[str, str], seed: int) -> dict[str, object]:
    by_fault: dict[str, dict[str, object]] = {}
    for name in sorted({one.fault for one in told}):
        mine = [one for one in told if one.fault == name]
        sums = {figure: sum(one.figures.get(figure, 0) for one in mine) for figure in _FIGURES}
        by_fault[name] = {
            "rounds": len(mine), **sums, "shed": sum(one.shed for one in mine),
            "slowest_answer_seconds": max(one.slowest for one in mine),
            "rounds_wrong": sum(bool(one.wrong) for one in mine),
        }  # fmt: skip
    totals = {figure: sum(one.figures.get(figure, 0) for one in told) for figure in _FIGURES}
    return {
        "seed": seed, "rounds": len(told), **totals, "rounds_wrong": sum(bool(one.wrong) for one in told),
        "by_fault": by_fault, "skipped": skipped, "wrong": [asdict(one) for one in told if one.wrong],
    }  # fmt: skip


def show(told: dict[str, object]) -> None:
    by_fault = told["by_fault"]
    assert isinstance(by_fault, dict)
    columns = ("rounds", *_FIGURES, "shed", "rounds_wrong")
    print(f"{'fault':28}" + "".join(f"{name:>13}" for name in columns))
    for name, figures in by_fault.items():
        print(f"{name:28}" + "".join(f"{figures[column]:>13}" for column in columns))
    print(f"{'all':28}" + "".join(f"{told.get(column, ''):>13}" for column in columns))
    skipped = told["skipped"]
    assert isinstance(skipped, dict)
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}")


def main(arguments: Sequence[str]) -> int:
    """Exit 0 if all is as it has to be."""
    parser = argparse.ArgumentParser(
        prog="./pinfall test --faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )  # fmt: skip
    parser.add_argument("rounds", type=int, metavar="ROUNDS")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", action="append", default=[], choices=sorted(FAULTS), metavar="NAME",
                        help="one of: " + ", ".join(sorted(FAULTS)))  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE", help="the summary as JSON")
    asked = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp(prefix="pinfall-faults-"))
    place.chmod(0o755)  # Postgres may run as somebody else
    print(f"== {asked.rounds} rounds, --seed {asked.seed}, in {place}", flush=True)
    told: list[Told] = []
    skipped: dict[str, str] = {}
    for number in (signal.SIGINT, signal.SIGTERM):  # leave no process and no mount behind
        signal.signal(number, signal.default_int_handler)
    try:
        asyncio.run(run(asked.rounds, asked.seed, asked.only, place, told, skipped))
    except KeyboardInterrupt:
        print("== cut short", flush=True)
    result = summary(told, skipped, asked.seed)
    show(result)
    if asked.out:
        asked.out.write_text(json.dumps(result, indent=2) + "\n")
    if result["rounds_wrong"] or not told:
        print(f"== what failed is in {place}")
        return 1
    shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
