"""A round: a real `serve` under load, one fault at a random moment, and what has to be true after it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import checks
from tests.faults.between import Between
from tests.faults.hurt import Database
from tests.faults.load import Load
from tests.faults.places import Clock, small_disk
from tests.faults.serving import Serve

_LONGEST = 600.0  # seconds of a round; something hangs then


@dataclass(slots=True)
class Round:
    """What a fault has at hand. ``brief``: hold nothing longer than it needs."""

    database: Database
    serve: Serve
    load: Load
    rng: random.Random
    place: Path
    brief: bool
    clock: Clock | None = None
    between: Between | None = None
    weak_again: bool = False

    async def moment(self) -> None:
        """Some random time into the load."""
        await self.load.after(self.rng.randrange(3, 30 if self.brief else 120))
        await asyncio.sleep(self.rng.uniform(0, 0.05))

    async def hold(self, least: float = 0.2, most: float = 3.0) -> None:
        await asyncio.sleep(self.rng.uniform(least, min(most, 1.0) if self.brief else most))

    def heads(self) -> bool:
        return self.rng.random() < 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """spool: whether there is one; None: sometimes. workers: how many; None: 0 to 2.

    kills: processes of serve, so that clients find nobody. plants: items that no process of this round
    received. sheds: reports may be shed although there is a
    spool. own_disk, spool_disk: sizes of the tmpfs that Postgres, or the spool, lies on. padding: see
    ``Load``. said: what the log may hold then, and never otherwise.
    """

    name: str
    run: Callable[[Round], Awaitable[None]]
    spool: bool | None = True
    workers: int | None = None
    kills: bool = False
    plants: bool = False
    sheds: bool = False
    own_disk: str | None = None
    spool_disk: str | None = None
    spool_bytes: str | None = None
    has_clock: bool = False
    has_between: bool = False
    padding: int = 0
    said: frozenset[str] = frozenset()


@dataclass(slots=True)
class Told:
    """What came of a round. ``wrong``: what was not as it has to be."""

    fault: str
    seed: str
    workers: int
    spool: bool
    figures: dict[str, int] = field(default_factory=dict)
    shed: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0  # seconds to an answer
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


async def run_round(
    place: Path, shared: Database | None, fault: Fault, seed: str, *, brief: bool = False
) -> Told:
    """shared: where the fault needs none of its own. Raises Skipped."""
    rng = random.Random(f"{seed}/{fault.name}")
    workers = fault.workers or rng.choice((0, 1, 2))
    has_spool = rng.random() < 0.7 if fault.spool is None else fault.spool
    told = Told(fault.name, seed, workers, has_spool)
    began = time.monotonic()
    work = place / f"round-{time.time_ns()}"
    work.mkdir(parents=True)
    try:
        async with contextlib.AsyncExitStack() as stack:
            database = shared
            if fault.own_disk or database is None:
                if fault.own_disk:
                    stack.enter_context(small_disk(work / "disk", fault.own_disk))
                database = await stack.enter_async_context(Database(work / "disk" / "postgres"))
            spool = work / "spool" if has_spool else None
            if spool and fault.spool_disk:
                stack.enter_context(small_disk(spool, fault.spool_disk))
            clock = Clock(place) if fault.has_clock else None
            more = dict(clock.environment) if clock else {}
            if fault.spool_bytes:
                more["PINFALL_SPOOL_BYTES"] = fault.spool_bytes
            between = Between(database.url) if fault.has_between else None
            if between:
                await stack.enter_async_context(between.running())
            url = between.url if between else database.url
            serve = Serve(work, url, workers, spool, **more)
            stack.callback(serve.end)
            prefix = f"m{rng.getrandbits(40):010x}"
            clients = 4 if brief else 8
            load = Load(
                serve.public, database.keys, prefix, rng, clients=clients, padding=fault.padding
            )
            async with asyncio.timeout(_LONGEST):
                await serve.start()
                now = Round(database, serve, load, rng, work, brief, clock, between)
                await _go(now, fault, told, prefix)
    except (AssertionError, TimeoutError, ExceptionGroup, OSError) as error:
        told.wrong.append(f"{type(error).__name__}: {error}"[:2000])
        if isinstance(error, ExceptionGroup):
            told.wrong += [f"{type(e).__name__}: {e}"[:2000] for e in error.exceptions]
    told.seconds = round(time.monotonic() - began, 1)
    if told.wrong:
        (work / "told.txt").write_text("\n".join(told.wrong))
    else:
        shutil.rmtree(work, ignore_errors=True)
    return told


async def _go(now: Round, fault: Fault, told: Told, prefix: str) -> None:
    async def hurt() -> None:
        try:
            await fault.run(now)
            await now.load.after(10 if now.brief else 40)  # and life goes on
        finally:
            now.load.stop()

    before = await checks.received(now.database)
    async with asyncio.TaskGroup() as group:
        group.create_task(now.load.run())
        group.create_task(hurt())
    load, serve = now.load, now.serve
    told.statuses = dict(load.statuses)
    told.slowest = round(load.slowest, 1)
    told.shed = sum("shed" in item.told for item in load.items.values())
    told.wrong += load.mistakes[:10]
    told.wrong += await checks.of_metrics(serve, exact=serve.starts == 1 and not fault.plants)
    told.wrong += await checks.of_deferred(now.database)
    if (code := await serve.stop()) != 0:
        told.wrong.append(f"serve ended with {code}")
    told.wrong += serve.complaints(fault.said)
    told.figures, wrong = await checks.of_items(
        now.database, prefix, load.items, weak_again=now.weak_again
    )
    told.wrong += wrong + await checks.of_ledger(now.database)
    if not fault.plants:
        came = await checks.received(now.database) - before
        sent = sum(len(item.told) for item in load.items.values())
        told.wrong += checks.of_received(came, sent, exact=not fault.kills)
    unheard = [status for status in load.statuses if status.startswith("no answer")]
    if unheard and not fault.kills:
        told.wrong.append(f"serve was there, and did not answer: {load.statuses}")
    if told.shed and told.spool and not (fault.sheds or fault.kills):
        told.wrong.append(f"{told.shed} shed although there was a spool: {load.statuses}")
