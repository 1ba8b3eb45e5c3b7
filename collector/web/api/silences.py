"""Silences by project, host and kind, by signature, by network, and of one alert: also of alerts that are
not there yet."""

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
from collector.store import alert_orders, alerts, projects, signatures, silences
from collector.store.alert_orders import What
from collector.store.connect import Connection
from collector.store.silences import Silence
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.alerts import Alerts, read_end, read_note
from collector.web.api.causes import signature_id
from collector.web.api.change import Changes
from collector.web.api.cidr import read_network
from collector.web.guard import WHO

# What a silence is of, and what may be said of each beside it.
_PLACE = ("project", "host", "kind")
_BESIDE = {"alert": (), "signature": (), "network": ("project", "host", "wide")}
_FIELDS = dict.fromkeys((*_PLACE, *_BESIDE, "wide", "until", "for", "note"), False)


@dataclass(frozen=True, slots=True)
class Silences:
    """Methods ``…_as`` are what the routes and the forms of pages share; they raise PinfallError."""

    pool: asyncpg.Pool
    changes: Changes
    doing: Alerts

    async def list_silences(self, request: web.Request) -> web.Response:
        told = asked.query(request, {"state": asked.one_of("active", "all")})
        async with self.pool.acquire() as connection:
            rows = await silences.listed(
                connection, self.changes.clock(), ended=told.get("state") == "all"
            )
        return web.json_response({"silences": [plain(row) for row in rows]})

    async def add_silence(self, request: web.Request) -> web.Response:
        """What it is of, {"until"} or {"for"}, {"note"}."""
        told = await asked.body(request, _FIELDS)
        return web.json_response(await self.add_as(request[WHO], told), status=201)

    async def add_as(self, who: Who, told: Mapping[str, Any]) -> dict[str, Any]:
        """What fires and is matched is silenced at once, unless it is for longer already. Of a signature,
        or a network, the watcher takes it in with its next look."""
        now = self.changes.clock()
        until, note = read_end(told, now), read_note(told)
        of = _of(told)
        if of == "alert":
            id_ = told["alert"]
            if not isinstance(id_, str):
                raise PinfallError("alert: should be a text")
            return await self._add_of_alert(who, id_, until, note)
        name = None if told.get("project") is None else asked.name(told, "project")
        host, kind = _host(told), _kind(told)
        network = None
        if of == "network":
            network = read_network(told["network"], wide=asked.boolean(told, "wide"))
        details: dict[str, object] = {"until": utc(until), "note": note}
        subject = str(network or told.get("signature") or host or name or kind)[:80]
        async with self.changes.by(who, "silence.added", subject, **details) as change:
            connection = change.connection
            if of == "signature":
                what = await _signature(connection, told["signature"], until)
            else:
                project = None if name is None else (await projects.one(connection, name))["id"]
                what = Silence(project, host, kind, until, network=network)
            row = await silences.add(connection, what, note=note, now=now, who=who.name)
            shown = plain(row)
            change.details |= {key: shown[key] for key in (*_PLACE, "signature", "network")}
            matched = await self._silence_firing(connection, what, who)
        return {**shown, "alerts": matched}

    async def _silence_firing(self, connection: Connection, what: Silence, who: Who) -> list[str]:
        matched = []
        for found in await silences.firing(connection, what):
            alert = await alerts.held(connection, found["id"])
            was = await alerts.said_until(connection, alert.id)
            if was is None or was < what.until:
                await self._silence(connection, alert.id, what.until, who)
                matched.append(alert.id)
        return matched

    async def _add_of_alert(self, who: Who, id_: str, until: datetime, note: str) -> dict[str, Any]:
        await self.doing.silence_as(who, id_, {"until": utc(until), "note": note})
        async with self.pool.acquire() as connection:
            row = await silences.of_alert(connection, id_, self.changes.clock())
        if row is None:
            raise NotFoundError("somebody ended it again")
        return {**plain(row), "alerts": [id_]}

    async def remove_silence(self, request: web.Request) -> web.Response:
        return web.json_response(await self.end_as(request[WHO], request.match_info["id"]))

    async def end_as(self, who: Who, text: str) -> dict[str, Any]:
        """What it alone silenced is heard of again."""
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise NotFoundError("there is no such silence")
        now = self.changes.clock()
        async with self.changes.by(who, "silence.removed", text) as change:
            connection = change.connection
            row = await silences.end(connection, int(text), now=now, who=who.name)
            shown = plain(row)
            change.details |= {
                key: shown[key] for key in (*_PLACE, "signature", "network", "alert", "until")
            }
            if row["alert"] is not None:
                await self.doing.unsilence(change, row["alert"], who)
                return {**shown, "alerts": [row["alert"]]}
            what = Silence(
                row["project_id"], row["host"], row["kind"], row["until"],
                row["signature"], row["network"],
            )  # fmt: skip
            matched = await self._unsilence_firing(connection, what, who)
        return {**shown, "alerts": matched}

    async def _unsilence_firing(self, connection: Connection, what: Silence, who: Who) -> list[str]:
        others = await silences.active(connection, self.changes.clock())
        matched = []
        for found in await silences.firing(connection, what):
            alert = await alerts.held(connection, found["id"])
            if await alerts.said_until(connection, alert.id) != what.until:
                continue  # somebody said something else of this one
            place = found["project"], found["host"], found["kind"]
            rest = max(
                (one.until for one in others if one.covers(*place) or one.alert == alert.id),
                default=None,
            )
            await self._silence(connection, alert.id, rest, who)
            matched.append(alert.id)
        return matched

    async def _silence(
        self, connection: Connection, alert: str, until: datetime | None, who: Who
    ) -> None:
        now = self.changes.clock()
        await alerts.silence(connection, alert, until)
        await alert_orders.give(connection, alert, What.SILENCE, who=who.name, at=now, until=until)


def plain(row: asyncpg.Record) -> dict[str, Any]:
    """As the API tells it."""
    told = asked.plain(row)
    del told["project_id"]
    told["network"] = None if row["network"] is None else str(row["network"])
    return told


def _of(told: Mapping[str, Any]) -> str:
    """alert, signature, network or place. Raises PinfallError where it is none of them, or several."""
    named = [name for name in _BESIDE if told.get(name) is not None]
    said = [name for name in (*_PLACE, "wide") if told.get(name) not in (None, False)]
    if len(named) > 1:
        raise PinfallError(f"say one of {', '.join(named)}: each is a silence of its own")
    if not named:
        if "wide" in said:
            raise PinfallError("wide: is said of a network")
        if not said:
            raise PinfallError(
                "say project, host or kind, or a signature, a network or an alert:"
                " nothing silences everything"
            )
        return "place"
    for name in said:
        if name not in _BESIDE[named[0]]:
            raise PinfallError(f"{name}: cannot be said with {named[0]}")
    return named[0]


async def _signature(connection: Connection, value: object, until: datetime) -> Silence:
    """Of its own project and host, as long as there is one. Raises PinfallError."""
    if not isinstance(value, str):
        raise PinfallError("signature: should be a text")
    row = await signatures.one(connection, signature_id(value))
    if row is None:
        raise NotFoundError("there is no such signature")
    return Silence(row["project_id"], row["host"], None, until, signature=row["id"])


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
