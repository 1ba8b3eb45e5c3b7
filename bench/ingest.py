"""What a report costs on its way in, against bare HTTP and against one INSERT a request.

Contestants take turns under load: closed loop with keep-alive connections, then open loop at half of the
saturating rate. Ratios are medians of ratios of the same turn. A round begins when all contestants are at
rest, and in it those whose turn it is not stand still: what a collector does in the background (count, watch,
sum up) is in its own rounds, and in nobody else's. A round with more than 0.2 cores of foreign load is
repeated, a bounded number of times.

bare      an aiohttp application with one route that answers 204
naive     reads the report, one INSERT a request, answers
pipeline  the whole collector, but what is stored is accepted at once and nowhere
durable   the collector on the embedded PostgreSQL, fsync on, all features on
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from statistics import median

from bench import machine, proc, report, targets
from bench.contestants import BARE, DURABLE, INSERTS, PIPELINE, TWO, Contestant, all_of_them
from bench.database import kept, postgres
from bench.processes import generator
from bench.rounds import QUIET, Measured, measure
from bench.stats import paired_ratio
from bench.targets import Verdict
from collector.errors import PinfallError
from collector.workers.cores import share_out

EXAMPLES = """examples:
  ./pinfall bench ingest                          nine rounds, about nine minutes
  ./pinfall bench ingest --rounds 3 --out out     a look; out/ingest.json, out/ingest.svg
  ./pinfall bench ingest --data /mnt/disk         measure that disk
  ./pinfall bench ingest --whole                  with every violation a row of its own
  ./pinfall bench ingest --own-cores              with a core for the worker alone
"""
_WARM = 1.5  # seconds of load before the first round, not counted
By = dict[str, list[Measured]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=9, help="of each contestant (default: 9)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round (default: 4)")
    parser.add_argument("--connections", type=int, default=256, help="default: 256")
    parser.add_argument(
        "--retries", type=int, default=18,
        help="noisy rounds repeated, of those in closed loop and of those in open loop each (default: 18)",
    )  # fmt: skip
    parser.add_argument(
        "--rest", type=float, default=30.0,
        help="seconds that contestants are given to come to rest before a round (default: 30)",
    )  # fmt: skip
    parser.add_argument(
        "--whole", action="store_true",
        help="no row budget: a storm's first minutes for ever (default: as `serve` does, the first 1,000 "
        "violations of a signature and hour are stored whole, the rest is counted)",
    )  # fmt: skip
    parser.add_argument(
        "--own-cores",
        action="store_true",
        help="durable is `serve --own-cores`, and PostgreSQL keeps off its worker's core, too",
    )


def run(told: argparse.Namespace) -> int:
    with postgres(told.data) as database, generator() as load:
        about = machine.describe(database)
        print(machine.line(about), file=sys.stderr)
        if told.own_cores:
            _, others = share_out(os.sched_getaffinity(0), 1)
            proc.keep_to(database.pid, others)
        with all_of_them(database, whole=told.whole, own_cores=told.own_cores) as contestants:
            series = _Series(told, lambda *a, **k: measure(load, database.pid, *a, **k))
            closed, opened = series.run(contestants)
            _check_stub(contestants)
    verdicts = judge(closed, opened, about["cores"])
    rounds = [m for by in (closed, opened) for some in by.values() for m in some]
    noisy = sum(m.is_noisy for m in rounds)
    print(machine.line(about))
    print(summary(closed, opened))
    if TWO not in closed:
        print("no workers in this version")
    print(
        f"{noisy} of {len(rounds)} rounds had more than {QUIET} cores of foreign load, "
        f"after {series.repeated} were repeated" + (": take the figures with care" if noisy else "")
    )
    content = {
        "machine": about,
        "options": {
            "rounds": told.rounds,
            "seconds": told.seconds,
            "connections": told.connections,
            "whole": told.whole,
            "own_cores": told.own_cores,
        },
        "rounds": [dataclasses.asdict(m) for m in rounds],
    }
    bars = [
        report.Bar(name, median(m.rate for m in some), [m.rate for m in some])
        for name, some in closed.items()
    ]
    title = f"Reports a second, {told.connections} connections"
    return report.finish(told.out, "ingest", verdicts, content, report.bars(title, "/s", bars))


def _check_stub(contestants: Sequence[Contestant]) -> None:
    """The pipeline's figure means something only while nothing of it is stored."""
    for c in contestants:
        if c.name == PIPELINE and c.database and kept(c.database).rows:
            raise PinfallError(
                "bench/stub.py does not keep the pipeline from its database any more"
            )


class _Series:
    """All rounds of a run."""

    def __init__(self, told: argparse.Namespace, measured: Callable[..., Measured]) -> None:
        self._told = told
        self._measured = measured
        self._pids: dict[str, int] = {}
        self._usual: dict[str, float] = {}
        self._left = 0  # noisy rounds that may be repeated
        self.repeated = 0

    def run(self, contestants: Sequence[Contestant]) -> tuple[By, By]:
        """(closed, open): rounds by contestant, the same number of each."""
        self._pids = {c.name: c.process.pid for c in contestants}
        for c in contestants:
            self._usual[c.name] = 8000.0
            self._usual[c.name] = self._round(c, "warm", _WARM).rate
        closed = self._turns(contestants, None)
        usual = median(m.rate for m in closed[DURABLE])
        some = [c for c in contestants if c.name in (BARE, DURABLE)]
        return closed, self._turns(some, usual / 2)

    def _turns(self, contestants: Sequence[Contestant], rate: float | None) -> By:
        by: By = {c.name: [] for c in contestants}
        self._left = self._told.retries
        for number in range(self._told.rounds):
            # Another one is first each time, so that none always follows the same.
            shift = number % len(contestants)
            for c in [*contestants[shift:], *contestants[:shift]]:
                by[c.name].append(self._quiet(c, f"{number + 1}/{self._told.rounds}", rate))
        return by

    def _quiet(self, c: Contestant, place: str, rate: float | None) -> Measured:
        """The round with the least foreign load of a few."""
        best = self._round(c, place, self._told.seconds, rate)
        tries = 1
        while best.is_noisy and tries < 3 and self._left:
            self._left -= 1
            self.repeated += 1
            tries += 1
            again = self._round(c, f"{place} again", self._told.seconds, rate)
            # Noise excuses no loss: a round with one is never put aside.
            if again.is_wrong or (again.foreign < best.foreign and not best.is_wrong):
                best = again
        best.tries = tries
        return best

    def _round(
        self, c: Contestant, place: str, seconds: float, rate: float | None = None
    ) -> Measured:
        expected = (rate or 1.3 * self._usual[c.name]) * seconds
        fresh = 1 if c.name == BARE else int(expected / 100) + 20
        found = self._measured(
            c, seconds=seconds, connections=self._told.connections, fresh=fresh, rate=rate,
            rest=self._told.rest, others=[pid for name, pid in self._pids.items() if name != c.name],
        )  # fmt: skip
        print(f"{place:>10}  {found.line()}", file=sys.stderr, flush=True)
        return found


def judge(closed: By, opened: By, cores: int) -> list[Verdict]:
    """Each target of ingest with what was measured."""

    def ratio(over: str, under: str, of: Callable[[Measured], float]) -> float | None:
        return paired_ratio(*([of(m) for m in closed.get(name, [])] for name in (over, under)))

    def rate(m: Measured) -> float:
        return m.rate

    def by_cpu(name: str) -> str:
        """Says more than the rate where others want the CPU too."""
        found = ratio(BARE, name, lambda m: m.server_cost)
        return f"{found:.2f} by the server's CPU" if found is not None else ""

    late = [m.milliseconds["p99"] for m in opened[DURABLE] if m.milliseconds]
    checked = [m for by in (closed, opened) for some in by.values() for m in some]
    few = f"{cores} cores are too few to judge" if cores < 4 else ""
    return [
        Verdict(targets.DURABLE, ratio(DURABLE, BARE, rate), by_cpu(DURABLE)),
        Verdict(targets.PIPELINE, ratio(PIPELINE, BARE, rate), by_cpu(PIPELINE)),
        Verdict(targets.NAIVE, ratio(DURABLE, INSERTS, rate)),
        Verdict(
            targets.POSTGRES,
            ratio(DURABLE, INSERTS, lambda m: m.postgres_cost),
            _whole(closed.get(DURABLE, [])),
        ),
        Verdict(
            targets.WORKERS,
            ratio(TWO, DURABLE, rate),
            few if TWO in closed else "no workers in this version",
        ),
        Verdict(targets.P99, median(late) if late else None),
        Verdict(targets.LOST, sum(m.lost or 0 for m in checked)),
        Verdict(targets.DOUBLED, sum(m.doubled or 0 for m in checked)),
    ]


def _whole(some: Sequence[Measured]) -> str:
    shares = [m.whole for m in some if m.whole is not None]
    return f"{median(shares):.0%} of the violations were stored whole" if shares else ""


def summary(closed: By, opened: By) -> str:
    """A line a contestant: medians over its rounds."""
    head = "cores: generator, server, Postgres   CPU us a report: the same"
    lines = [f"\n{'':<20} {'reports/s':>9} {'from':>7} {'to':>7}   {head}"]
    for name, some in closed.items():
        rates = [m.rate for m in some]
        processes = max(len(m.server) for m in some)
        server = "+".join(
            f"{median(m.server[i] if i < len(m.server) else 0.0 for m in some):.2f}"
            for i in range(processes)
        )
        costs = [
            median(getattr(m, which) for m in some)
            for which in ("generator_cost", "server_cost", "postgres_cost")
        ]
        lines.append(
            f"{name:<20} {median(rates):>9.0f} {min(rates):>7.0f} {max(rates):>7.0f}   "
            f"{median(m.generator for m in some):>5.2f}, {server}, "
            f"{median(m.postgres for m in some):.2f}   "
            f"{costs[0]:>6.1f}, {costs[1]:.1f}, {costs[2]:.1f}"
        )
    for name, some in opened.items():
        told = ", ".join(
            f"{which} {median(m.milliseconds.get(which, 0.0) for m in some):.1f}"
            for which in ("p50", "p99", "p99.9")
        )
        rate = median(m.rate for m in some)
        lines.append(f"{name:<20} {rate:>9.0f}/s open loop, latency in ms: {told}")
    return "\n".join(lines) + "\n"
