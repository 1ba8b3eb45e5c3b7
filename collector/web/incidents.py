"""Pages of alerts: what fires, what was resolved lately, and one of them whole with what people do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
from aiohttp import web

from collector.alert import LOOKED_AT, Alert, State
from collector.detect.kinds import AlertKind
from collector.errors import ConflictError, NotFoundError, PinfallError
from collector.store import alert_orders, alerts, projects, signatures, silences
from collector.store.connect import Connection
from collector.web import forms, rendering, silenced
from collector.web.access import Role
from collector.web.api.alerts import NOTE, Alerts
from collector.web.guard import WHO, read_form
from collector.web.labels import label_of
from collector.web.ladder import Place
from collector.web.runbooks import RUNBOOKS
from collector.web.shown import shown

_FIRING, _RESOLVED, _SIGNATURES, _SILENCES = 50, 30, 50, 20
_LATELY = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Incidents:
    pool: asyncpg.Pool
    doing: Alerts
    clock: Callable[[], datetime]

    async def list_all(
        self, request: web.Request, mistake: str | None = None, typed: Mapping[str, str] | None = None
    ) -> web.Response:  # fmt: skip
        """mistake: in the form of silences, with what was typed there."""
        now = self.clock()
        async with self.pool.acquire() as connection:
            firing = await _listed(connection, State.FIRING, _FIRING + 1)
            over = await _listed(connection, State.RESOLVED, _RESOLVED)
            quiet = await silences.listed(connection, now)
            known = await projects.listed(connection)
        lately = [one for one in over if one.ended_at and one.ended_at > now - _LATELY]
        return rendering.page(
            request, "alerts.html", now, status=400 if mistake else 200, mistake=mistake,
            typed={**dict.fromkeys(silenced.FIELDS, ""), **(typed or {})}, firing=firing[:_FIRING],
            is_cut=len(firing) > _FIRING,
            resolved=sorted(lately, key=lambda one: one.ended_at or now, reverse=True),
            is_short=len(lately) == _RESOLVED, silences=silenced.shown(quiet[:_SILENCES]),
            others=max(0, len(quiet) - _SILENCES), projects=[row["name"] for row in known],
            kinds=[*AlertKind], lengths=silenced.LENGTHS, most=NOTE,
            operates=request[WHO].role.may(Role.OPERATOR),
        )  # fmt: skip

    async def show(
        self, request: web.Request, mistake: str | None = None, status: int = 200
    ) -> web.Response:
        id_, now = request.match_info["id"], self.clock()
        async with self.pool.acquire() as connection:
            alert = await alerts.one(connection, id_)
            ordered = await alert_orders.of_alert(connection, id_)
            deliveries = await alerts.deliveries(connection, id_)
            notes = await alerts.notes(connection, id_)
            found = await _signatures(connection, alert)
            quiet = await silences.listed(connection, now)
        return rendering.page(
            request, "alert.html", now, status=status, mistake=mistake, alert=alert, looked=LOOKED_AT,
            places=_places(alert), timeline=_timeline(alert, deliveries, notes),
            ordered=[order.what.value for order in ordered], signatures=found,
            runbook=alert.kind if alert.kind in RUNBOOKS else None, wiki=_wiki(alert),
            lengths=silenced.LENGTHS, most=NOTE, operates=request[WHO].role.may(Role.OPERATOR),
            is_silenced=alert.silenced_until is not None and alert.silenced_until > now,
            silences=silenced.of_alert(quiet, id_, alert.kind, alert.project, alert.host)[:_SILENCES],
        )  # fmt: skip

    async def acknowledge(self, request: web.Request) -> web.StreamResponse:
        id_ = request.match_info["id"]
        return await self._did(request, self.doing.acknowledge_as(request[WHO], id_))

    async def silence(self, request: web.Request) -> web.StreamResponse:
        """By a length in hours or a time in UTC; neither of them ends a silence."""
        typed = await forms.typed(request, ("length", "until", "note"))
        body = {"until": None, **forms.length(typed), "note": typed["note"]}
        id_ = request.match_info["id"]
        return await self._did(request, self.doing.silence_as(request[WHO], id_, body))

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        body = {"forged": form.get("forged") == "yes", "note": str(form.get("note", ""))}
        id_ = request.match_info["id"]
        return await self._did(request, self.doing.resolve_as(request[WHO], id_, body))

    async def note(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        body = {"note": str(form.get("note", ""))}
        id_ = request.match_info["id"]
        return await self._did(request, self.doing.note_as(request[WHO], id_, body))

    async def _did(
        self, request: web.Request, doing: Awaitable[dict[str, Any]]
    ) -> web.StreamResponse:
        """What was done, seen on the page again; a mistake is told there."""
        try:
            await doing
        except NotFoundError:
            raise
        except ConflictError as error:
            return await self.show(request, str(error), 409)
        except PinfallError as error:
            return await self.show(request, str(error), 400)
        place = f"/alerts/{quote(request.match_info['id'], safe='')}"
        return web.Response(status=303, headers={"Location": place})


async def _listed(connection: Connection, state: State, limit: int) -> list[Alert]:
    return await alerts.listed(connection, state=state, project=None, host=None, limit=limit)


async def _signatures(connection: Connection, alert: Alert) -> list[dict[str, Any]]:
    """Of the host; those of the alert's own cause first."""
    try:
        project = (await projects.one(connection, alert.project))["id"]
    except NotFoundError:
        return []
    rows = await signatures.of_host(connection, project, alert.host, _SIGNATURES)
    found = [{**row, "hex": row["id"].hex(), "label": label_of(row)} for row in rows]
    return sorted(found, key=lambda row: row["label"] != alert.cause.label)[:8]


def _places(alert: Alert) -> list[Place]:
    return [
        Place(
            shown(link.role, 40), link.pin, link.subject or "(its subject is not kept with the alert)",
            validity=f"until {rendering.time(link.not_after)}" if link.not_after else None,
            pinned=link.pin in alert.pins,
        )
        for link in alert.chain
    ]  # fmt: skip


def _timeline(
    alert: Alert, deliveries: list[asyncpg.Record], notes: list[asyncpg.Record]
) -> list[tuple[datetime, str, str, str]]:
    """(when, who, what, more), the first first."""
    found = [(alert.started_at, "Pinfall", "the alert began", "")]
    for row in deliveries:
        ended = f", {rendering.time(row['ended_at'])}" if row["ended_at"] else ""
        tries = f" after {row['tries']} tries" if row["tries"] > 1 else ""
        what = f"{row['event']}: {row['state']}{tries}{ended}".replace("_", " ")
        found.append((row["created_at"], row["channel"], what, row["last_error"] or ""))
    found += [(row["at"], row["who"], row["note"], "") for row in notes]
    if alert.ended_at is not None:
        found.append((alert.ended_at, "Pinfall", "resolved", ""))
    return sorted(found, key=lambda event: event[0])


def _wiki(alert: Alert) -> str | None:
    """A runbook of the operator's own."""
    url = alert.links.runbook
    is_own = url is not None and url.startswith(("https://", "http://"))
    return url if is_own and not (url or "").endswith(f"/runbooks/{alert.kind}") else None
