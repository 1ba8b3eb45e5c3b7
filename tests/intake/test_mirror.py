"""The file that a collector starts from where Postgres is away."""

from pathlib import Path

import asyncpg
import msgspec

from collector.intake import mirror
from collector.intake.keyring import Keyring
from collector.store import own_keys, projects
from collector.store.own_keys import OwnKey
from tests.make import NOON


async def test_keys_come_back_with_limits_and_keys_of_our_own(
    pool: asyncpg.Pool, tmp_path: Path
) -> None:
    here, everywhere = b"h" * 32, b"e" * 32
    async with pool.acquire() as connection:
        id_ = await projects.add(connection, "p", ["a.example"], NOON)
        key = await projects.add_key(
            connection, "p", app="a", environment="production", trusted=False, now=NOON,
            quota=2.5, origins=["https://a.example"],
        )  # fmt: skip
        for project, spki in ((id_, here), (None, everywhere)):
            assert await own_keys.add(
                connection, OwnKey(spki), project, note="", now=NOON, who="ada"
            )
    first, second = Keyring(pool, None, lambda: NOON), Keyring(pool, None, lambda: NOON)
    await first.refresh()
    mirror.write(tmp_path, mirror.Mirror(first.rows, {}, own=mirror.own(first.own)))
    found = mirror.read(tmp_path)
    assert found is not None
    second.learn(found.keys, {}, mirror.own_of(found.own))
    known = second.known(key)
    assert known == first.known(key)
    assert known is not None
    assert (known.quota, known.origins) == (2.5, frozenset({"https://a.example"}))
    other = type(id_)(id_ + 1)
    for keyring in (first, second):
        assert keyring.owns(id_, here)
        assert keyring.owns(other, everywhere)
        assert not keyring.owns(other, here)


def test_a_mirror_of_the_release_before_is_read(tmp_path: Path) -> None:
    key = {
        "key": "k", "app": "a", "environment": "production", "trusted": False, "project": 1,
        "project_name": "p", "hosts": [], "secret": "aaaa",
    }  # fmt: skip
    (tmp_path / "mirror.json").write_bytes(msgspec.json.encode({"keys": [key], "hosts": []}))
    found = mirror.read(tmp_path)
    assert found is not None
    assert (found.keys[0].quota, found.keys[0].origins, found.own) == (None, [], [])
