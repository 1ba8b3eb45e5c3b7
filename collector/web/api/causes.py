"""One signature with its cause: what the rules say, and what an operator says instead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.judgement import Cause
from collector.errors import NotFoundError, PinfallError
from collector.store import causes
from collector.store.connect import Connection
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.certs import NOTE
from collector.web.api.change import Changes
from collector.web.guard import WHO


@dataclass(frozen=True, slots=True)
class Causes:
    pool: asyncpg.Pool
    changes: Changes

    async def signature(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        id_ = _id(request)
        async with self.pool.acquire() as connection:
            return web.json_response(await _told(connection, id_))

    async def relabel(self, request: web.Request) -> web.Response:
        """{"label", "note"}; label null: back to what the rules say."""
        id_ = _id(request)
        told = await asked.body(request, {"label": False, "note": False})
        return web.json_response(await self.relabel_as(request[WHO], id_, told))

    async def relabel_as(self, who: Who, id_: bytes, told: Mapping[str, Any]) -> dict[str, Any]:
        """Also for the page's form. Raises PinfallError."""
        label, note = told.get("label"), told.get("note", "")
        note = "" if note is None else note
        if label is not None and label not in [*Cause]:
            raise PinfallError(f"label: should be null, or one of {', '.join(Cause)}")
        if not isinstance(note, str) or len(note) > NOTE or not note.isprintable():
            raise PinfallError(f"note: should be at most {NOTE} printable characters")
        details = {"label": label, "note": note.strip()}
        async with self.changes.by(who, "signature.relabelled", id_.hex(), **details) as change:
            host = await causes.relabel(
                change.connection, id_, label, note=note.strip(), now=self.changes.clock(), who=who.name
            )  # fmt: skip
            change.details["host"] = host
            return await _told(change.connection, id_)


def _id(request: web.Request) -> bytes:
    return signature_id(request.match_info["id"])


def signature_id(text: str) -> bytes:
    """Raises NotFoundError."""
    try:
        return asked.hex_of(16)(text)  # type: ignore[return-value]
    except ValueError as error:
        raise NotFoundError(f"'{text[:80]}': {error}") from None


async def _told(connection: Connection, id_: bytes) -> dict[str, Any]:
    """``cause``: the rules' own judgement. ``label``: what counts: the newest relabel, else theirs."""
    row, relabels = await causes.one(connection, id_)
    cause = json.loads(row["cause"]) if row["cause"] else None
    said = relabels[0]["label"] if relabels else None
    return {
        **asked.plain(row),
        "issuer_path": json.loads(row["issuer_path"]),
        "cause": cause,
        "label": said or (cause["label"] if cause else None),
        "relabelled": said is not None,
        "relabels": [asked.plain(one) for one in relabels],
    }
