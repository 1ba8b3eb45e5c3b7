"""What an operator brings in: connections counted by a CDN or a load balancer."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import PinfallError, ReportError
from collector.intake.keyring import Key, Keyring
from collector.intake.prepare import Sender
from collector.intake.taking import Taking
from collector.model import PRODUCTION, ProjectId
from collector.reports.body import LIMITS, Item
from collector.reports.connections import read_window
from collector.reports.fields import Hints
from collector.store import projects
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO
from collector.web.problems import problem
from collector.web.verdicts import refused, summed

APP = "import"  # what stands where a key names its app
_HERE = Sender(ipaddress.ip_address("127.0.0.1"), None)


@dataclass(frozen=True, slots=True)
class Imports:
    pool: asyncpg.Pool
    keyring: Keyring
    taking: Taking
    changes: Changes

    async def connections(self, request: web.Request) -> web.Response:
        """{"project", "windows": [{"id", "host", "window_start", "window_end", "successes",
        "pin_failures"}]}: trusted, and each counts once by its id."""
        told = await asked.body(request, {"project": True, "windows": True})
        windows = told["windows"]
        if not isinstance(windows, list) or not windows:
            raise PinfallError("windows: should be a list of at least one window")
        if len(windows) > LIMITS.items:
            raise PinfallError(f"windows: at most {LIMITS.items} at once")
        async with self.pool.acquire() as connection:
            row = await projects.one(connection, asked.name(told, "project"))
        key = Key(
            project=ProjectId(row["id"]),
            project_name=row["name"],
            app=APP,
            environment=PRODUCTION,
            trusted=True,
            hosts=tuple(row["hosts"]),
            secret=self.keyring.secret_of(row["id"], row["secret"]),
        )
        items = [_window(window) for window in windows]
        # The line first: there may be one for an import that failed, and never the other way.
        async with self.changes.by(
            request[WHO], "connections.imported", row["name"], windows=len(windows)
        ):
            pass
        verdicts = await self.taking.take(items, key, _HERE, self.changes.clock())
        refusal = refused(items, verdicts)
        if refusal is None:
            return web.json_response(summed(verdicts))
        status, error = refusal
        return problem(status, error.reason, error.detail, members=summed(verdicts))


def _window(told: Any) -> Item:
    try:
        if not isinstance(told, dict):
            raise PinfallError("windows: should be objects")
        return read_window(told, Hints())
    except ReportError as error:
        return error
