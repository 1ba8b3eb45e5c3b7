"""Memory of the largest of the serving processes: at saturation, then with 2,000 open connections that are idle.

Resident memory is read each second. Its drift is the median of the last minute less that of the
second one; under three minutes, of the last quarter less that of the second.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Self

from bench import machine, proc, report, targets
from bench.contestants import DURABLE, collector
from bench.database import kept, postgres
from bench.processes import generator
from bench.rounds import measure, settled
from bench.targets import Verdict

EXAMPLES = """examples:
  ./pinfall bench memory
  ./pinfall bench memory --minutes 1 --out out
"""
OPEN = 2000
_STRETCH = 10.0  # seconds of load at a time; between them chains that nobody has seen are made
_IDLE = 15.0
_MB = 1024 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, help="at saturation (default: 10)")


class Watch:
    """Reads the memory of a process and of those below it once a second, in a thread."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.megabytes: list[float] = []  # of the largest of them

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(1.0):
            sizes = [proc.resident_bytes(pid) for pid in proc.descendants(self._pid)]
            self.megabytes.append(max(sizes) / _MB)


def drift(megabytes: Sequence[float]) -> float | None:
    """What was added after the start, of values a second apart. None where there are too few."""
    window = 60 if len(megabytes) >= 180 else len(megabytes) // 4
    if window < 5:
        return None
    return median(megabytes[-window:]) - median(megabytes[window : 2 * window])


def merged(seen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rounds as one: looking into the database after each would let the collector rest."""
    sums: dict[str, Any] = {
        name: sum(one[name] for one in seen) for name in ("sent", "again", "unanswered")
    }
    for name in ("statuses", "told"):
        counts = Counter[str]()
        for one in seen:
            counts.update(one[name])
        sums[name] = dict(counts)
    return sums


def run(told: argparse.Namespace) -> int:
    with postgres(told.data) as database, generator() as load:
        about = machine.describe(database)
        print(machine.line(about), file=sys.stderr)
        arguments = ["-m", "collector", "serve"]
        with collector(database, DURABLE, "memory", arguments, keeps=False) as one:
            assert one.database
            before = kept(one.database)
            rounds = []
            rate = 8000.0
            with Watch(one.process.pid) as busy:
                while (left := told.minutes * 60 - len(busy.megabytes)) > 0.5:
                    seconds = min(_STRETCH, left)
                    fresh = int(rate * 1.3 * seconds / 100) + 20
                    found = measure(
                        load, database.pid, one, seconds=seconds, connections=256, fresh=fresh
                    )
                    rate = found.rate
                    rounds.append(found)
                    size = f"{busy.megabytes[-1]:.0f} MB" if busy.megabytes else "?"
                    print(f"{len(busy.megabytes):>5} s {size}  {found.line()}", file=sys.stderr)
            lost, doubled = settled(merged([m.seen for m in rounds]), before, one.database)
            load.prepare(one.port, one.path, kind="idle", connections=OPEN, seconds=_IDLE)
            with Watch(one.process.pid) as idle:
                load.go()
                load.until_ended()
            load.result()
    most = max([*busy.megabytes, *idle.megabytes], default=None)
    verdicts = [
        Verdict(targets.MEMORY, most, "the most that was seen"),
        Verdict(targets.DRIFT, drift(busy.megabytes)),
        Verdict(targets.LOST, lost),
        Verdict(targets.DOUBLED, doubled),
    ]
    noisy = sum(m.is_noisy for m in rounds)
    print(machine.line(about))
    print(
        f"{told.minutes:g} minutes at {median(m.rate for m in rounds):.0f} reports/s: "
        f"{median(busy.megabytes):.0f} MB (median), {max(busy.megabytes):.0f} MB (most); "
        f"with {OPEN} idle connections: {max(idle.megabytes):.0f} MB; "
        f"{noisy} of {len(rounds)} stretches had foreign load"
    )
    content = {
        "machine": about,
        "minutes": told.minutes,
        "rates": [m.rate for m in rounds],
        "saturated_mb": busy.megabytes,
        "idle_mb": idle.megabytes,
    }
    title = f"Memory of the largest process, {told.minutes:g} minutes at saturation"
    picture = report.line(title, "MB", busy.megabytes, bound=targets.MEMORY.must)
    return report.finish(told.out, "memory", verdicts, content, picture)
