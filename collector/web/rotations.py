"""The page of rotations: declare one, those of each host, and what ends or changes in the next weeks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby

import asyncpg
from aiohttp import web

from collector.detect.rotation_state import declared_leaf, seen_at
from collector.detect.served import Rotation, RotationState
from collector.errors import PinfallError
from collector.model import Certificate, Hash, ProjectId
from collector.pins.findings import releases
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import facts, role
from collector.store import pin_sets, projects, rotations, served
from collector.store.rotations import Listed
from collector.web import forms, rendering
from collector.web.access import Role
from collector.web.api import asked, pins
from collector.web.api.rotations import Rotations
from collector.web.charts import Mark
from collector.web.guard import WHO
from collector.web.ladder import ladder
from collector.web.shown import shown
from collector.web.strip import strip

AHEAD = timedelta(days=90)
_NOW = timedelta(hours=6)  # a chain that no probe saw for so long is not served now
_ROTATIONS, _ENTRIES = 40, 60
_LADDERS, _PLACES = 5, 4  # declared chains that are shown whole, and how much of each
_FIELDS = ("project", "host", "at", "chain", "note")
LANES = {"rotation": "Rotations", "certificate": "Certificates end", "pins": "Pin sets end"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of the calendar. kind: a key of LANES."""

    at: datetime
    kind: str
    host: str
    project: str | None
    told: str


@dataclass(frozen=True, slots=True)
class RotationsPage:
    pool: asyncpg.Pool
    rotations: Rotations
    clock: Callable[[], datetime]

    async def show(
        self,
        request: web.Request,
        mistake: str | None = None,
        typed: dict[str, str] | None = None,
    ) -> web.Response:
        now = self.clock()
        told = asked.query(request, {"host": pins.host, "project": asked.text})
        host, name = told.get("host"), told.get("project")
        async with self.pool.acquire() as connection:
            known = await projects.listed(connection)
            names = {row["id"]: row["name"] for row in await projects.named(connection)}
            project = ProjectId((await projects.one(connection, name))["id"]) if name else None
            rows = await rotations.listed(
                connection, project=project, host=host, limit=_ROTATIONS + 1
            )
            planned = await rotations.alive(connection, now)
            chains = await served.served_now(connection, now - _NOW)
            expiring = await pin_sets.expiring(connection)
        entries = sorted(
            [
                *_planned(planned.values(), names),
                *_certificates(chains),
                *_pin_sets(expiring),
            ],
            key=lambda entry: (entry.at, entry.kind, entry.host),
        )
        coming = [e for e in entries if e.at < now + AHEAD and host in (None, e.host)]
        late = [entry for entry in coming if entry.at < now]
        coming = [entry for entry in coming if entry.at >= now]
        return rendering.page(
            request,
            "rotations.html",
            now,
            status=400 if mistake else 200,
            mistake=mistake,
            typed={
                **dict.fromkeys(_FIELDS, ""),
                "host": host or "",
                "project": name or "",
                **(typed or {}),
            },
            may_declare=request[WHO].role.may(Role.PIPELINE),
            projects=[row["name"] for row in known],
            host=host,
            project=name,
            of_hosts=_by_host(rows[:_ROTATIONS]),
            more=len(rows) > _ROTATIONS,
            strip=strip("The next 90 days", now, now + AHEAD, _lanes(coming)),
            weeks=_weeks(coming[:_ENTRIES]),
            left_out=max(0, len(coming) - _ENTRIES),
            late=late[:_ENTRIES],
        )

    async def declare(self, request: web.Request) -> web.StreamResponse:
        """The form. What it says is read as the API reads it."""
        typed = await forms.typed(request, _FIELDS)
        wanted = forms.said({**typed, "at": forms.in_utc(typed["at"])})
        try:
            if "host" not in wanted:
                raise PinfallError("host: is missing")
            await self.rotations.declare_as(request[WHO], wanted)
        except PinfallError as error:
            return await self.show(request, str(error), forms.again(typed))
        return web.Response(status=303, headers={"Location": "/rotations#hosts"})

    async def end(self, request: web.Request) -> web.StreamResponse:
        try:
            await self.rotations.end_as(request[WHO], request.match_info["id"])
        except PinfallError as error:
            return await self.show(request, str(error))
        return web.Response(status=303, headers={"Location": "/rotations#hosts"})


def _planned(groups: Iterable[list[Rotation]], names: dict[int, str]) -> list[Entry]:
    """Declared, not over, and not seen yet."""
    return [
        Entry(
            r.planned_at,
            "rotation",
            r.host,
            names.get(r.project) if r.project is not None else None,
            f"rotation declared by {r.declared_by}" + (f": {r.note}" if r.note else ""),
        )
        for group in groups
        for r in group
        if r.planned_at is not None
        and r.state in (RotationState.PLANNED, RotationState.NOT_SEEN)
        and (r.project is None or r.project in names)
    ]


def _certificates(chains: Iterable[tuple[str, int, tuple[Certificate, ...]]]) -> list[Entry]:
    """Ends of what our probes see, each certificate of a host once."""
    found: dict[tuple[str, bytes], Entry] = {}
    for host, port, chain in chains:
        for place, certificate in enumerate(chain):
            known = facts(certificate.der)
            if known.not_after is not None:
                where = "" if port == 443 else f", port {port}"
                what = known.subject or "a certificate without a subject"
                found[host, certificate.sha256] = Entry(
                    known.not_after, "certificate", host, None,
                    f"served {role(place, certificate)} ends{where}: {what}",
                )  # fmt: skip
    return list(found.values())


def _pin_sets(expiring: Iterable[tuple[str, ShippedPinSet]]) -> list[Entry]:
    return [
        Entry(one.expires, "pins", one.host, project, f"pins of {releases(one)} end")
        for project, one in expiring
        if one.expires is not None and one.pins
    ]


def _lanes(entries: Iterable[Entry]) -> dict[str, list[Mark]]:
    lanes: dict[str, list[Mark]] = {name: [] for name in LANES.values()}
    for entry in entries:
        lanes[LANES[entry.kind]].append(Mark(entry.at, shown(entry.host, 80)))
    return lanes


def _weeks(entries: Iterable[Entry]) -> list[tuple[datetime, list[Entry]]]:
    """By the Monday, in UTC, that they are in the week of."""
    return [(monday, list(of)) for monday, of in groupby(entries, lambda e: _monday(e.at))]


def _monday(at: datetime) -> datetime:
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def _by_host(rows: Iterable[Listed]) -> dict[tuple[str | None, str], list[dict[str, object]]]:
    """By project and host, hosts in the order of their newest rotation."""
    found: dict[tuple[str | None, str], list[dict[str, object]]] = {}
    ladders = 0
    for row in rows:
        r, leaf = row.rotation, declared_leaf(row.rotation)
        pins = [str(Hash("sha256", digest)) for digest in sorted(r.new_leaves)]
        told: dict[str, object] = {
            "id": r.id, "at": r.at, "state": r.state.value, "sources": [s.value for s in r.sources],
            "planned_at": r.planned_at, "declared_by": r.declared_by, "seen_at": seen_at(r), "note": r.note,
            "ended_at": r.ended_at, "new": pins, "declared": None if leaf is None else str(Hash("sha256", leaf)),
            "chain": (), "open": r.declared_at is not None and r.ended_at is None and seen_at(r) is None,
        }  # fmt: skip
        if r.chain and ladders < _LADDERS:
            told["chain"] = ladder(r.chain[:_PLACES], pins)
            ladders += 1
        found.setdefault((row.project, r.host), []).append(told)
    return found
