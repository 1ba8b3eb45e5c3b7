"""The set-up page: projects, keys, hosts, proposals to register; for operators tokens and audit."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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
from collector.web.snippets import snippets

_ROWS = 30  # of each table
NAMED = 6  # characters that name a key, where it is not shown


@dataclass(frozen=True, slots=True)
class Setup:
    pool: asyncpg.Pool
    manage: Manage
    clock: Callable[[], datetime]

    async def show(self, request: web.Request, mistake: str | None = None) -> web.Response:
        now = self.clock()
        who = request[WHO]
        chosen = request.query.get("for")
        operates = who.role.may(Role.OPERATOR)
        async with self.pool.acquire() as connection:
            known = await hosts.named(connection, _ROWS + 1)
            proposed = await hosts.proposed(connection, (now - PROPOSALS).date(), None, _ROWS + 1)
            listed = await projects.listed(connection)
            keys = await projects.keys(connection)
            tokens = await access.tokens(connection) if operates else []
            audit = await access.audit(connection, None, _ROWS) if operates else []
        return rendering.page(
            request,
            "setup.html",
            now,
            status=400 if mistake else 200,
            mistake=mistake,
            operates=operates,
            projects=listed[:_ROWS],
            names=[row["name"] for row in listed],
            more={
                "projects": len(listed) > _ROWS,
                "keys": len(keys) > _ROWS,
                "hosts": len(known) > _ROWS,
                "proposed": len(proposed) > _ROWS,
                "tokens": len(tokens) > _ROWS,
            },
            keys=[
                {**row, "key": masked(row, whole=operates), "name": row["key"][:NAMED]}
                for row in keys[:_ROWS]
            ],
            **self._ways(keys, known, chosen, operates=operates),
            hosts=known[:_ROWS],
            proposed=proposed[:_ROWS],
            tokens=tokens[:_ROWS],
            audit=[{**row, "details": _details(row["details"])} for row in audit],
            ingest_url=self.manage.public_url(),
        )

    def _ways(
        self,
        keys: Sequence[asyncpg.Record],
        known: Sequence[asyncpg.Record],
        chosen: str | None,
        *,
        operates: bool,
    ) -> dict[str, object]:
        """Snippets for the key that was chosen, else the first for apps."""
        used = [row for row in keys if not row["disabled_at"]]
        fitting = [row for row in used if row["key"][:NAMED] == chosen]
        row = next(iter([*fitting, *(row for row in used if not row["trusted"])]), None)
        if row is None:
            return {"snippets": [], "snippets_for": None, "test_keys": [], "test_host": ""}
        key = row["key"] if operates else f"{row['key'][:NAMED]}…"
        of_project = [h for h in known if h["project"] == row["project"]]
        host = next((h["host"] for h in of_project if h["registered"]), None)
        return {
            "snippets": snippets(f"{self.manage.public_url()}/r/{key}", host),
            "snippets_for": row,
            "test_keys": [row, *(k for k in used[:_ROWS] if k["key"] != row["key"])]
            if operates
            else [],
            "test_host": host or "",
        }

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
