"""Who may use the operator listener: named tokens with roles, and the browsers they signed in."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

import asyncpg

from collector.background import SharedLook
from collector.store import access

FIRST = "PINFALL_OPERATOR_TOKEN"  # the name of the first operator, from the settings
LOCAL = "this machine"  # whoever is on loopback, where no token is set
SESSION = timedelta(hours=12)
PREFIX = "pft_"  # so that scanners for leaked secrets can know one
_PATIENCE = 3.0  # seconds that the one who asks waits for Postgres


class Role(StrEnum):
    """What a token may do; each may also do what those before it may."""

    VIEWER = "viewer"  # reads and scrapes
    PIPELINE = "pipeline"  # also imports, and registers certificates
    OPERATOR = "operator"  # all of it

    def may(self, needed: Role) -> bool:
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who was let in. ``form_token`` ends in forms, against other sites' pages."""

    name: str
    role: Role
    form_token: str = field(repr=False)
    by_cookie: bool = False


@dataclass(frozen=True, slots=True)
class _Known:
    id: int | None
    name: str
    role: Role
    expires_at: datetime | None


def hashed(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()


def make_token() -> str:
    """256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


class Access:
    """Tokens and sessions in memory, read again every few seconds: doors stay open to those who had
    one while Postgres is away, and close within seconds of a revocation."""

    def __init__(
        self, pool: asyncpg.Pool, first: str | None, clock: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._first = hashed(first) if first else None
        self._clock = clock
        self._tokens: dict[bytes, _Known] = {}
        self._sessions: dict[bytes, tuple[_Known, datetime]] = {}
        # One that is not known may have been made a moment ago, by another process.
        self._look_again = SharedLook(self.refresh, _PATIENCE)
        self._local = secrets.token_bytes(32)

    @property
    def is_open(self) -> bool:
        """Whether this machine needs no token."""
        return self._first is None

    @property
    def local(self) -> Who:
        return Who(LOCAL, Role.OPERATOR, _form_token(self._local))

    async def refresh(self) -> None:
        async with self._pool.acquire() as connection:
            tokens, sessions = await access.in_use(connection, self._clock())
        known = {
            row["hash"]: _Known(row["id"], row["name"], Role(row["role"]), row["expires_at"])
            for row in tokens
        }
        by_id = {token.id: token for token in known.values()}
        first = _Known(None, FIRST, Role.OPERATOR, None)
        self._tokens = known
        self._sessions = {}
        for row in sessions:
            who = first if row["token"] is None else by_id.get(row["token"])
            # A session of the settings' token ends when the settings name another.
            if who is not None and (row["token"] is not None or row["first_of"] == self._first):
                self._sessions[row["hash"]] = (who, row["expires_at"])

    async def by_token(self, secret: str) -> Who | None:
        """Whose token this is, or None. TimeoutError or what asyncpg raises if nobody knows."""
        digest = hashed(secret)
        if self._first is not None and hmac.compare_digest(digest, self._first):
            return Who(FIRST, Role.OPERATOR, _form_token(digest))
        if not secret.startswith(PREFIX):
            return None
        if digest not in self._tokens:
            await self._look_again()
        found = self._tokens.get(digest)
        if found is None or (found.expires_at and found.expires_at <= self._clock()):
            return None
        return Who(found.name, found.role, _form_token(digest))

    async def by_cookie(self, cookie: str) -> Who | None:
        digest = hashed(cookie)
        if digest not in self._sessions:
            await self._look_again()
        found = self._sessions.get(digest)
        if found is None or found[1] <= self._clock():
            return None
        known = found[0]
        if known.expires_at and known.expires_at <= self._clock():
            return None
        return Who(known.name, known.role, _form_token(digest), by_cookie=True)

    async def sign_in(self, secret: str) -> str | None:
        """A cookie for whoever has this token, or None if nobody does."""
        if await self.by_token(secret) is None:
            return None
        digest = hashed(secret)
        known = self._tokens.get(digest)
        cookie = secrets.token_urlsafe(32)
        async with self._pool.acquire() as connection:
            await access.add_session(
                connection,
                hashed(cookie),
                token=known.id if known else None,
                first_of=None if known else digest,
                expires_at=self._clock() + SESSION,
            )
        await self.refresh()
        return cookie

    async def sign_out(self, cookie: str) -> None:
        async with self._pool.acquire() as connection:
            await access.end_session(connection, hashed(cookie))
        await self.refresh()


def _form_token(secret: bytes) -> str:
    return hmac.digest(secret, b"pinfall form", "sha256").hex()
