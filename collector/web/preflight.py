"""The page that says who breaks if a chain is served: the same answer as of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.preflight_told import NAMES
from collector.errors import PinfallError
from collector.store import hosts, projects
from collector.web import forms, rendering
from collector.web.access import Role
from collector.web.api import asked, pins
from collector.web.api.preflight import Preflights
from collector.web.guard import WHO

_FIELDS = ("host", "project", "chain", "issuer", "at", "app")
_PARTS, _HOSTS = 40, 200
# What an exit code of the command means, in short, and how it looks.
_MEANS = {0: ("Nobody breaks", "good"), 1: ("Somebody breaks", "bad"), 3: ("Not known", "")}


@dataclass(frozen=True, slots=True)
class PreflightPage:
    pool: asyncpg.Pool
    preflights: Preflights
    clock: Callable[[], datetime]

    async def show(
        self,
        request: web.Request,
        mistake: str | None = None,
        typed: Mapping[str, str] | None = None,
        told: Mapping[str, Any] | None = None,
    ) -> web.Response:
        query = asked.query(request, {"host": pins.host, "project": asked.text})
        async with self.pool.acquire() as connection:
            names = [row["name"] for row in await projects.listed(connection)]
            known = await hosts.named(connection, _HOSTS)
        return rendering.page(
            request,
            "preflight.html",
            self.clock(),
            status=400 if mistake else 200,
            mistake=mistake,
            typed={**dict.fromkeys(_FIELDS, ""), **query, **(typed or {})},
            may_ask=request[WHO].role.may(Role.PIPELINE),
            projects=names,
            hosts=sorted({row["host"] for row in known}),
            told=told,
            means=_MEANS[told["exit"]] if told else None,
            parts=told["parts"][:_PARTS] if told else (),
            left_out=_left_out(told) if told else 0,
            times=tuple(zip(NAMES, ("then", "24 h later", "48 h", "a week"), strict=True)),
        )

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """Changes nothing: the answer is the page."""
        typed = await forms.typed(request, _FIELDS)
        wanted = forms.said({**typed, "at": forms.in_utc(typed["at"])})
        try:
            for field in ("host", "chain"):
                if field not in wanted:
                    raise PinfallError(f"{field}: is missing")
            told = await self.preflights.judged(wanted)
        except PinfallError as error:
            return await self.show(request, str(error), forms.again(typed))
        return await self.show(request, typed=forms.again(typed), told=told)


def _left_out(told: Mapping[str, Any]) -> int:
    return max(0, len(told["parts"]) - _PARTS) + int(told["parts_left_out"])
