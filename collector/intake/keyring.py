"""Ingest keys in memory, read again every few seconds so that all processes agree within ten."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

import asyncpg

from collector.background import SharedLook
from collector.intake.mirror import MirroredKey
from collector.model import ProjectId
from collector.reports.hosts import matches
from collector.store import own_keys, projects
from collector.store.own_keys import Own

REFRESH = 3.0  # seconds
_PATIENCE = 5.0  # seconds that the one who asks waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What an ingest key stands for. ``secret`` keys every hash of its project. ``quota``: items a
    second, None: none. ``origins``: whose pages may send app dialects with it."""

    project: ProjectId
    project_name: str
    app: str
    environment: str
    trusted: bool
    hosts: tuple[str, ...]
    secret: bytes = field(repr=False)
    quota: float | None = None
    origins: frozenset[str] = frozenset()

    def matches(self, host: str) -> bool:
        """Whether the host fits one of the project's patterns."""
        return _matches(self.hosts, host)


@lru_cache(maxsize=4096)
def _matches(patterns: tuple[str, ...], host: str) -> bool:
    return any(matches(pattern, host) for pattern in patterns)


class Keyring:
    """Known keys. ``hash_key``: from outside the database; replaces the projects' own secrets."""

    def __init__(
        self, pool: asyncpg.Pool, hash_key: str | None, clock: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._hash_key = hash_key.encode() if hash_key else None
        self._keys: dict[str, Key] = {}
        self._look_again = SharedLook(self.refresh, _PATIENCE)
        self.projects: dict[ProjectId, str] = {}  # by id, also those without a key
        self.rows: list[MirroredKey] = []  # what the keys were made of
        self.own: AbstractSet[Own] = frozenset()  # public keys of our own

    async def refresh(self) -> None:
        async with self._pool.acquire() as connection:
            rows = await projects.keys_in_use(connection)
            names = await projects.named(connection)
            own = await own_keys.all_of(connection, self._clock())
        self.learn(
            [MirroredKey(**row) for row in rows],
            {ProjectId(row["id"]): row["name"] for row in names},
            own,
        )

    def learn(
        self,
        rows: list[MirroredKey],
        names: dict[ProjectId, str],
        own: AbstractSet[Own] = frozenset(),
    ) -> None:
        """names: of all projects."""
        self.rows = rows
        self.own = own
        self.projects = names
        made = {
            row.key: Key(
                project=ProjectId(row.project),
                project_name=row.project_name,
                app=row.app,
                environment=row.environment,
                trusted=row.trusted,
                hosts=tuple(row.hosts),
                secret=self.secret_of(row.project, row.secret),
                quota=row.quota,
                origins=frozenset(row.origins),
            )
            for row in rows
        }
        # The same object as long as nothing changed: what was worked out for it stays.
        same = {text: self._keys.get(text) for text in made}
        self._keys = {
            text: old if (old := same[text]) == key else key for text, key in made.items()
        }

    def secret_of(self, project: int, own: bytes) -> bytes:
        """What keys the hashes of a project. own: its own secret, where no key was given."""
        if self._hash_key is None:
            return own
        return blake2b(str(project).encode(), key=self._hash_key[:64], digest_size=32).digest()

    def owns(self, project: ProjectId, spki_sha256: bytes) -> bool:
        """Whether a public key is one of our own, in this project or in all."""
        return (project, spki_sha256) in self.own or (None, spki_sha256) in self.own

    def known(self, key: str) -> Key | None:
        """The key, if it is in memory."""
        return self._keys.get(key)

    async def find(self, key: str) -> Key | None:
        """The key, or None. One that is not known may have been made a moment ago: look once.

        Raises what asyncpg raises, or TimeoutError, where Postgres does not answer.
        """
        if key not in self._keys:
            await self._look_again()
        return self._keys.get(key)
