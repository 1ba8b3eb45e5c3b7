"""Silences by project, host and kind: also of alerts that are not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.kinds import AlertKind
from collector.errors import NotFoundError, PinfallError
from collector.reports.hosts import read_pattern
from collector.reports.line import utc
from collector.store import alert_orders, alerts, projects, silences
from collector.store.alert_orders import What
from collector.store.connect import Connection
from collector.store.silences import Silence
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.alerts import read_note, read_until
from collector.web.api.change import Changes
from collector.web.guard import WHO

_FIELDS = {"project": False, "host": False, "kind": False, "until": True, "note": False}


@dataclass(frozen=True, slots=True)
class Silences:
    pool: asyncpg.Pool
    changes: Changes

    async def list_silences(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            rows = await silences.listed(connection, self.changes.clock())
        return web.json_response({"silences": [_plain(row) for row in rows]})

    async def add_silence(self, request: web.Request) -> web.Response:
        """{"project", "host", "kind", "until", "note"}: at least one of the first three. What fires and
        is matched is silenced at once, unless it is for longer already."""
        told, who = await asked.body(request, _FIELDS), request[WHO]
        now = self.changes.clock()
        name = None if told.get("project") is None else asked.name(told, "project")
        host, kind, note = _host(told), _kind(told), read_note(told)
        until = read_until(told["until"], now)
        assert until is not None
        if name is None and host is None and kind is None:
            raise PinfallError("say project, host or kind: nothing silences everything")
        details = {"project": name, "host": host, "kind": kind, "until": utc(until), "note": note}
        subject = host or name or str(kind)
        async with self.changes.by(who, "silence.added", subject, **details) as change:
            connection = change.connection
            project = None if name is None else (await projects.one(connection, name))["id"]
            what = Silence(project, host, kind, until)
            row = await silences.add(connection, what, note=note, now=now, who=who.name)
            matched = []
            for found in await silences.firing(connection, what):
                alert = await alerts.held(connection, found["id"])
                if alert.silenced_until is None or alert.silenced_until < until:
                    await self._silence(connection, alert.id, until, who)
                    matched.append(alert.id)
        return web.json_response({**_plain(row), "alerts": matched}, status=201)

    async def remove_silence(self, request: web.Request) -> web.Response:
        """What it alone silenced is heard of again."""
        text, who = request.match_info["id"], request[WHO]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise NotFoundError("there is no such silence")
        now = self.changes.clock()
        async with self.changes.by(who, "silence.removed", text) as change:
            connection = change.connection
            row = await silences.remove(connection, int(text))
            change.details |= {"host": row["host"], "kind": row["kind"], "until": utc(row["until"])}
            what = Silence(row["project_id"], row["host"], row["kind"], row["until"])
            others = await silences.active(connection, now)
            matched = []
            for found in await silences.firing(connection, what):
                alert = await alerts.held(connection, found["id"])
                if alert.silenced_until != what.until:
                    continue  # somebody said something else of this one
                place = found["project"], found["host"], found["kind"]
                rest = max((one.until for one in others if one.covers(*place)), default=None)
                await self._silence(connection, alert.id, rest, who)
                matched.append(alert.id)
        return web.json_response({**_plain(row), "alerts": matched})

    async def _silence(
        self, connection: Connection, alert: str, until: datetime | None, who: Who
    ) -> None:
        now = self.changes.clock()
        await alerts.silence(connection, alert, until)
        await alert_orders.give(connection, alert, What.SILENCE, who=who.name, at=now, until=until)


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    told = asked.plain(row)
    del told["project_id"]
    return told


def _host(told: Mapping[str, Any]) -> str | None:
    value = told.get("host")
    if value is None:
        return None
    if not isinstance(value, str):
        raise PinfallError("host: should be a text")
    try:
        return read_pattern(value)
    except ValueError as error:
        raise PinfallError(f"host: '{value[:80]}': {error}") from None


def _kind(told: Mapping[str, Any]) -> AlertKind | None:
    value = told.get("kind")
    if value is None:
        return None
    if value not in [*AlertKind]:
        raise PinfallError(f"kind: should be one of {', '.join(AlertKind)}")
    return AlertKind(value)
