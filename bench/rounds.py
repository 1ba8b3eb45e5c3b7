"""One round: load on one contestant, what it answered, what everybody's CPU did meanwhile."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import proc
from bench.contestants import Contestant
from bench.database import Kept, kept
from bench.processes import Generator

QUIET = 0.2  # cores of foreign load from which on a round is noisy
_REST = 0.1  # cores that all contestants take at rest
_AWAKE = 1.0  # seconds, at least: a server that stood still twice in a row believes itself to be overloaded
_SETTLE = 10.0  # seconds that what was spooled may take to the database


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """CPU seconds until now."""

    at: float
    busy: float  # with what was stolen
    stolen: float
    own: float
    generator: float
    postgres: float
    server: Mapping[int, float]


def _snapshot(generator: int, postgres: int, server: int) -> _Snapshot:
    cpu = {pid: proc.cpu_seconds([pid]) for pid in proc.descendants(server)}
    return _Snapshot(
        time.perf_counter(),
        *proc.busy_seconds(),
        proc.cpu_seconds(proc.descendants(os.getpid())),
        proc.cpu_seconds([generator]),
        proc.cpu_seconds(proc.descendants(postgres)),
        cpu,
    )


@dataclass(slots=True, kw_only=True)
class Measured:
    """One round. rate: answers with 2xx a second. Loads are in cores, costs in microseconds of CPU
    a report. foreign: of others here, and of other guests of the host. lost, doubled, whole: None where
    nothing has to be kept. whole: the share that was stored as rows of violations, and not only
    counted."""

    contestant: str
    kind: str  # closed or open
    rate: float
    foreign: float
    generator: float
    server: list[float]  # by process, that with most first
    postgres: float
    generator_cost: float
    server_cost: float
    postgres_cost: float
    lost: int | None
    doubled: int | None
    milliseconds: dict[str, float] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)  # as the generator told it
    tries: int = 1
    whole: float | None = None

    @property
    def is_noisy(self) -> bool:
        return self.foreign > QUIET

    @property
    def is_wrong(self) -> bool:
        return bool(self.lost or self.doubled)

    def line(self) -> str:
        shares = "+".join(f"{share:.2f}" for share in self.server if share > 0.005) or "0.00"
        told = (
            f"{self.contestant:<19} {self.kind:<6} {self.rate:>7.0f}/s  cores: generator "
            f"{self.generator:.2f}, server {shares}, Postgres {self.postgres:.2f}, "
            f"foreign {self.foreign:.2f}{' (noisy)' if self.is_noisy else ''}"
        )
        if self.milliseconds:
            told += "  ms: " + ", ".join(f"{k} {v:.1f}" for k, v in self.milliseconds.items())
        others = {s: n for s, n in self.seen.get("statuses", {}).items() if s[:1] != "2"}
        if others:
            told += "  answered also: " + ", ".join(f"{n} x {s}" for s, n in others.items())
        if unanswered := self.seen.get("unanswered"):
            told += f"  without an answer: {unanswered}"
        if self.whole is not None:
            told += f"  {self.whole:.0%} whole"
        if self.is_wrong:
            told += f"  LOST {self.lost}, COUNTED TWICE {self.doubled}"
        return told


def until_rested(seconds: float) -> None:
    """What contestants still had to do has to do with no other one's round, nor with one's own at another
    rate. The processes of this one and all below it are looked at, for so many seconds at most."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before, began = proc.cpu_seconds(proc.descendants(os.getpid())), time.monotonic()
        time.sleep(0.5)
        used = proc.cpu_seconds(proc.descendants(os.getpid())) - before
        if used < _REST * (time.monotonic() - began):
            return


def measure(
    generator: Generator,
    postgres: int,
    contestant: Contestant,
    *,
    seconds: float,
    connections: int,
    fresh: int,
    rate: float | None = None,
    rest: float = 0.0,
    others: Sequence[int] = (),
) -> Measured:
    """rest: seconds that contestants are given to end what they do. others: processes that stand still in
    the round itself. Raises PinfallError where the generator ends."""
    database = contestant.database if contestant.keeps else None
    before = kept(database) if database else None
    generator.prepare(
        contestant.port,
        contestant.path,
        connections=connections,
        seconds=seconds,
        rate=rate,
        fresh=fresh,
    )
    until_rested(max(rest, _AWAKE) if others else rest)
    pids = generator.pid, postgres, contestant.process.pid
    with proc.standing_still(*others):
        first = _snapshot(*pids)
        generator.go()
        generator.until_ended()
        last = _snapshot(*pids)
    seen = generator.result()
    lost = doubled = whole = None
    if before is not None and database:
        lost, doubled = settled(seen, before, database)
        after = kept(database)
        whole = (after.whole - before.whole) / max(1, after.rows - before.rows)
    took = last.at - first.at
    shares = sorted(
        ((cpu - first.server.get(pid, 0.0)) / took for pid, cpu in last.server.items()),
        reverse=True,
    )
    own, busy = last.own - first.own, last.busy - first.busy
    spent = last.generator - first.generator, sum(shares) * took, last.postgres - first.postgres
    each = 1e6 / max(seen["answered"], 1)
    return Measured(
        contestant=contestant.name,
        kind="closed" if rate is None else "open",
        rate=seen["answered"] / seen["seconds"],
        # What is stolen from a process while it runs is in its own time, too, and not in the difference.
        foreign=max(busy - own, last.stolen - first.stolen) / took,
        generator=spent[0] / took,
        server=shares,
        postgres=spent[2] / took,
        generator_cost=spent[0] * each,
        server_cost=spent[1] * each,
        postgres_cost=spent[2] * each,
        lost=lost,
        doubled=doubled,
        milliseconds=seen["milliseconds"],
        seen=seen,
        whole=whole,
    )


def settled(seen: Mapping[str, Any], before: Kept, url: str) -> tuple[int, int]:
    """(lost, counted twice), once what was spooled had its time to reach the database."""
    deadline = time.monotonic() + _SETTLE
    while True:
        found = compare(seen, before, kept(url))
        if found == (0, 0) or time.monotonic() > deadline:
            return found
        time.sleep(0.3)


def compare(seen: Mapping[str, Any], before: Kept, after: Kept) -> tuple[int, int]:
    """(lost, counted twice) of a round, by what was answered and what the database holds.

    What was not answered, or answered with 503, may be there or not: a commit's answer can get lost.
    """
    told, statuses = seen["told"], seen["statuses"]
    rows = after.rows - before.rows
    accepted = after.accepted - before.accepted
    answered = told.get("kept", 0) + told.get("duplicates", 0)
    entered = accepted + after.duplicates - before.duplicates
    open_ones = seen["unanswered"] + statuses.get("503", 0)
    # Of what was spooled some may turn out to be duplicates, which were not answered as such.
    kept_at_least = told.get("kept", 0) - told.get("spooled", 0)
    lost = max(kept_at_least - rows, answered - entered, 0)
    doubled = max(
        rows - told.get("kept", 0) - open_ones,
        rows - (seen["sent"] - seen["again"]),
        rows - accepted,
        0,
    )
    return lost, doubled
