"""Alerts over the API: what is wrong now, and what people do about it.

What a person does is seen at once, and given to the watcher as an order in the same transaction: it
takes that in with its next look. Only then is a resolved alert over, and only then do channels hear.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web

from collector.alert import Acknowledged, Alert, State, to_json
from collector.errors import ConflictError, PinfallError
from collector.reports.line import utc
from collector.store import alert_orders, alerts, projects, silences
from collector.store.alert_orders import What
from collector.store.connect import Connection
from collector.store.silences import Silence
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.change import Change, Changes
from collector.web.guard import WHO

NOTE = 1000  # characters
LONGEST = timedelta(days=366)  # of a silence
_LENGTH = re.compile(r"(\d{1,5})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_ENDS = frozenset({What.RESOLVE, What.FORGED})
_FILTERS: dict[str, asked.Read] = {
    "state": asked.one_of(*State), "project": asked.text, "host": asked.text, "limit": asked.limit,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alerts:
    """Methods ``…_as`` are what the routes and the forms of pages share; they raise PinfallError."""

    pool: asyncpg.Pool
    changes: Changes

    async def list_alerts(self, request: web.Request) -> web.Response:
        """What fires first, and of those what changed last."""
        told = asked.query(request, _FILTERS)
        async with self.pool.acquire() as connection:
            rows = await alerts.listed(
                connection, state=told.get("state"), project=told.get("project"), host=told.get("host"),
                limit=told.get("limit", asked.USUAL),
            )  # fmt: skip
        return web.json_response({"alerts": [to_json(one) for one in rows]})

    async def alert(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            return web.json_response(await whole(connection, request.match_info["id"]))

    async def acknowledge(self, request: web.Request) -> web.Response:
        await asked.body(request, {})
        return web.json_response(await self.acknowledge_as(request[WHO], request.match_info["id"]))

    async def acknowledge_as(self, who: Who, id_: str) -> dict[str, Any]:
        """Whoever was first has it."""
        async with self.changes.by(who, "alert.acknowledged", id_) as change:
            one, now = await self._firing(change, id_), self.changes.clock()
            change.is_one = one.acknowledged is None
            if change.is_one:
                await alerts.acknowledge(change.connection, id_, Acknowledged(who.name, now))
                await self._ordered(change, id_, What.ACKNOWLEDGE, who, "acknowledged")
            return await whole(change.connection, id_)

    async def silence(self, request: web.Request) -> web.Response:
        """{"until": RFC 3339 or null, or "for": "4h", and "note"}; until null ends a silence."""
        told = await asked.body(request, {"until": False, "for": False, "note": False})
        id_ = request.match_info["id"]
        return web.json_response(await self.silence_as(request[WHO], id_, told))

    async def silence_as(self, who: Who, id_: str, told: Mapping[str, Any]) -> dict[str, Any]:
        if "until" not in told and told.get("for") is None:
            raise PinfallError("until: is missing; null ends a silence")
        now, ends = self.changes.clock(), told.get("for") is None and told["until"] is None
        until = None if ends else read_end(told, now)
        note = read_note(told)
        async with self.changes.by(
            who, "alert.silenced", id_, until=utc(until), note=note
        ) as change:
            await silences.one_at_a_time(change.connection)
            one = await alerts.held(change.connection, id_)
            was = await alerts.said_until(change.connection, id_)
            change.is_one = bool(note) or was != until
            if change.is_one:
                change.details["host"] = one.host
                await self._silence(change, one, until, who, note)
            return await whole(change.connection, id_)

    async def unsilence(self, change: Change, id_: str, who: Who) -> None:
        """Within a change of somebody's. Raises NotFoundError."""
        one = await alerts.held(change.connection, id_)
        change.details["host"] = one.host
        await self._silence(change, one, None, who, "")

    async def _silence(
        self, change: Change, one: Alert, until: datetime | None, who: Who, note: str
    ) -> None:
        """In place of what was said of this alert before."""
        now, connection = self.changes.clock(), change.connection
        await silences.end_of_alert(connection, one.id, now=now, who=who.name)
        if until is not None:
            project = (await projects.one(connection, one.project))["id"]
            what = Silence(project, one.host, one.kind, until, alert=one.id)
            await silences.add(connection, what, note=note, now=now, who=who.name)
        await alerts.silence(connection, one.id, until)
        said = f"silenced until {utc(until)}" if until else "ended the silence"
        await self._ordered(change, one.id, What.SILENCE, who, said, note, until)

    async def resolve(self, request: web.Request) -> web.Response:
        """{"forged", "note"}; forged: its reports were made up, nothing of it is remembered."""
        told = await asked.body(request, {"forged": False, "note": False})
        id_ = request.match_info["id"]
        return web.json_response(await self.resolve_as(request[WHO], id_, told))

    async def resolve_as(self, who: Who, id_: str, told: Mapping[str, Any]) -> dict[str, Any]:
        forged, note = asked.boolean(told, "forged"), read_note(told)
        what = What.FORGED if forged else What.RESOLVE
        said = "closed as forged" if forged else "resolved by hand"
        async with self.changes.by(who, "alert.resolved", id_, forged=forged, note=note) as change:
            await self._firing(change, id_)
            waiting = await alert_orders.of_alert(change.connection, id_)
            change.is_one = not any(order.what in _ENDS for order in waiting)
            if change.is_one:
                await self._ordered(change, id_, what, who, said, note)
            return await whole(change.connection, id_)

    async def note(self, request: web.Request) -> web.Response:
        told = await asked.body(request, {"note": True})
        return web.json_response(await self.note_as(request[WHO], request.match_info["id"], told))

    async def note_as(self, who: Who, id_: str, told: Mapping[str, Any]) -> dict[str, Any]:
        note = read_note(told)
        if not note:
            raise PinfallError("note: is missing")
        async with self.changes.by(who, "alert.noted", id_, note=note) as change:
            now = self.changes.clock()
            one = await alerts.one(change.connection, id_)
            change.details["host"] = one.host
            await alerts.note(change.connection, id_, who=who.name, at=now, note=note)
            return await whole(change.connection, id_)

    async def _firing(self, change: Change, id_: str) -> Alert:
        """Held until the transaction ends. Raises ConflictError where it is over."""
        one = await alerts.held(change.connection, id_)
        if one.state is State.RESOLVED:
            raise ConflictError(f"this alert was resolved at {utc(one.ended_at)}")
        change.details["host"] = one.host
        return one

    async def _ordered(
        self, change: Change, id_: str, what: What, who: Who, said: str, note: str = "",
        until: datetime | None = None,
    ) -> None:  # fmt: skip
        """What was done stands among the notes, whatever becomes of it."""
        now, connection = self.changes.clock(), change.connection
        text = f"{said}: {note}" if note else said
        await alert_orders.give(connection, id_, what, who=who.name, at=now, until=until)
        await alerts.note(connection, id_, who=who.name, at=now, note=text)


async def whole(connection: Connection, id_: str) -> dict[str, Any]:
    """An alert by its contract, with its timeline. ``ordered``: what the watcher has not taken in
    yet. Raises NotFoundError."""
    one = await alerts.one(connection, id_)
    ordered = await alert_orders.of_alert(connection, id_)
    return {
        **to_json(one),
        "timeline": {
            "deliveries": [asked.plain(row) for row in await alerts.deliveries(connection, id_)],
            "notes": [asked.plain(row) for row in await alerts.notes(connection, id_)],
            "ordered": [
                {"what": order.what, "who": order.who, "at": utc(order.at), "until": utc(order.until)}
                for order in ordered
            ],
        },
    }  # fmt: skip


def read_end(told: Mapping[str, Any], now: datetime) -> datetime:
    """When a silence ends: "until", a time that is to come, or "for", a length. Raises PinfallError."""
    length, value = told.get("for"), told.get("until")
    if length is not None and value is not None:
        raise PinfallError("for: cannot be said with until")
    if length is not None:
        found = _LENGTH.fullmatch(length) if isinstance(length, str) else None
        if found is None:
            raise PinfallError("for: should be a length such as 30m, 4h, 2d")
        until = now + int(found[1]) * _UNITS[found[2]]
    elif value is None:
        raise PinfallError("until: is missing, or for")
    elif not isinstance(value, str):
        raise PinfallError("until: should be a text, or null")
    else:
        try:
            until = asked.time(value)
        except ValueError as error:
            raise PinfallError(f"until: {error}") from None
    if not now < until <= now + LONGEST:
        name = "until" if length is None else "for"
        raise PinfallError(f"{name}: should lie ahead, by at most {LONGEST.days} days")
    return until


def read_note(told: Mapping[str, Any]) -> str:
    """Of a body; "" where there is none. Raises PinfallError."""
    note = told.get("note")
    if note is None:
        return ""
    if not isinstance(note, str) or len(note) > NOTE or not note.isprintable():
        raise PinfallError(f"note: should be at most {NOTE} printable characters")
    return note.strip()
