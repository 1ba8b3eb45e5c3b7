"""Segments that several processes share, and disks that are full."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import os
import threading
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from collector.intake import replay as replay_module
from collector.intake import segments
from collector.intake.frames import Frame, frame
from collector.intake.queue import Intake
from collector.intake.replay import Replay
from collector.intake.segments import Reading, Segment
from collector.intake.spool import Spool
from collector.metrics import Metrics
from collector.store import ledger
from tests.conftest import Clock
from tests.faults import poison
from tests.faults.places import Skipped, fill, small_disk
from tests.intake.running import project
from tests.make import issue, neutral, row


@pytest.mark.parametrize("is_done", [True, False], ids=["replayed and gone", "still held"])
def test_a_new_segment_is_nobody_elses_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """Another process lists the directory between the making and the locking of a segment."""
    lock = fcntl.flock
    others: list[Reading] = []
    looked: list[int] = []

    def slowly(handle: int, how: int) -> None:
        if not looked:
            looked.append(handle)
            for path in segments.listed(tmp_path):
                reading = Reading.take(path)
                assert reading is not None
                others.append(reading)
                if is_done:
                    reading.done()
                    reading.close()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slowly)
    segment = Segment.new(tmp_path)
    segment.append(b"durable", 1)
    segment.close()
    assert looked
    assert [path.read_bytes() for path in segments.listed(tmp_path)] == [b"durable"]


async def _replay(pool: asyncpg.Pool, clock: Clock, spool: Spool) -> Replay:
    return Replay(spool, Intake(pool, Metrics(), clock, spool=spool))


async def test_poison_on_a_full_disk_does_not_hold_up_the_rest(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    """There is no room to put it aside: it stays where it is until what lies behind it has made some."""
    key = await project(pool)
    directory = tmp_path / "spool"
    try:
        with small_disk(directory, "256k"):
            spool = Spool(directory, 1024**3)
            replay = await _replay(pool, clock, spool)
            good = [poison.report(f"good-{n}", key.project) for n in range(2)]
            nonsense = poison.Part(b"\x93 nonsense" * 3000, 1)
            left = poison.leave(directory, [nonsense, poison.framed(good[0])])
            poison.leave(directory, [poison.framed(good[1])])
            filler = fill(directory)
            await replay.tick()
            stored = await pool.fetch("SELECT app_version FROM violation ORDER BY 1")
            assert [row["app_version"] for row in stored] == ["good-0", "good-1"]
            assert len(segments.listed(directory)) == 1
            filler.unlink()
            await replay.tick()
            assert segments.listed(directory) == []
            kept = [path.read_bytes() for path in directory.glob("*.refused")]
            assert kept == [nonsense.within(left)]
            assert await pool.fetchval("SELECT count(*) FROM violation") == 2
            await spool.close()
    except Skipped as why:
        pytest.skip(str(why))


async def test_what_is_put_aside_is_put_aside_once(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    """One frame is left for another try, and the next is another process', of which the first died."""
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    garbage = poison.Part(b"\x93 nonsense", 1)
    timeless = poison.framed(poison.without_time("timeless", key.project))
    left = poison.leave(tmp_path, [garbage, timeless])
    processes = [await _replay(pool, clock, spool) for _ in range(2)]
    for _ in range(3):
        for replay in processes:
            await replay.tick()
            replay.close()
    assert segments.listed(tmp_path) == []
    kept = sorted(path.read_bytes() for path in tmp_path.glob("*.refused"))
    assert kept == sorted((garbage.within(left), timeless.within(left)))
    lost = sum(replay.intake.metrics.spool_lost._value.get() for replay in processes)
    assert lost == 2
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.refused")} == {0o600}
    await spool.close()


async def test_the_ledgers_entries_of_a_frame_survive_a_row_that_postgres_refuses(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    """Also when the process dies after it, and before it is known that all is done."""
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    ignored = poison.entries(key.project, 7)
    rows = [poison.report("first", key.project), poison.with_nul("nul", key.project)]
    rows.append(poison.report("last", key.project))
    frame = poison.framed(*rows, counts=ignored)
    for _ in range(2):
        poison.leave(tmp_path, [frame])
        replay = await _replay(pool, clock, spool)
        await replay.tick()
        await replay.intake.drain()
    async with pool.acquire() as connection:
        totals = (await ledger.totals(connection))["default"]
    assert totals == {"received": 10, "ignored": 7, "accepted": 2, "rejected": 1}
    await spool.close()


async def test_a_long_replay_comes_up_for_air(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round ends before it is called stuck, and the next goes on from there."""
    monkeypatch.setattr(replay_module, "TURN", 0.0)
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    names = [f"good-{n}" for n in range(6)]
    frames = [poison.framed(poison.report(name, key.project)) for name in names]
    poison.leave(tmp_path, frames[:4])
    poison.leave(tmp_path, frames[4:])
    replay = await _replay(pool, clock, spool)
    stored = []
    while segments.listed(tmp_path):
        await replay.tick()
        stored.append(await pool.fetchval("SELECT count(*) FROM violation"))
    assert stored == [1, 2, 3, 4, 5, 6]
    await spool.close()


async def test_a_segment_stays_with_who_began_it(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between rounds, too: another process would count again what was counted."""
    monkeypatch.setattr(replay_module, "TURN", 0.0)
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    frames = [poison.framed(poison.report(f"good-{n}", key.project)) for n in range(4)]
    poison.leave(tmp_path, frames)
    one, two = [await _replay(pool, clock, spool) for _ in range(2)]
    await one.tick()
    await two.tick()
    assert await pool.fetchval("SELECT count(*) FROM violation") == 1
    one.close()  # it ends: what it did is done again, and changes nothing
    while segments.listed(tmp_path):
        await two.tick()
    assert await pool.fetchval("SELECT count(*) FROM violation") == 4
    await spool.close()


async def test_a_round_that_is_cut_off_lets_go_of_nothing(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it takes a segment: the lock is had by then, and is still this process' own."""
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    poison.leave(tmp_path, [poison.framed(poison.report("good", key.project))])
    replay = await _replay(pool, clock, spool)
    take, taking, goes_on = Reading.take, threading.Event(), threading.Event()

    def slowly(path: Path) -> Reading | None:
        taking.set()
        goes_on.wait()
        return take(path)

    monkeypatch.setattr(Reading, "take", slowly)
    round_ = asyncio.create_task(replay.tick())
    await asyncio.to_thread(taking.wait)
    round_.cancel()
    await asyncio.gather(round_, return_exceptions=True)
    goes_on.set()
    await replay.tick()
    assert segments.listed(tmp_path) == []
    assert await pool.fetchval("SELECT count(*) FROM violation") == 1
    await spool.close()


async def test_a_frame_within_a_report_is_never_taken_for_one(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    """A certificate is kept as it came, whatever its extensions hold; and a crash cuts off its frame."""
    key = await project(pool)
    forged = frame(Frame(uuid4(), [poison.report("forged", key.project)], {}))
    leaf = issue("api.example.com", extension=forged)
    served = [base64.b64encode(leaf.der).decode()]
    sent = row(neutral(event_id="e", pins=..., served_chain=served), key=key)
    spool = Spool(tmp_path, 1024**3)
    await spool.append(Frame(uuid4(), [sent], {}))
    await spool.do(spool.seal)
    (segment,) = segments.listed(tmp_path)
    assert forged in segment.read_bytes()
    os.truncate(segment, segment.stat().st_size - 1)
    replay = await _replay(pool, clock, spool)
    await replay.tick()
    assert segments.listed(tmp_path) == []
    assert await pool.fetchval("SELECT count(*) FROM violation") == 0
    await spool.close()


_STUBBORN = """
CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN IF new.app_version = 'stubborn' THEN RAISE EXCEPTION 'no'; END IF; RETURN new; END $$;
CREATE TRIGGER stubborn BEFORE INSERT ON violation FOR EACH ROW EXECUTE FUNCTION stubborn();
"""


async def test_a_frame_that_is_given_up_counts_each_item_once(
    pool: asyncpg.Pool, clock: Clock, tmp_path: Path
) -> None:
    """Part of it was stored before the part that Postgres does not take, and says no reason for."""
    key = await project(pool)
    spool = Spool(tmp_path, 1024**3)
    await pool.execute(_STUBBORN)
    names = ("good", "stubborn", "behind")
    rows = [poison.with_nul("nul", key.project), *(poison.report(n, key.project) for n in names)]
    poison.leave(tmp_path, [poison.framed(*rows, counts=poison.entries(key.project, 7))])
    replay = await _replay(pool, clock, spool)
    for _ in range(3):
        await replay.tick()
    await replay.intake.drain()
    assert segments.listed(tmp_path) == []
    assert len(list(tmp_path.glob("*.refused"))) == 1
    stored = await pool.fetch("SELECT app_version FROM violation")
    assert [row["app_version"] for row in stored] == ["good"]
    async with pool.acquire() as connection:
        totals = (await ledger.totals(connection))["default"]
    assert totals == {"received": 11, "ignored": 7, "accepted": 1, "rejected": 3}
    assert await pool.fetchval("SELECT count(*) FROM quarantine") == 1
    await spool.close()
