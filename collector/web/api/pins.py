"""The registry of pin sets: a pipeline imports what a release ships, an operator removes it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import PinfallError
from collector.intake.keyring import Keyring
from collector.intake.queue import Intake
from collector.model import ProjectId
from collector.pins.keys import read_proofs
from collector.pins.model import LearnedPinSet, ShippedPinSet
from collector.pins.readers import MOST, PinFile, read_file
from collector.pins.readers.own import read_sets
from collector.pins.readers.values import Notes
from collector.pins.release import RELEASE, Release, read_release
from collector.probing.roots import public_certificates
from collector.reports.hosts import read_host
from collector.store import hosts, pin_sets, projects
from collector.store.connect import Connection
from collector.store.pin_sets import Added
from collector.web.access import Who
from collector.web.api import asked
from collector.web.api.change import Changes
from collector.web.api.manage import PATTERNS, named
from collector.web.guard import WHO

_IMPORTED = {"project": True, "sets": False, "file": False, "name": False}
_PEM = 500_000  # characters


@dataclass(frozen=True, slots=True)
class Pins:
    pool: asyncpg.Pool
    keyring: Keyring
    intake: Intake
    changes: Changes

    async def list_pin_sets(self, request: web.Request) -> web.Response:
        """What was registered; and what reports agree on, which only informs."""
        known = {"project": asked.text, "app": asked.text, "host": host, "limit": asked.limit}
        told = asked.query(request, known)
        limit, name = told.get("limit", asked.USUAL), told.get("project")
        async with self.pool.acquire() as connection:
            rows = await pin_sets.listed(
                connection, limit, project=name, app=told.get("app"), host=told.get("host")
            )
            learned: list[LearnedPinSet] = []
            if name is not None:
                project = ProjectId((await projects.one(connection, name))["id"])
                learned = await pin_sets.learned(connection, project, told.get("host"), limit)
        answer = {
            "pin_sets": [asked.plain(row) for row in rows],
            "learned": [_learned(one) for one in learned],
        }
        return web.json_response(answer)

    async def import_pin_sets(self, request: web.Request) -> web.Response:
        """{"project", "sets": [...]} as in docs/pins.md, or {"project", "file": base64, "name"}; with
        "app", "platform", "version_from", "version_to", "starts" for all of them."""
        told = await asked.body(request, {**_IMPORTED, **dict.fromkeys(RELEASE, False)})
        return web.json_response(await self.import_as(request[WHO], told), status=201)

    async def import_as(self, who: Who, told: Mapping[str, Any]) -> dict[str, Any]:
        """Also for the page's form. Raises PinfallError."""
        name = asked.name(told, "project")
        release = read_release(told)
        found = _file(told) if told.get("file") is not None else _sets(told)
        sets = [release.of(one) for one in found.sets]
        results: list[Added] = []
        facts = {field: told[field] for field in RELEASE if told.get(field) is not None}
        async with self.changes.by(who, "pins.imported", name, **facts) as change:
            row = await projects.one(change.connection, name, lock=True)
            project, now = ProjectId(row["id"]), self.changes.clock()
            await pin_sets.hold_room(change.connection, project, len(sets))
            for one in sets:
                results.append(  # noqa: PERF401 (one after the other)
                    await pin_sets.add(change.connection, project, one, now=now, who=who.name)
                )
            added = await self._register(change.connection, row, sets)
            changed = [
                one for one, result in zip(sets, results, strict=True) if result != Added.KNOWN
            ]
            change.is_one = bool(changed or added)
            change.details["hosts"] = sorted({one.host for one in changed})[:100]
            change.details["sets"] = len(changed)
            change.details["registered"] = added[:100]
        if added:
            await self.keyring.refresh()
            await self.intake.learn_hosts()
        return {
            "project": name,
            "pin_sets": [
                {**as_told(one), "result": result}
                for one, result in zip(sets, results, strict=True)
            ],
            "registered": added,
            "warnings": list(found.warnings),
        }

    async def _register(
        self, connection: Connection, row: asyncpg.Record, sets: Sequence[ShippedPinSet]
    ) -> list[str]:
        """Patterns that the project did not have: pinned hosts are its own. Returns the new ones."""
        before = list(row["hosts"])
        wanted = [pattern for one in sets for pattern in _patterns(one)]
        added = [pattern for pattern in asked.patterns({"hosts": wanted}) if pattern not in before]
        if not added:
            return []
        if len(before) + len(added) > PATTERNS:
            raise PinfallError(f"a project has at most {PATTERNS} host patterns")
        project = ProjectId(row["id"])
        await projects.set_hosts(connection, project, [*before, *added])
        await hosts.register(connection, project, named(added), self.changes.clock())
        return added

    async def remove_pin_set(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        text = request.match_info["id"]
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise PinfallError("id: should be the number that the list shows")
        async with self.changes.by(request[WHO], "pins.removed", text) as change:
            gone = await pin_sets.remove(change.connection, int(text))
            change.details.update(asked.plain(gone))
        return web.json_response({"removed": int(text), **asked.plain(gone)})

    async def prove(self, request: web.Request) -> web.Response:
        """{"project", "pem"}: certificates or requests whose keys are pinned: they are there."""
        told = await asked.body(request, {"project": True, "pem": True})
        name, text = asked.name(told, "project"), told["pem"]
        if not isinstance(text, str) or len(text) > _PEM:
            raise PinfallError(f"pem: should be a text of at most {_PEM} characters")
        proofs = read_proofs(text, {root.spki_sha256 for root in public_certificates()})
        answer = []
        async with self.changes.by(request[WHO], "pins.proven", name) as change:
            project = ProjectId((await projects.one(change.connection, name))["id"])
            for proof in proofs:
                is_new = await pin_sets.prove(
                    change.connection,
                    project,
                    proof.pin,
                    how=proof.how,
                    subject=proof.subject,
                    now=self.changes.clock(),
                    who=request[WHO].name,
                )
                answer.append(
                    {
                        "pin": str(proof.pin),
                        "how": proof.how,
                        "subject": proof.subject,
                        "is_new": is_new,
                    }
                )
            change.is_one = any(one["is_new"] for one in answer)
            change.details["pins"] = [one["pin"] for one in answer if one["is_new"]]
        return web.json_response({"project": name, "proven": answer}, status=201)


def host(value: str) -> str:
    """Of a query."""
    try:
        return read_host(asked.text(value))[0]
    except ValueError:
        raise ValueError("should be a host name") from None


def _patterns(one: ShippedPinSet) -> list[str]:
    """What a pin set says are hosts of ours."""
    if not one.pins:
        return []
    return [one.host, f"*.{one.host}"] if one.include_subdomains else [one.host]


def _sets(told: Mapping[str, Any]) -> PinFile:
    if told.get("sets") is None:
        raise PinfallError("say sets, or file")
    if isinstance(told["sets"], list) and len(told["sets"]) > MOST:
        raise PinfallError(f"sets: at most {MOST} at once")
    notes = Notes()
    sets = read_sets(told["sets"], notes, Release())
    if not sets:
        raise PinfallError("sets: should be at least one")
    return PinFile(tuple(sets), tuple(notes.warnings))


def _file(told: Mapping[str, Any]) -> PinFile:
    if told.get("sets") is not None:
        raise PinfallError("say sets or file, not both")
    name = told.get("name", "file")
    if not isinstance(name, str) or not isinstance(told["file"], str):
        raise PinfallError("file: should be base64, and name a text")
    try:
        data = base64.b64decode(told["file"], validate=True)
    except (binascii.Error, ValueError):
        raise PinfallError("file: should be base64") from None
    return read_file(data, name or "file")


def as_told(one: ShippedPinSet) -> dict[str, Any]:
    """A pin set as the API answers it; every field is there."""
    return {
        "host": one.host,
        "pins": sorted(str(pin) for pin in one.pins),
        "include_subdomains": one.include_subdomains,
        "app": one.app,
        "platform": one.platform,
        "version_from": one.version_from,
        "version_to": one.version_to,
    }


def _learned(one: LearnedPinSet) -> dict[str, Any]:
    pins = [str(pin) for pin in one.pins]
    return asked.plain({**asdict(one), "pins": pins})
