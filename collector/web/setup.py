"""The set-up page: projects, keys, hosts, proposals to register; for operators tokens and audit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from aiohttp import web

from collector.errors import PinfallError
from collector.intake.maintain import PROPOSALS
from collector.store import access, hosts, projects
from collector.web import rendering
from collector.web.access import Role
from collector.web.api.manage import Manage, masked
from collector.web.guard import WHO, read_form

_ROWS = 100


@dataclass(frozen=True, slots=True)
class Setup:
    pool: asyncpg.Pool
    manage: Manage
    clock: Callable[[], datetime]

    async def show(self, request: web.Request, mistake: str | None = None) -> web.Response:
        now = self.clock()
        who = request[WHO]
        operates = who.role.may(Role.OPERATOR)
        async with self.pool.acquire() as connection:
            known = await hosts.named(connection, _ROWS)
            proposed = await hosts.proposed(connection, (now - PROPOSALS).date(), None, _ROWS)
            listed = await projects.listed(connection)
            keys = await projects.keys(connection)
            tokens = await access.tokens(connection) if operates else []
            audit = await access.audit(connection, None, 50) if operates else []
        return rendering.page(
            request,
            "setup.html",
            now,
            status=400 if mistake else 200,
            mistake=mistake,
            operates=operates,
            projects=listed,
            keys=[{**row, "key": masked(row, whole=operates)} for row in keys],
            hosts=known,
            proposed=proposed,
            tokens=tokens,
            audit=[{**row, "details": _details(row["details"])} for row in audit],
            ingest_url=self.manage.public_url(),
        )

    async def register(self, request: web.Request) -> web.StreamResponse:
        """The form beside a proposal, or the one with a field."""
        form = await read_form(request)
        project, host = str(form.get("project", "")), str(form.get("host", ""))
        try:
            await self.manage.register(request[WHO], project, host)
        except PinfallError as error:
            return await self.show(request, str(error))
        return web.Response(status=303, headers={"Location": "/setup#hosts"})


def _details(text: str) -> str:
    told = {key: value for key, value in json.loads(text).items() if value not in (None, [], {})}
    return ", ".join(
        f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in told.items()
    )
