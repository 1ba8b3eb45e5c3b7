import asyncio
import uuid

import asyncpg
import pytest

from collector.store import lease
from collector.store.lease import Lease, StaleEpochError


async def test_one_of_many_gets_it_and_keeps_it(pool: asyncpg.Pool) -> None:
    async def take(holder: str) -> int | None:
        async with pool.acquire() as connection:
            return await lease.take(connection, holder)

    holders = [uuid.uuid4().hex for _ in range(6)]
    took = await asyncio.gather(*map(take, holders))
    (holder,) = (h for h, epoch in zip(holders, took, strict=True) if epoch is not None)
    assert sorted(epoch or 0 for epoch in took) == [0, 0, 0, 0, 0, 1]
    assert await take(holder) == 1
    # By the database's clock: nine seconds are not enough, ten are.
    for seconds, expected in ((9, None), (11, 2)):
        age = f"UPDATE watcher_lease SET renewed_at = clock_timestamp() - interval '{seconds} s'"
        await pool.execute(age)
        assert await take("another") == expected
    assert await take(holder) is None


async def test_who_was_late_renews_if_nobody_came(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        assert await lease.take(connection, "this") == 1
        await pool.execute("UPDATE watcher_lease SET renewed_at = '-infinity'")
        assert await lease.take(connection, "this") == 1


async def test_holding_still_a_lease_that_went_on_is_refused(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await lease.take(connection, "this")
        await lease.release(connection, "this")
        assert await lease.take(connection, "another") == 2
        with pytest.raises(StaleEpochError):
            async with connection.transaction():
                await lease.hold(connection, 1)
        async with connection.transaction():
            await lease.hold(connection, 2)


async def test_a_writer_that_hangs_does_not_hold_the_lease_still_for_ever(
    pool: asyncpg.Pool, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_WRITING", "200ms")
    hanging = await asyncpg.connect(database_url)
    try:
        async with pool.acquire() as connection:
            await lease.take(connection, "this")
            await pool.execute("UPDATE watcher_lease SET renewed_at = '-infinity'")
            await hanging.execute("BEGIN")
            await lease.hold(hanging, 1)
            async with asyncio.timeout(30):
                assert await lease.take(connection, "another") == 2
    finally:
        hanging.terminate()


async def test_a_process_doubts_its_lease_before_others_may_take_it(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = Lease(pool, "mine"), Lease(pool, "other")
    told = [mine.epoch]
    await mine.renew()
    await other.renew()
    told += [mine.epoch, other.epoch]
    assert lease.LASTS.total_seconds() > lease._SURE
    monkeypatch.setattr(mine, "_renewed", asyncio.get_running_loop().time() - lease._SURE)
    told.append(mine.epoch)
    await mine.renew()
    told.append(mine.epoch)
    await mine.give_up()
    await other.renew()
    assert [*told, mine.epoch, other.epoch] == [None, 1, None, None, 1, None, 2]
