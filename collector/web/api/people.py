"""Tokens, the audit, and taking out what is stored of an install."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from aiohttp import web

from collector.errors import PinfallError
from collector.fingerprint import install_hash_of
from collector.intake.forgetting import forget_deferred
from collector.intake.keyring import Keyring
from collector.model import ProjectId
from collector.store import access as store
from collector.store import forget, projects
from collector.web.access import FIRST, LOCAL, Access, Role, hashed, make_token
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO

_DAYS = 3650
_ID = 100_000


@dataclass(frozen=True, slots=True)
class People:
    pool: asyncpg.Pool
    access: Access
    keyring: Keyring
    changes: Changes

    async def list_tokens(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            rows = await store.tokens(connection)
        return web.json_response({"tokens": [asked.plain(row) for row in rows]})

    async def add_token(self, request: web.Request) -> web.Response:
        """{"name", "role", "days": 90}: the token is told once, and stored hashed."""
        told = await asked.body(request, {"name": True, "role": True, "days": False})
        name, role, days = asked.name(told, "name"), told["role"], told.get("days")
        if name in (FIRST, LOCAL):
            raise PinfallError(f"name: '{name}' is somebody else in the audit")
        if role not in list(Role):
            raise PinfallError("role: should be " + ", ".join(Role))
        if days is not None and (type(days) is not int or not 1 <= days <= _DAYS):
            raise PinfallError(f"days: should be a number from 1 to {_DAYS}")
        token, now = make_token(), self.changes.clock()
        expires_at = now + timedelta(days=days) if days else None
        who = request[WHO]
        async with self.changes.by(who, "token.added", name, role=role, days=days) as change:
            await store.add_token(
                change.connection,
                name=name,
                role=role,
                hash_=hashed(token),
                now=now,
                who=who.name,
                expires_at=expires_at,
            )
        await self.access.refresh()
        facts = asked.plain({"expires_at": expires_at})
        return web.json_response({"name": name, "role": role, "token": token, **facts}, status=201)

    async def revoke_token(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        name = request.match_info["name"]
        async with self.changes.by(request[WHO], "token.revoked", name) as change:
            await store.revoke_token(change.connection, name, self.changes.clock())
        await self.access.refresh()
        return web.json_response({"revoked": name})

    async def audit(self, request: web.Request) -> web.Response:
        told = asked.query(request, {"limit": asked.limit, "after": asked.cursor_of(int)})
        limit = told.get("limit", asked.USUAL)
        after = told.get("after", (None,))[0]
        async with self.pool.acquire() as connection:
            rows = await store.audit(connection, after, limit)
        lines = [{**asked.plain(row), "details": json.loads(row["details"])} for row in rows]
        following = asked.cursor(rows[-1]["id"]) if len(rows) == limit else None
        return web.json_response({"audit": lines, "next": following})

    async def forget_install(self, request: web.Request) -> web.Response:
        """{"install", "project"}: what reports of this install id left behind; all projects where
        none is named. The id is in no log and in no audit."""
        told = await asked.body(request, {"install": True, "project": False})
        install = told["install"]
        if not isinstance(install, str) or not install.strip() or len(install) > _ID:
            raise PinfallError(f"install: should be a text of at most {_ID} characters")
        wanted = asked.name(told, "project") if told.get("project") is not None else None
        violations = windows = 0
        async with self.changes.by(
            request[WHO], "install.forgotten", wanted or "all projects"
        ) as change:
            names = (
                [wanted]
                if wanted
                else [row["name"] for row in await projects.listed(change.connection)]
            )
            for name in names:
                row = await projects.one(change.connection, name)
                project = ProjectId(row["id"])
                secret = self.keyring.secret_of(row["id"], row["secret"])
                waiting = await forget_deferred(change.connection, project, secret, install)
                platforms = await forget.platforms(change.connection, project)
                hashes = [install_hash_of(secret, platform, install) for platform in platforms]
                gone = await forget.install(change.connection, project, hashes, waiting)
                violations, windows = violations + gone[0], windows + gone[1]
        return web.json_response({"violations": violations, "windows": windows})
