"""The page of pins: what releases ship, what is wrong with it, what reports agree on, how versions spread."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.adoption import curves
from collector.errors import PinfallError
from collector.model import PLATFORMS, ProjectId
from collector.pins.findings import releases
from collector.pins.model import ShippedPinSet
from collector.pins.release import RELEASE
from collector.store import adoption, pin_sets, projects
from collector.web import forms, readiness, rendering
from collector.web.access import Role
from collector.web.adoption import spreads
from collector.web.api import asked, pins
from collector.web.api.pin_lint import PinLint
from collector.web.api.pins import Pins
from collector.web.api.readiness import HostAdvice
from collector.web.guard import WHO

_SETS, _FINDINGS, _LEARNED, _CURVES, _RESULTS = 30, 20, 12, 3, 20  # of one page
_VERDICTS = 3  # hosts that are judged where none was chosen: each looks at a year
_PROJECTS = 20  # whose learned sets and versions are looked at
_FIELDS = ("project", "text", *RELEASE)


@dataclass(frozen=True, slots=True)
class PinsPage:
    pool: asyncpg.Pool
    pins: Pins
    lint: PinLint
    advice: HostAdvice
    clock: Callable[[], datetime]

    async def show(
        self,
        request: web.Request,
        mistake: str | None = None,
        typed: Mapping[str, str] | None = None,
        imported: Mapping[str, Any] | None = None,
    ) -> web.Response:
        now = self.clock()
        known = {"project": asked.text, "host": pins.host, "app": asked.text}
        told = asked.query(request, known)
        name, host, app = told.get("project"), told.get("host"), told.get("app")
        async with self.pool.acquire() as connection:
            if name is not None:
                await projects.one(connection, name)
            rows = await projects.named(connection)
            ids = {r["name"]: ProjectId(r["id"]) for r in rows if name in (None, r["name"])}
            sets = await pin_sets.listed(connection, _SETS + 1, project=name, app=app, host=host)
            learned, spread = [], []
            for project, id_ in sorted(ids.items())[:_PROJECTS]:
                learned += [
                    (project, one)
                    for one in await pin_sets.learned(connection, id_, host, _LEARNED)
                    if app in (None, one.app)
                ]
                uses = await adoption.read(connection, id_, now.date())
                spread += [
                    (project, one)
                    for one in spreads(curves(uses, now.date()), _CURVES)
                    if app in (None, one.curve.app)
                ]
        findings, looked_at = await self.lint.found(name, host)
        findings = [f for f in findings if app in (None, f["app"])]
        places = self._places(sets, name, host)
        return rendering.page(
            request,
            "pins.html",
            now,
            status=400 if mistake else 200,
            mistake=mistake,
            typed={**dict.fromkeys(_FIELDS, ""), "project": name or "", **(typed or {})},
            imported=imported and _few(imported),
            may_import=request[WHO].role.may(Role.PIPELINE),
            platforms=[platform.lower() for platform in PLATFORMS],
            projects=sorted(row["name"] for row in rows),
            chosen={"project": name, "host": host, "app": app},
            sets=[{**row, "releases": _releases(dict(row))} for row in sets[:_SETS]],
            more=len(sets) > _SETS,
            findings=findings[:_FINDINGS],
            findings_in_all=len(findings),
            looked_at=looked_at,
            learned=learned[:_LEARNED],
            learned_more=len(learned) > _LEARNED,
            spread=spread[:_CURVES],
            verdicts=[await self.advice.verdict_of(*place) for place in places],
            ready=[
                readiness.shown(await self.advice.readiness_of(*place))
                for place in (places if host is not None else ())
            ],
        )

    @staticmethod
    def _places(
        sets: list[asyncpg.Record], name: str | None, host: str | None
    ) -> list[tuple[str, str]]:
        """(project, host) to be weighed: the host that was chosen, else all where they are few."""
        if host is not None:
            places = {(row["project"], host) for row in sets}
            places |= {(name, host)} if name is not None else set()
        else:
            named = [row for row in sets if not row["host"].startswith("*.")]
            places = {(row["project"], row["host"]) for row in named}
            places = places if len(places) <= _VERDICTS else set()
        return sorted(places)[:_VERDICTS]

    async def take(self, request: web.Request) -> web.StreamResponse:
        """The form: a file, or its text. The same again changes nothing."""
        typed = await forms.typed(request, _FIELDS)
        try:
            file = await forms.uploaded(request, "file")
            text = typed["text"].encode("utf-8", "replace")
            if file is None and not text:
                raise PinfallError("choose a file, or paste its text")
            if file is not None and text:
                raise PinfallError("choose a file or paste its text, not both")
            named, data = file or ("pasted", text)
            wanted = forms.said({field: typed[field] for field in ("project", *RELEASE)})
            if "starts" in wanted:
                wanted["starts"] = forms.in_utc(wanted["starts"])
            wanted |= {"file": base64.b64encode(data).decode(), "name": named}
            imported = await self.pins.import_as(request[WHO], wanted)
        except PinfallError as error:
            return await self.show(request, str(error), forms.again(typed))
        return await self.show(request, typed={"project": typed["project"]}, imported=imported)


def _few(imported: Mapping[str, Any]) -> dict[str, Any]:
    count = len(imported["pin_sets"])
    few = [{**one, "releases": _releases(one)} for one in imported["pin_sets"][:_RESULTS]]
    return {
        **imported,
        "pin_sets": few,
        "count": count,
        "warnings": imported["warnings"][:_RESULTS],
    }


def _releases(row: Mapping[str, Any]) -> str:
    names = ("host", "app", "platform", "version_from", "version_to")
    return releases(ShippedPinSet(pins=(), **{name: row[name] for name in names}))
