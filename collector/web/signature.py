"""A signature's page: its cause with the evidence, what to do, examples; and where a person says that
the cause is another one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.judgement import Cause
from collector.detect.steps import next_steps
from collector.errors import NotFoundError, PinfallError
from collector.store import causes, signatures, silences, timeline, violations
from collector.web import rendering, reported, silenced
from collector.web.access import Role
from collector.web.api.alerts import NOTE
from collector.web.api.causes import Causes, signature_id
from collector.web.guard import WHO, read_form
from collector.web.situation import reached, situation

_EXAMPLES = 8
_NOT_JUDGED: dict[str, Any] = {"label": timeline.NO_CAUSE, "confidence": "", "evidence": []}


@dataclass(frozen=True, slots=True)
class SignaturePage:
    pool: asyncpg.Pool
    causes: Causes
    clock: Callable[[], datetime]

    async def show(self, request: web.Request, mistake: str | None = None) -> web.Response:
        id_ = signature_id(request.match_info["id"])
        now = self.clock()
        async with self.pool.acquire() as connection:
            row = await signatures.one(connection, id_)
            if row is None:
                raise NotFoundError("there is no such signature")
            _, relabels = await causes.one(connection, id_)
            examples = await violations.examples(connection, id_, _EXAMPLES)
            told = await reported.shown(connection, examples)
            judged: dict[str, Any] = json.loads(row["cause"]) if row["cause"] else _NOT_JUDGED
            said = relabels[0]["label"] if relabels else None
            reach = await reached(connection, row)
            known = await situation(
                connection, row, said or judged["label"], judged["evidence"], told, reach, now
            )
            quiet = await silences.listed(connection, now)
        return rendering.page(
            request, "signature.html", now, status=400 if mistake else 200, mistake=mistake, row=row,
            hex=id_.hex(), meaning=reported.MEANING, judged=judged, label=said or judged["label"],
            said=said is not None, relabels=relabels, steps=next_steps(now, known), reach=reach,
            labels=[*Cause], issuers=json.loads(row["issuer_path"]), violations=told,
            operates=request[WHO].role.may(Role.OPERATOR), lengths=silenced.LENGTHS, most=NOTE,
            looked=timeline.OF_HOST,
            silences=silenced.shown(one for one in quiet if one["signature"] == id_),
        )  # fmt: skip

    async def relabel(self, request: web.Request) -> web.StreamResponse:
        """The form: as the API's own relabel, and a reason is asked for."""
        id_ = signature_id(request.match_info["id"])
        form = await read_form(request)
        label, note = str(form.get("label", "")), str(form.get("note", "")).strip()
        try:
            if not note:
                raise PinfallError("say why: whoever reads it next wants to know")
            await self.causes.relabel_as(request[WHO], id_, {"label": label or None, "note": note})
        except NotFoundError:
            raise
        except PinfallError as error:
            return await self.show(request, str(error))
        return web.Response(status=303, headers={"Location": f"/signatures/{id_.hex()}"})
