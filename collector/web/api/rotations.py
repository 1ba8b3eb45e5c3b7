"""Rotations over the API: what is known of a host's keys; a pipeline declares and ends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.changes import Renewal, renewals
from collector.detect.rotation_state import declared_leaf
from collector.errors import ConflictError, NotFoundError, PinfallError
from collector.model import WORST_CHAIN, Certificate, Hash, ProjectId
from collector.reports.certificates import facts, read_certificate, role, split_pem
from collector.reports.hosts import matches, read_host
from collector.reports.line import utc
from collector.store import changing, host_projects, projects, rotations
from collector.store.connect import Connection
from collector.store.rotations import Listed
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO

NOTE = 300  # characters
PEM = 60_000  # characters of a chain: 12 certificates that are large
_PAST, _AHEAD = timedelta(days=7), timedelta(days=400)  # that a rotation may be declared for


@dataclass(frozen=True, slots=True)
class Rotations:
    pool: asyncpg.Pool
    changes: Changes

    async def list_rotations(self, request: web.Request) -> web.Response:
        """Newest first; of a host also where its keys stayed and their certificates did not."""
        known: dict[str, asked.Read] = {
            "project": asked.text,
            "host": _host,
            "since": asked.time,
            "limit": asked.limit,
        }
        told = asked.query(request, known)
        host, since = told.get("host"), told.get("since")
        async with self.pool.acquire() as connection:
            project = None
            if "project" in told:
                project = ProjectId((await projects.one(connection, told["project"]))["id"])
            rows = await rotations.listed(
                connection,
                project=project,
                host=host,
                since=since,
                limit=told.get("limit", asked.USUAL),
            )
            chains = await changing.of_host(connection, host) if host else []
        same_key = [r for r in renewals(chains) if since is None or r.at >= since]
        answer = {
            "rotations": [_plain(row) for row in rows],
            "renewals": [_renewal(renewal) for renewal in reversed(same_key)],
        }
        return web.json_response(answer)

    async def declare(self, request: web.Request) -> web.Response:
        """{"project", "host", "at", "chain", "note"}; at: now where it is not said; chain: PEM, the
        coming one, leaf first."""
        fields = {"project": False, "host": True, "at": False, "chain": False, "note": False}
        told = await asked.body(request, fields)
        return web.json_response(_plain(await self.declare_as(request[WHO], told)), status=201)

    async def declare_as(self, who: Who, told: Mapping[str, Any]) -> Listed:
        """Also for the page's form. Raises PinfallError."""
        name = None if told.get("project") is None else asked.name(told, "project")
        host, chain, note = _named(told), _chain(told), _note(told)
        now = self.changes.clock()
        at = _at(told, now)
        leaf = str(Hash("sha256", chain[0].spki_sha256)) if chain else None
        details = {"at": utc(at), "leaf": leaf, "note": note}
        async with self.changes.by(who, "rotation.declared", host, **details) as change:
            project, project_name = await _place(change.connection, host, name)
            change.details["project"] = project_name
            made = await rotations.declare(
                change.connection, project=project, host=host, planned_at=at, chain=chain, note=note,
                now=now, who=who.name,
            )  # fmt: skip
        return Listed(made, project_name)

    async def end(self, request: web.Request) -> web.Response:
        """One that is over, or that is not to happen."""
        await asked.body(request, {})
        return web.json_response(_plain(await self.end_as(request[WHO], request.match_info["id"])))

    async def end_as(self, who: Who, text: str) -> Listed:
        """text: the id. Raises PinfallError."""
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise NotFoundError("there is no such rotation")
        async with self.changes.by(who, "rotation.ended", text) as change:
            row, change.is_one = await rotations.end(
                change.connection, int(text), self.changes.clock()
            )
            change.details["host"] = row.rotation.host
        return row


def _host(text: str) -> str:
    host, port = read_host(asked.text(text))
    if port is not None:
        raise ValueError("a host has no port here")
    return host


def _named(told: Mapping[str, Any]) -> str:
    if not isinstance(told["host"], str):
        raise PinfallError("host: should be a text")
    try:
        return _host(told["host"])
    except ValueError as error:
        raise PinfallError(f"host: '{told['host'][:80]}': {error}") from None


async def _place(connection: Connection, host: str, name: str | None) -> tuple[ProjectId, str]:
    """The project that has this host, by name or because it is the only one."""
    if name is not None:
        await projects.one(connection, name)
    found = [
        place
        for place in await host_projects.places(connection, host, name)
        if place.is_known or any(matches(pattern, host) for pattern in place.patterns)
    ]
    if not found:
        where = "no project" if name is None else f"'{name}' does not have"
        have = "has the host" if name is None else "the host"
        raise NotFoundError(f"{where} {have} '{host}': register it first (pinfall host add)")
    if len(found) > 1:
        names = ", ".join(f"'{place.name}'" for place in found[:10])
        raise ConflictError(f"'{host}' is in several projects: say which of {names}")
    return ProjectId(found[0].id), found[0].name


def _at(told: Mapping[str, Any], now: datetime) -> datetime:
    value = told.get("at")
    if value is None:
        return now
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise PinfallError("at: should be a time with its zone, such as 2026-11-20T06:16:13Z")
    if not now - _PAST <= at <= now + _AHEAD:
        raise PinfallError(f"at: should be within {_PAST.days} days ago and {_AHEAD.days} ahead")
    return at.astimezone(UTC)


def _chain(told: Mapping[str, Any]) -> list[Certificate]:
    value = told.get("chain")
    if value is None:
        return []
    if not isinstance(value, str) or len(value) > PEM:
        raise PinfallError(f"chain: should be PEM, of at most {PEM} characters")
    certificates = []
    for number, pem in enumerate(split_pem(value), 1):
        certificate = read_certificate(pem)
        if certificate is None:
            raise PinfallError(f"chain: number {number} is no certificate in PEM")
        certificates.append(certificate)
    if len(certificates) > WORST_CHAIN:
        raise PinfallError(f"chain: at most {WORST_CHAIN} certificates")
    if facts(certificates[0].der).is_ca and len(certificates) > 1:
        raise PinfallError("chain: begins with an authority; the leaf comes first")
    return certificates


def _note(told: Mapping[str, Any]) -> str:
    note = told.get("note")
    if note is None:
        return ""
    if not isinstance(note, str) or len(note) > NOTE or not note.isprintable():
        raise PinfallError(f"note: should be at most {NOTE} printable characters")
    return note.strip()


def _pin(digest: bytes) -> str:
    return str(Hash("sha256", digest))


def _plain(row: Listed) -> dict[str, Any]:
    r, leaf = row.rotation, declared_leaf(row.rotation)
    return {
        "id": r.id,
        "project": row.project,
        "host": r.host,
        "at": utc(r.at),
        "state": r.state,
        "sources": list(r.sources),
        "planned_at": utc(r.planned_at),
        "declared_at": utc(r.declared_at),
        "declared_by": r.declared_by,
        "probed_at": utc(r.probed_at),
        "observed_at": utc(r.observed_at),
        "ended_at": utc(r.ended_at),
        "old_leaves": sorted(map(_pin, r.old_leaves)),
        "new_leaves": sorted(map(_pin, r.new_leaves)),
        "declared_leaf": None if leaf is None else _pin(leaf),
        "chain": [_certificate(place, each) for place, each in enumerate(r.chain)],
        "note": r.note,
    }


def _certificate(place: int, certificate: Certificate) -> dict[str, Any]:
    known = facts(certificate.der)
    return {
        "role": role(place, certificate),
        "pin": _pin(certificate.spki_sha256),
        "subject": known.subject,
        "not_after": utc(known.not_after),
    }


def _renewal(renewal: Renewal) -> dict[str, Any]:
    return {
        "host": renewal.host,
        "at": utc(renewal.at),
        "leaf": _pin(renewal.leaf),
        "certificate": renewal.certificate.hex(),
        "is_new_certificate": renewal.is_new_certificate,
        "not_after": utc(renewal.not_after),
        "new_issuers": sorted(map(_pin, renewal.new_issuers)),
    }
