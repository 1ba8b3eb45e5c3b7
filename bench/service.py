"""The whole service under scenarios of `pinfall simulate`: what is counted against what happened, and when
it pages.

Raw reports of several dialects over HTTP, three clients in ten behind six carriers' NAT, a fifth of iOS
reports late by up to a week, go through de-duplication, caps of networks, class and detector. The
collector's clock is put forward (bench/service_trial.py). What a prober would see of the host is written
down by the bench. The truth is counted from what was sent (collector/simulate/truth.py).

Exit 1 unless, over all seeds of a scenario: installs are within 2 % of the truth for each class, with those
beyond the caps and without; nothing pages that should not; what should, does in every trial, once, within
60 s of its gate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import dataclasses
import itertools
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial

import asyncpg

from bench.database import Postgres, postgres
from bench.service_trial import HOST, Trial, trial
from collector.embedded.child import PR_SET_PDEATHSIG
from collector.errors import PinfallError
from collector.simulate.scenarios import BY_NAME

EXAMPLES = """examples:
  ./pinfall bench service
  ./pinfall bench service --seeds 20 --out out
  ./pinfall bench service --seeds 5 --scenarios bad-rotation,spoof
"""
SCENARIOS = (
    "quiet", "bad-rotation", "undeclared", "canary", "one-version", "office-proxy", "wave-at-rotation",
    "retry-loop", "spoof", "decoy", "rollback", "misissuance", "expired",
)  # fmt: skip
# What pages in a trial, each once; after a rotation soon after its gate. Scenarios not named page never.
_PAGES = {
    **dict.fromkeys(
        ("bad-rotation", "undeclared", "canary", "decoy", "rollback"), ("pin_failure_spike",)
    ),
    "misissuance": ("misissuance_suspected",),
    "expired": ("certificate_expiring", "own_certificate_expired"),  # minutes before it, and after
}
# What is told, as a page or as a ticket.
_TOLD = {"one-version": ("pin_failure_spike", "wrong_pins")}
_WITHIN = 60.0  # seconds from the gate to the page
_SHARE = 0.02
_CLASSES = ("self", "interception", "unknown")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=1, help="of each scenario (%(default)s)")
    parser.add_argument("--installs", type=int, default=300, help="size of the fleet (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=20, help="simulated, a trial (%(default)g)"
    )
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="names of them (%(default)s)"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="at once (%(default)s)"
    )


def run(told: argparse.Namespace) -> int:
    """Exit 0 if all bounds are kept."""
    names = told.scenarios.split(",")
    for name in names:
        if name not in BY_NAME:
            raise PinfallError(f"no scenario {name!r}: one of {', '.join(BY_NAME)}")
    if min(told.seeds, told.installs, told.processes) < 1 or told.minutes <= 0:
        raise PinfallError("--seeds, --installs, --minutes and --processes: more than 0")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is done is told then, too
    began, trials, wanted = time.monotonic(), [], told.seeds * len(names)
    with contextlib.suppress(KeyboardInterrupt), postgres(told.data) as server:
        for done in _trials(server, told, names):
            trials.append(done)
            number = f"{len(trials)}/{wanted}"
            print(f"{time.monotonic() - began:6.0f} s {number:>8}  {_line(done)}", flush=True)
    trials.sort(key=lambda one: (names.index(one.scenario), one.seed))
    print("\n".join(_table(trials)))
    played = [[one for one in trials if one.scenario == name] for name in names]
    broken = [words for some in played if some for words in _broken(some)]
    if len(trials) < wanted:
        broken.append(f"all {wanted} trials: stopped after {len(trials)}")
    if told.out is not None:
        told.out.mkdir(parents=True, exist_ok=True)
        found = [{**dataclasses.asdict(one), "delay": one.delay} for one in trials]
        text = json.dumps({"trials": found, "not_met": broken}, indent=1)
        (told.out / "service.json").write_text(text + "\n")
    for words in broken:
        print(f"not met: {words}")
    return 1 if broken else 0


def _trials(server: Postgres, told: argparse.Namespace, names: Sequence[str]) -> Iterator[Trial]:
    """As they end. Each has a copy of one migrated database, as long as it lasts."""
    _, key = server.collector_database("service", [HOST])
    work = itertools.product(range(1, told.seeds + 1), names)
    context = multiprocessing.get_context("spawn")  # no copy of this process's threads and locks
    with ProcessPoolExecutor(told.processes, context, _end_with_parent, (os.getpid(),)) as pool:
        copied = partial(
            _copied, server.server.url("postgres"), key=key, installs=told.installs, minutes=told.minutes
        )  # fmt: skip
        waiting = [pool.submit(copied, name, seed) for seed, name in work]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            for one in waiting:
                one.cancel()


def _end_with_parent(parent: int) -> None:
    """Also where that is killed, and can tell nobody."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    if os.getppid() != parent:
        sys.exit(1)


def _copied(url: str, name: str, seed: int, *, key: str, installs: int, minutes: float) -> Trial:
    copy = f"{name.replace('-', '_')}_{seed}"
    asyncio.run(_execute(url, f"CREATE DATABASE {copy} TEMPLATE service"))
    try:
        return trial(url.replace("/postgres?", f"/{copy}?", 1), key, name, seed, installs, minutes)
    finally:
        asyncio.run(_execute(url, f"DROP DATABASE {copy} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _broken(trials: Sequence[Trial]) -> Iterator[str]:
    """What is not as it should be with a scenario, a sentence each."""
    name = trials[0].scenario
    for one in trials:
        told = f"{name}, seed {one.seed}: "
        pages = [alert for alert in one.alerts if alert.endswith(" page")]
        if name in _PAGES:
            if sorted(pages) != [f"{kind} page" for kind in _PAGES[name]]:
                wanted = " and of ".join(_PAGES[name])
                yield f"{told}one page of {wanted}, but there are: {', '.join(pages) or 'none'}"
            elif BY_NAME[name].rotates is not None and (
                one.delay is None or one.delay > _WITHIN
            ):  # before its gate is well: four may be enough, where that is five
                yield f"{told}a page within {_WITHIN:.0f} s of its gate, but {_delay(one)}"
        elif name in _TOLD:
            kinds = {alert.split()[0] for alert in one.alerts}
            if len(pages) > 1 or not kinds & set(_TOLD[name]):
                yield f"{told}an alert of {' or '.join(_TOLD[name])}, but there are: {', '.join(one.alerts)}"
        elif pages:
            yield f"{told}no page, but there are: {', '.join(pages)}"
    counted, within = _sums(trials, "counted"), _sums(trials, "counted_within")
    true, true_within = _sums(trials, "true"), _sums(trials, "true_within")
    for what, found, real in (
        ("installs", counted, true),
        ("installs within caps", within, true_within),
    ):
        for class_ in _CLASSES:
            if abs(found[class_] - real[class_]) > _SHARE * real[class_]:
                yield f"{name}: {real[class_]} {what} of class {class_}, but {found[class_]} are counted"


def _sums(trials: Sequence[Trial], what: str) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in trials:
        total.update(getattr(one, what))
    return total


def _delay(one: Trial) -> str:
    if one.gate is None:
        return "its gate was never met"
    return "none came" if one.delay is None else f"{one.delay:.0f} s after it"


def _line(one: Trial) -> str:
    parts = [
        f"{name} {one.counted.get(name, 0)} of {one.true.get(name, 0)}"
        for name in _CLASSES
        if one.counted.get(name) or one.true.get(name)
    ]
    return (
        f"{one.scenario:16} seed {one.seed:<3} {one.reports:5} reports, {one.late:3} late"
        f"  {', '.join(one.alerts) or 'no alert'}; installs: {', '.join(parts) or 'none'}"
        f"  [{one.took:.0f} s]"
    )


def _table(trials: Sequence[Trial]) -> Iterator[str]:
    """A line for each scenario and class: installs counted and true, the same within caps."""
    yield ""
    yield (
        f"{'scenario':16} {'trials':>6} {'pages':>5} {'gate to page, s':>15}  {'class':12} {'true':>6}"
        f" {'counted':>7} {'ratio':>6}  within caps: {'true':>6} {'counted':>7} {'ratio':>6} {'forged':>7}"
    )
    for name in dict.fromkeys(one.scenario for one in trials):
        some = [one for one in trials if one.scenario == name]
        delays = [one.delay for one in some if one.delay is not None]
        worst = f"{min(delays):.0f} to {max(delays):.0f}" if delays else "-"
        head = f"{name:16} {len(some):>6} {sum(t.pages for t in some):>5} {worst:>15}"
        counted, within = _sums(some, "counted"), _sums(some, "counted_within")
        true, true_within = _sums(some, "true"), _sums(some, "true_within")
        forged = _sums(some, "forged")
        for class_ in [c for c in _CLASSES if true[c] or counted[c]] or ["-"]:
            yield (
                f"{head}  {class_:12} {true[class_]:>6} {counted[class_]:>7}"
                f" {_ratio(counted[class_], true[class_]):>6}  {'':12} {true_within[class_]:>6}"
                f" {within[class_]:>7} {_ratio(within[class_], true_within[class_]):>6}"
                f" {forged[class_] or '-':>7}"
            )
            head = " " * len(head)


def _ratio(found: int, real: int) -> str:
    return f"{found / real:.3f}" if real else "-"
