"""Public keys that we had certified ourselves: a pipeline tells of them, an operator removes them."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import PinfallError
from collector.intake.keyring import Keyring
from collector.model import Certificate, ProjectId
from collector.reports.certificates import facts, read_certificate, split_pem
from collector.reports.pins import parse_pin
from collector.store import own_keys, projects
from collector.store.connect import Connection
from collector.store.own_keys import OwnKey
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.guard import WHO

MOST = 100  # certificates and pins of one request
NOTE = 300  # characters


@dataclass(frozen=True, slots=True)
class Certs:
    pool: asyncpg.Pool
    keyring: Keyring
    changes: Changes

    async def list_certs(self, request: web.Request) -> web.Response:
        """All, or those that count in a project: its own, and those of every project."""
        told = asked.query(request, {"project": asked.text})
        async with self.pool.acquire() as connection:
            project = await _project(connection, told.get("project"))
            rows = await own_keys.listed(connection, project)
        return web.json_response({"certs": [_plain(row) for row in rows]})

    async def add_certs(self, request: web.Request) -> web.Response:
        """{"certificates": [PEM], "pins": ["sha256/…"], "project", "note"}; no project: every one.

        Authorities that come along in a chain are left out: their keys are not ours.
        """
        known = {"certificates": False, "pins": False, "project": False, "note": False}
        told = await asked.body(request, known)
        certificates, pins = _certificates(told), _pins(told)
        if len(certificates) + len(pins) > MOST:
            raise PinfallError(f"at most {MOST} certificates and pins at a time")
        if not certificates and not pins:
            raise PinfallError("say certificates, or pins")
        name = None if told.get("project") is None else asked.name(told, "project")
        note, who = _note(told), request[WHO]
        issuers = _issuers(certificates)
        keys = {
            c.spki_sha256: OwnKey(c.spki_sha256, c.sha256, facts(c.der).subject)
            for c in certificates
            if c not in issuers
        }
        for digest in pins:
            keys.setdefault(digest, OwnKey(digest))
        subject = name or "all projects"
        added = []
        async with self.changes.by(who, "cert.added", subject, note=note) as change:
            project = await _project(change.connection, name)
            await own_keys.hold_room(change.connection, len(keys))
            now = self.changes.clock()
            for key in keys.values():
                is_new = await own_keys.add(
                    change.connection, key, project, note=note, now=now, who=who.name
                )
                if is_new:
                    added.append(key.spki_sha256)
            change.is_one = bool(added)
            change.details["pins"] = [_pin(digest) for digest in added]
        await self.keyring.refresh()
        answer = {
            "certs": [
                {"pin": _pin(key.spki_sha256), "subject": key.subject, "is_new": digest in added}
                for digest, key in keys.items()
            ],
            "issuers": [
                {"pin": _pin(c.spki_sha256), "subject": facts(c.der).subject} for c in issuers
            ],
            "project": name,
        }
        return web.json_response(answer, status=201)

    async def remove_cert(self, request: web.Request) -> web.Response:
        """Of one project, or wherever it is registered."""
        told = asked.query(request, {"project": asked.text})
        digest = _read_pin(request.match_info["pin"], "pin")
        name = told.get("project")
        details = {"pins": [_pin(digest)]}
        subject = name or "all projects"
        async with self.changes.by(request[WHO], "cert.removed", subject, **details) as change:
            project = await _project(change.connection, name)
            gone = await own_keys.remove(change.connection, digest, project)
        await self.keyring.refresh()
        return web.json_response({"removed": _pin(digest), "registrations": gone})


async def _project(connection: Connection, name: str | None) -> ProjectId | None:
    return None if name is None else ProjectId((await projects.one(connection, name))["id"])


def _pin(digest: bytes) -> str:
    return "sha256/" + base64.b64encode(digest).decode()


def _plain(row: asyncpg.Record) -> dict[str, Any]:
    told = asked.plain(row)
    del told["spki_sha256"]
    return {"pin": _pin(row["spki_sha256"]), **told}


def _texts(told: Mapping[str, Any], field: str) -> list[str]:
    values = told.get(field)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise PinfallError(f"{field}: should be a list of texts")
    return values


def _certificates(told: Mapping[str, Any]) -> list[Certificate]:
    """Each once. Raises PinfallError."""
    found: dict[bytes, Certificate] = {}
    texts = [pem for text in _texts(told, "certificates") for pem in split_pem(text)]
    if len(texts) > MOST:
        raise PinfallError(f"at most {MOST} certificates and pins at a time")
    for number, pem in enumerate(texts, 1):
        certificate = read_certificate(pem)
        if certificate is None:
            raise PinfallError(f"certificates: number {number} is no certificate in PEM")
        found[certificate.sha256] = certificate
    return list(found.values())


def _issuers(certificates: list[Certificate]) -> list[Certificate]:
    """Authorities whose names stand in others of them as the issuer."""
    known = [(c, facts(c.der)) for c in certificates]
    wanted = {fact.issuer for _, fact in known if fact.issuer and fact.issuer != fact.subject}
    return [c for c, fact in known if fact.is_ca and fact.subject in wanted]


def _read_pin(text: str, field: str) -> bytes:
    pin = parse_pin(text)
    if pin is None or pin.kind != "sha256":
        raise PinfallError(f"{field}: '{text[:80]}' is no SHA-256 pin, such as sha256/…")
    return pin.digest


def _pins(told: Mapping[str, Any]) -> list[bytes]:
    return [_read_pin(text, "pins") for text in _texts(told, "pins")]


def _note(told: Mapping[str, Any]) -> str:
    note = told.get("note")
    if note is None:
        return ""
    if not isinstance(note, str) or len(note) > NOTE or not note.isprintable():
        raise PinfallError(f"note: should be at most {NOTE} printable characters")
    return note.strip()
