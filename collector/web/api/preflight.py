"""Who breaks if a chain is served, asked by a pipeline before it is; and how fast versions spread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.adoption import curves, percent
from collector.detect.preflight import judge
from collector.detect.preflight_told import told_judgement
from collector.errors import PinfallError
from collector.model import ProjectId
from collector.store import adoption, holdings, pin_sets, projects
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.api.preflight_asked import (
    file_of,
    host_of,
    objects,
    path_of_files,
    pin_set_of,
    share_of,
    time_of,
    use_of,
)
from collector.web.guard import WHO

SETS = 2000  # pin sets that come along
ROWS = 5000  # of one import
LATELY = timedelta(days=90)  # of chains that were served
_FIELDS = {
    "host": True, "chain": True, "project": False, "issuer": False, "at": False, "app": False,
    "pin_sets": False, "allow_unknown": False, "max_share": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preflights:
    pool: asyncpg.Pool
    changes: Changes
    clock: Callable[[], datetime]

    async def preflight(self, request: web.Request) -> web.Response:
        """{"host", "chain": PEM} and, as may be, "project", "issuer": PEM, "at", "app", "pin_sets",
        "allow_unknown", "max_share". Changes nothing."""
        return web.json_response(await self.judged(await asked.body(request, _FIELDS)))

    async def judged(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Also for the page's form. Raises PinfallError."""
        host = host_of(told["host"])
        file = file_of(told, "chain", host)
        path = path_of_files(file, file_of(told, "issuer") if told.get("issuer") else None)
        at = time_of(told, self.clock())
        most = share_of(told.get("max_share"))
        extra = [pin_set_of(one) for one in objects(told, "pin_sets", SETS)]
        name = asked.name(told, "project") if told.get("project") is not None else "default"
        app = asked.name(told, "app") if told.get("app") is not None else None
        allow = asked.boolean(told, "allow_unknown")
        now = self.clock()
        async with self.pool.acquire() as connection:
            project = ProjectId((await projects.one(connection, name))["id"])
            registered = await pin_sets.of_host(connection, project, host)
            learned = await pin_sets.learned(connection, project, host)
            proven = await holdings.proven(connection, project)
            served = await holdings.served(connection, host, now - LATELY)
            uses = await adoption.read(connection, project, now.date())

        def work() -> dict[str, Any]:
            judgement = judge(
                host,
                path,
                [*registered, *extra],
                at=at,
                today=now.date(),
                uses=uses,
                learned=learned,
                app=app,
            )
            return told_judgement(
                judgement,
                notes=file.notes,
                served=[chain for chain, _ in served],
                proven=proven,
                allow_unknown=allow,
                max_share=most,
            )

        return await asyncio.to_thread(work)

    async def adoption(self, request: web.Request) -> web.Response:
        """Shares of versions on the last day that is over, and the forecast, by app and platform."""
        told = asked.query(request, {"project": asked.text})
        today = self.clock().date()
        async with self.pool.acquire() as connection:
            row = await projects.one(connection, told.get("project", "default"))
            uses = await adoption.read(connection, ProjectId(row["id"]), today)
        found = [
            {
                "app": curve.app, "platform": curve.platform, "source": curve.source, "uses": round(curve.uses),
                "day": curve.last.isoformat(), "fitted_days": curve.fitted,
                "versions": [
                    {"version": version, "share": percent(share, curve.uses),
                     "after_a_week": None if week is None else percent(week[version], curve.uses, forecast=True)}
                    for version, share in zip(curve.versions, curve.shares, strict=True)
                ],
            }
            for curve in curves(uses, today)
            for week in [curve.at(7)]
        ]  # fmt: skip
        return web.json_response({"project": row["name"], "curves": found})

    async def import_adoption(self, request: web.Request) -> web.Response:
        """{"project", "rows": [{"day", "app", "platform", "version", "uses"}]}; the same day, app and
        version again replaces what was imported."""
        told = await asked.body(request, {"project": True, "rows": True})
        rows = objects(told, "rows", ROWS)
        if not rows:
            raise PinfallError("rows: should be a list of at least one row")
        today = self.clock().date()
        uses = [use_of(row, today) for row in rows]
        name = asked.name(told, "project")
        async with self.changes.by(
            request[WHO], "adoption.imported", name, rows=len(uses)
        ) as change:
            project = ProjectId((await projects.one(change.connection, name))["id"])
            await adoption.put(change.connection, project, uses)
        return web.json_response({"project": name, "imported": len(uses)})
