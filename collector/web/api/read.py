"""What was reported: violations, signatures, certificates, chains, connections, totals."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import NotFoundError
from collector.model import ENVIRONMENTS, Dialect, Hash, Kind
from collector.store import connections, content, ledger, signatures, violations
from collector.web.api import asked, export

_FORMAT = asked.one_of("json", "ndjson", "csv")
_VIOLATIONS: dict[str, asked.Read] = {
    "project": asked.text,
    "app": asked.text,
    "environment": asked.one_of(*ENVIRONMENTS),
    "host": asked.text,
    "kind": asked.one_of(*Kind),
    "dialect": asked.one_of(*Dialect),
    "app_id": asked.text,
    "app_version": asked.text,
    "platform": asked.text,
    "signature": asked.hex_of(16),
    "since": asked.time,
    "until": asked.time,
}
_PAGE: dict[str, asked.Read] = {"limit": asked.limit, "format": _FORMAT}

Rows = Sequence[asyncpg.Record]


@dataclass(frozen=True, slots=True)
class Read:
    pool: asyncpg.Pool

    async def violations(self, request: web.Request) -> web.StreamResponse:
        told = asked.query(
            request, {**_VIOLATIONS, **_PAGE, "after": asked.cursor_of(datetime, bytes)}
        )
        filters = {name: told[name] for name in _VIOLATIONS if name in told}

        if told.get("format", "json") == "json":
            async with self.pool.acquire() as connection:
                rows, place = await violations.some(
                    connection, filters, told.get("after"), told.get("limit", asked.USUAL)
                )
            following = None if place is None else asked.cursor(*place)
            shown = [_violation(row) for row in rows]
            return web.json_response({"violations": shown, "next": following})

        async def page(after: Any, limit: int) -> tuple[Rows, object]:
            async with self.pool.acquire() as connection:
                rows = await violations.page(connection, filters, after, limit)
            return rows, (rows[-1]["received_at"], rows[-1]["delivery"]) if rows else None

        return await _answer(request, told, "violations", page, _violation)

    async def signatures(self, request: web.Request) -> web.StreamResponse:
        told = asked.query(
            request,
            {
                "project": asked.text,
                "host": asked.text,
                "kind": asked.one_of(*Kind),
                **_PAGE,
                "after": asked.cursor_of(datetime, bytes),
            },
        )

        async def page(after: Any, limit: int) -> tuple[Rows, object]:
            async with self.pool.acquire() as connection:
                rows = await signatures.page(
                    connection,
                    project=told.get("project"),
                    host=told.get("host"),
                    kind=told.get("kind"),
                    after=after,
                    limit=limit,
                )
            return rows, (rows[-1]["last_seen"], rows[-1]["id"]) if rows else None

        return await _answer(request, told, "signatures", page, _signature)

    async def connections(self, request: web.Request) -> web.StreamResponse:
        """Sums by hour. Those of trusted keys and of public ones are never added up."""
        told = asked.query(
            request,
            {
                "project": asked.text,
                "host": asked.text,
                "since": asked.time,
                "until": asked.time,
                **_PAGE,
                "after": asked.cursor_of(datetime, str, str, str, str),
            },
        )

        async def page(after: Any, limit: int) -> tuple[Rows, object]:
            async with self.pool.acquire() as connection:
                rows = await connections.by_hour(
                    connection,
                    project=told.get("project"),
                    host=told.get("host"),
                    since=told.get("since"),
                    until=told.get("until"),
                    after=after,
                    limit=limit,
                )
            if not rows:
                return rows, None
            last = rows[-1]
            place = (
                last["hour"],
                last["project"],
                last["host"],
                last["environment"],
                last["source"],
            )
            return rows, place

        return await _answer(request, told, "connections", page, asked.plain)

    async def certificates(self, request: web.Request) -> web.StreamResponse:
        told = asked.query(
            request,
            {"spki": asked.hex_of(32), **_PAGE, "after": asked.cursor_of(datetime, bytes)},
        )

        async def page(after: Any, limit: int) -> tuple[Rows, object]:
            async with self.pool.acquire() as connection:
                rows = await content.certificates(
                    connection, spki=told.get("spki"), after=after, limit=limit
                )
            return rows, (rows[-1]["first_seen"], rows[-1]["sha256"]) if rows else None

        return await _answer(request, told, "certificates", page, _certificate)

    async def certificate(self, request: web.Request) -> web.Response:
        """One, by the SHA-256 of its DER; ``?format=pem`` for other programs."""
        told = asked.query(request, {"format": asked.one_of("json", "pem")})
        sha256 = _id(request.match_info["sha256"], 32)
        async with self.pool.acquire() as connection:
            rows = await content.certificates(connection, sha256=sha256)
        if not rows:
            raise NotFoundError("there is no such certificate")
        if told.get("format") == "pem":
            return web.Response(text=_pem(rows[0]["der"]), content_type="application/x-pem-file")
        return web.json_response({**_certificate(rows[0]), "pem": _pem(rows[0]["der"])})

    async def chain(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        id_ = _id(request.match_info["id"], 16)
        async with self.pool.acquire() as connection:
            row = await content.chain(connection, id_)
            if row is None:
                raise NotFoundError("there is no such chain")
            slots = json.loads(row["slots"])
            wanted = [bytes.fromhex(s["certificate"]) for s in slots if "certificate" in s]
            known = await violations.certificates(connection, wanted)
        places = [_place(slot, known) for slot in slots]
        return web.json_response({**asked.plain(row), "slots": places})

    async def totals(self, request: web.Request) -> web.Response:
        """Items by project and result, of all time: received = the sum of the others."""
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            told = await ledger.totals(connection)
        return web.json_response({"projects": told})


async def _answer(
    request: web.Request,
    told: dict[str, Any],
    name: str,
    page: Callable[[Any, int], Awaitable[tuple[Rows, object]]],
    shape: Callable[[asyncpg.Record], dict[str, Any]],
) -> web.StreamResponse:
    """One page of JSON with where the next begins; or, as NDJSON or CSV, all there is."""
    after, format_ = told.get("after"), told.get("format", "json")
    if format_ == "json":
        limit = told.get("limit", asked.USUAL)
        rows, place = await page(after, limit)
        following = None
        if len(rows) == limit and isinstance(place, tuple):
            following = asked.cursor(*place)
        return web.json_response({name: [shape(row) for row in rows], "next": following})
    return await export.stream(request, format_, name, after, told.get("limit"), page, shape)


def _id(text: str, size: int) -> bytes:
    try:
        return asked.hex_of(size)(text)  # type: ignore[return-value]
    except ValueError as error:
        raise NotFoundError(f"'{text[:80]}': {error}") from None


def _violation(row: asyncpg.Record) -> dict[str, Any]:
    told = asked.plain(row)
    told["identity"] = "weak" if told.pop("weak") else "strong"
    told["pins"] = json.loads(row["pins"]) if row["pins"] else []
    told["details"] = json.loads(row["details"])
    del told["delivery"]
    return told


def _signature(row: asyncpg.Record) -> dict[str, Any]:
    return {**asked.plain(row), "issuer_path": json.loads(row["issuer_path"])}


def _certificate(row: asyncpg.Record) -> dict[str, Any]:
    told = {key: value for key, value in asked.plain(row).items() if key != "der"}
    told["sans"] = json.loads(row["sans"])
    told["pin"] = str(Hash("sha256", row["spki_sha256"]))
    return told


def _place(slot: dict[str, Any], known: dict[str, asyncpg.Record]) -> dict[str, Any] | None:
    if slot.get("certificate") in known:
        row = known[slot["certificate"]]
        told = {k: v for k, v in asked.plain(row).items() if k in _SHOWN}
        return {**told, "pin": str(Hash("sha256", row["spki_sha256"]))}
    if "hash" in slot:
        return {"pin": slot["hash"], "subject": slot.get("subject")}
    return None


_SHOWN = ("sha256", "subject", "issuer", "not_before", "not_after", "self_signed")


def _pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)
