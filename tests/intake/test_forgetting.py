"""An install is also taken out of what is deferred."""

import asyncio
import uuid
from collections import Counter
from dataclasses import replace

import asyncpg
import pytest

from collector.intake import forgetting
from collector.intake.forgetting import forget_deferred
from collector.intake.frames import HEAD, Frame, frame
from collector.intake.keyring import Key
from collector.intake.prepare import sample_of
from collector.model import ProjectId
from collector.store.rows import Entry
from tests.intake.running import project
from tests.make import INSTALL, NOON, neutral, row, trustkit_android, trustkit_ios


async def _defer(pool: asyncpg.Pool, entry: Entry, *, header: bool = True) -> bytes:
    told = frame(Frame(uuid.uuid4(), [entry], Counter()))
    await _insert(pool, entry.project, entry.delivery.key, told if header else told[HEAD:])
    return entry.delivery.key


async def _insert(pool: asyncpg.Pool, project: ProjectId, delivery: bytes, told: bytes) -> None:
    await pool.execute(
        "INSERT INTO deferred (received_at, project, delivery, network, frame) VALUES ($1, $2, $3, '', $4)",
        NOON, project, delivery, told,
    )  # fmt: skip


async def _forget(pool: asyncpg.Pool, key: Key, install: str = INSTALL) -> set[bytes]:
    async with pool.acquire() as connection, connection.transaction():
        return set(await forget_deferred(connection, key.project, key.secret, install))


@pytest.mark.parametrize("header", [True, False], ids=["framed", "bare"])
async def test_what_is_deferred_of_an_install_goes(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, header: bool
) -> None:
    monkeypatch.setattr(forgetting, "_SOME", 2)
    key, other = await project(pool), await project(pool, "other")
    other = replace(other, secret=b"o" * 32)
    mine: list[Entry] = [
        row(trustkit_ios(app_vendor_id=INSTALL.upper()), key=key),
        row(neutral(install_id=INSTALL, os={"name": "never seen"}), key=key),
        sample_of(row(neutral(event_id="s", install_id=INSTALL), key=key)),
    ]
    others: list[Entry] = [
        row(neutral(event_id="1", install_id="somebody else"), key=key),
        row(neutral(event_id="2", install_id=None), key=key),
        row(trustkit_android(app_vendor_id=INSTALL), key=other),
    ]
    for one, two in zip(mine, others, strict=True):
        await _defer(pool, two, header=header)
        await _defer(pool, one, header=header)
    await _insert(pool, key.project, b"torn", b"PFS1\x00")
    assert await _forget(pool, key) == {entry.delivery.key for entry in mine}
    left = await pool.fetch("SELECT delivery FROM deferred ORDER BY id")
    assert [r["delivery"] for r in left] == [e.delivery.key for e in others] + [b"torn"]
    assert await _forget(pool, key) == set()


async def test_what_is_being_taken_is_waited_for(pool: asyncpg.Pool) -> None:
    """So that it is found among the violations, which are looked at next."""
    key = await project(pool)
    await _defer(pool, row(trustkit_ios(app_vendor_id=INSTALL), key=key))
    async with pool.acquire() as taking:
        async with taking.transaction():
            await taking.execute("DELETE FROM deferred")
            forgetting_it = asyncio.create_task(_forget(pool, key))
            while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert not forgetting_it.done()
                await asyncio.sleep(0.01)
        assert await forgetting_it == set()
