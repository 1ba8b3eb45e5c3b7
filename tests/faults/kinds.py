"""The faults, each at a random moment of a load. After each, everything is as it was before it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from collector.intake.frames import HEAD
from collector.model import ProjectId
from collector.store.rows import Row
from tests.faults import places, poison
from tests.faults.between import HOWS
from tests.faults.rounds import Fault, Round


async def kill9_worker(now: Round) -> None:
    for _ in range(1 if now.brief else now.rng.randint(1, 3)):
        await now.moment()
        now.serve.kill_worker(now.rng.randrange(now.serve.workers))
        await now.serve.workers_are_back()


async def kill9_supervisor(now: Round) -> None:
    await now.moment()
    await now.serve.kill()
    await now.serve.start()


async def kill9_postgres(now: Round) -> None:
    await now.moment()
    await now.database.kill(alone=now.heads())
    await now.hold()
    await now.database.start()


async def kill9_backend(now: Round) -> None:
    """Postgres ends all the others then, and recovers by itself."""
    await now.moment()
    now.database.kill_one(now.rng)
    await now.hold()
    await now.database.start()


async def stop_postgres(now: Round) -> None:
    await now.moment()
    await now.database.stop()
    await now.hold()
    await now.database.start()


async def restart_postgres(now: Round) -> None:
    for _ in range(1 if now.brief else now.rng.randint(1, 3)):
        await now.moment()
        await now.database.stop()
        await now.database.start()


async def freeze_postgres(now: Round) -> None:
    await now.moment()
    await now.database.freeze(now.rng.uniform(1.0, 2.5 if now.brief else 6.0))


async def out_of_connections(now: Round) -> None:
    await now.moment()
    await now.database.take_all_connections(now.rng.uniform(0.5, 1.5 if now.brief else 4.0))


async def read_only(now: Round) -> None:
    """As after a fail-over: connections from before it stay read-only until somebody closes them."""
    await now.moment()
    await now.database.read_only(on=True)
    await now.database.cut()
    await now.hold(1.0)
    await now.database.read_only(on=False)
    if not now.brief and now.heads():
        await now.database.cut()


async def cut_connections(now: Round) -> None:
    for _ in range(now.rng.randint(1, 5)):
        await now.moment()
        await now.database.cut()


async def fill_spool(now: Round) -> None:
    """To its bound, or its disk; until reports are shed."""
    await now.moment()
    await now.database.stop()
    while now.load.statuses["503"] < 5:
        await now.load.after(1)
    await now.hold()


async def spool_full(now: Round) -> None:
    await fill_spool(now)
    await now.database.start()


async def stop_with_full_spool(now: Round) -> None:
    await fill_spool(now)
    assert await now.serve.stop() == 0
    if now.heads():
        await now.serve.start()  # from the mirror
        await now.database.start()
    else:
        await now.database.start()
        await now.serve.start()


async def postgres_disk_full(now: Round) -> None:
    await now.moment()
    filler = places.fill(now.place / "disk", leave=now.rng.choice((0, 0, 8192, 300_000)))
    await now.load.after(40 if now.brief else 150)
    await now.hold()
    filler.unlink()
    await now.database.start()  # where that ended it


async def clock_jump(now: Round) -> None:
    assert now.clock is not None
    now.weak_again = True
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0) + timedelta(days=1)
    to_midnight = int((midnight - datetime.now(UTC)).total_seconds())
    jumps = [3600, -3600, to_midnight - 1, 5 * 86_400, 0]
    for _ in range(2 if now.brief else 4):
        await now.moment()
        now.clock.set(now.rng.choice(jumps))


async def poisoned_spool(now: Round) -> None:
    """Good, garbage, refused, damaged and torn, one behind the other, while Postgres is there or not."""
    await now.moment()
    is_away = now.heads()
    if is_away:
        await now.database.stop()
        await now.hold()
        await now.database.start()
    found = await now.database.fetch("SELECT id FROM project WHERE name = 'one'")
    project = found[0]["id"]

    def rows(many: int) -> list[Row]:
        """As durable as an answer says: they have to arrive."""
        return [poison.report(now.load.told_elsewhere(), project) for _ in range(many)]

    counts = poison.entries(ProjectId(project), 7)
    harmed = poison.framed(poison.report("harmed", project))
    parts = [
        poison.framed(*rows(2)),
        poison.Part(b"\x93 this is no payload", 4),
        poison.framed(*rows(2), poison.with_nul("nul", project), *rows(3), counts=counts),
        poison.Part(b"", 0),
        poison.framed(*rows(1), counts=counts),
        replace(harmed, flip=now.rng.randrange(HEAD + len(harmed.payload))),
        poison.framed(*rows(2)),
        poison.framed(poison.without_time("timeless", project)),
        poison.framed(*rows(1)),
        replace(harmed, cut=now.rng.randrange(1, len(harmed.payload))),
    ]
    assert now.serve.spool is not None
    left = poison.leave(now.serve.spool, parts)
    while left.exists():
        await now.load.after(1)
    assert list(now.serve.spool.glob("*.refused")), "what was refused is kept"


async def kill_spooling_and_replaying(now: Round) -> None:
    await now.moment()
    await now.database.stop()
    await now.moment()
    if now.serve.workers and now.heads():
        now.serve.kill_worker(now.rng.randrange(now.serve.workers))
    else:
        await now.serve.kill()
        await now.serve.start()
    await now.moment()
    await now.database.start()
    await asyncio.sleep(now.rng.uniform(0, 1.2))
    if now.serve.workers and now.heads():
        now.serve.kill_worker(now.rng.randrange(now.serve.workers))
        await now.serve.workers_are_back()
    else:
        await now.serve.kill()
        await now.serve.start()


async def lose_commits(now: Round) -> None:
    """Each of the ways, in any order; sometimes several in a row."""
    assert now.between is not None
    hows = [*HOWS, *(now.rng.choice(HOWS) for _ in range(0 if now.brief else 6))]
    now.rng.shuffle(hows)
    while hows:
        await now.moment()
        many = now.rng.randint(1, 3)
        now.between.cut, hows = hows[:many], hows[many:]
        while now.between.cut:
            await now.load.after(1)


async def kill_both(now: Round) -> None:
    await now.moment()
    await asyncio.gather(now.database.kill(), now.serve.kill())
    if now.heads():
        await now.serve.start()
        await now.database.start()
    else:
        await now.database.start()
        await now.serve.start()


async def lock_table(now: Round) -> None:
    """As a migration, or somebody's open transaction, does it."""
    await now.moment()
    seconds = now.rng.uniform(1.0, 3.0 if now.brief else 14.0)
    async with now.database.connected() as connection, connection.transaction():
        table = now.rng.choice(("violation", "delivery", "ledger_delta"))
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(seconds)


async def freeze_worker(now: Round) -> None:
    await now.moment()
    await now.serve.freeze_worker(
        now.rng.randrange(2), now.rng.uniform(0.5, 2.0 if now.brief else 12.0)
    )


async def stop_while_frozen(now: Round) -> None:
    """Told to stop while Postgres hangs; sometimes somebody loses patience with it."""
    await now.moment()
    frozen = asyncio.create_task(now.database.freeze(3.0 if now.brief else now.rng.uniform(1, 20)))
    await now.hold(0.0, 1.0)
    if now.heads():
        assert await now.serve.stop() == 0
    else:
        await now.serve.kill_while_stopping(now.rng.uniform(0, 3))
    await frozen
    await now.serve.start()


_CRASHED = frozenset({"flush.crashed"})
FAULTS = {
    fault.name: fault
    for fault in (
        Fault(name="kill9_worker", run=kill9_worker, spool=None, workers=2, kills=True),
        Fault(name="kill9_supervisor", run=kill9_supervisor, spool=None, kills=True),
        Fault(name="kill9_postgres", run=kill9_postgres, spool=None),
        Fault(name="kill9_backend", run=kill9_backend, spool=None),
        Fault(name="stop_postgres", run=stop_postgres, spool=None),
        Fault(name="restart_postgres", run=restart_postgres, spool=None),
        Fault(name="freeze_postgres", run=freeze_postgres, spool=None),
        Fault(name="out_of_connections", run=out_of_connections, spool=None),
        Fault(name="read_only", run=read_only, spool=None),
        Fault(name="cut_connections", run=cut_connections, spool=None),
        Fault(name="spool_full", run=spool_full, sheds=True, spool_bytes="1M", padding=1600),
        Fault(name="spool_disk_full", run=spool_full, sheds=True, spool_disk="1m", padding=1600),
        Fault(
            name="stop_with_full_spool", run=stop_with_full_spool, sheds=True, kills=True,
            spool_bytes="1M", padding=1600, said=frozenset({"doubts.lost"}),
        ),
        Fault(name="postgres_disk_full", run=postgres_disk_full, spool=None, own_disk="192m"),
        Fault(name="clock_jump", run=clock_jump, spool=None, has_clock=True),
        Fault(name="poisoned_spool", run=poisoned_spool, plants=True, said=_CRASHED),
        Fault(name="kill_spooling_and_replaying", run=kill_spooling_and_replaying, kills=True),
        Fault(name="lose_commits", run=lose_commits, spool=None, has_between=True),
        Fault(name="lock_table", run=lock_table, spool=None),
        Fault(name="freeze_worker", run=freeze_worker, spool=None, workers=2),
        Fault(
            name="stop_while_frozen", run=stop_while_frozen, spool=None, kills=True,
            said=frozenset({"doubts.lost"}),
        ),
        Fault(name="kill_both", run=kill_both, kills=True),
    )
}  # fmt: skip
