"""Silences on pages: the forms that begin and end one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web

from collector.errors import PinfallError
from collector.web import forms, silenced
from collector.web.api.silences import Silences
from collector.web.guard import WHO
from collector.web.incidents import Incidents

_OF = ("project", "host", "kind", "signature", "network")


@dataclass(frozen=True, slots=True)
class SilenceForms:
    """Mistakes are told on the page of alerts, with what was typed."""

    doing: Silences
    incidents: Incidents

    async def add(self, request: web.Request) -> web.StreamResponse:
        """From the pages of alerts, of a host, of a signature: then one is back where one was."""
        typed = await forms.typed(request, silenced.FIELDS)
        said = forms.said({name: typed[name] for name in (*_OF, "note")})
        wanted: dict[str, Any] = {**said, **forms.length(typed), "wide": typed["wide"] == "yes"}
        try:
            made = await self.doing.add_as(request[WHO], wanted)
        except PinfallError as error:
            return await self.incidents.list_all(request, str(error), forms.again(typed))
        place = _page(made)
        if typed["back"] == "host" and made["project"] and made["host"]:
            place = f"/hosts/{quote(made['project'], safe='')}/{quote(made['host'], safe='')}"
        return web.Response(status=303, headers={"Location": place})

    async def end(self, request: web.Request) -> web.StreamResponse:
        try:
            ended = await self.doing.end_as(request[WHO], request.match_info["id"])
        except PinfallError as error:
            return await self.incidents.list_all(request, str(error))
        return web.Response(status=303, headers={"Location": _page(ended)})


def _page(made: Mapping[str, Any]) -> str:
    """Where a silence is seen first."""
    if made["alert"]:
        return f"/alerts/{quote(made['alert'], safe='')}"
    if made["signature"]:
        return f"/signatures/{made['signature']}"
    return "/alerts#silences"
