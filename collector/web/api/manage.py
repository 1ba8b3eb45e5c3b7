"""Projects, keys, hosts: what a team sets up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import NotFoundError, PinfallError
from collector.intake.keyring import Keyring
from collector.intake.maintain import PROPOSALS, forget_marked
from collector.intake.queue import Intake
from collector.model import ENVIRONMENTS, ProjectId
from collector.reports.hosts import read_pattern
from collector.store import forget, hosts, projects
from collector.store.connect import Connection
from collector.web.access import Role, Who
from collector.web.api import asked, limits
from collector.web.api.change import Changes
from collector.web.guard import WHO

_FORGETTING = 5.0  # seconds that whoever asks waits for a project to be deleted
_MASKED = 6  # characters of a trusted key that everybody may see
PATTERNS = 1000  # of one project


def named(patterns: list[str]) -> list[str]:
    """Those that are hosts, not wildcards."""
    return [pattern for pattern in patterns if not pattern.startswith("*.")]


@dataclass(frozen=True, slots=True)
class Manage:
    pool: asyncpg.Pool
    keyring: Keyring
    intake: Intake
    changes: Changes
    public_url: Callable[[], str]

    # projects

    async def list_projects(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            rows = await projects.listed(connection)
        return web.json_response({"projects": [asked.plain(row) for row in rows]})

    async def add_project(self, request: web.Request) -> web.Response:
        """{"name", "hosts": ["*.example.com"]}"""
        told = await asked.body(request, {"name": True, "hosts": False})
        name, patterns = asked.name(told, "name"), asked.patterns(told)
        async with self.changes.by(request[WHO], "project.added", name, hosts=patterns) as change:
            now = self.changes.clock()
            made = await projects.add(change.connection, name, patterns, now)
            await hosts.register(change.connection, made, named(patterns), now)
        await self._learn()
        return web.json_response({"name": name, "hosts": patterns}, status=201)

    async def set_project(self, request: web.Request) -> web.Response:
        """{"hosts": [...]}: all patterns from here on."""
        told = await asked.body(request, {"hosts": True})
        name, patterns = request.match_info["name"], asked.patterns(told)
        await self._set_hosts(request[WHO], name, lambda _: patterns)
        return web.json_response({"name": name, "hosts": patterns})

    async def forget_project(self, request: web.Request) -> web.Response:
        """The project and all that is stored of it."""
        asked.query(request, {})
        name = request.match_info["name"]
        async with self.changes.by(request[WHO], "project.forgotten", name) as change:
            row = await projects.one(change.connection, name, lock=True)
            await forget.mark(change.connection, ProjectId(row["id"]), self.changes.clock())
        await self._learn()
        # What takes longer is done in the background.
        await forget_marked(self.intake.pool, _FORGETTING)
        return web.json_response({"forgotten": name})

    # hosts

    async def list_hosts(self, request: web.Request) -> web.Response:
        """Registered and admitted hosts, and others that were reported: proposals."""
        told = asked.query(request, {"project": asked.text, "limit": asked.limit})
        limit, project = told.get("limit", asked.USUAL), told.get("project")
        since = (self.changes.clock() - PROPOSALS).date()
        async with self.pool.acquire() as connection:
            known = await hosts.named(connection, limit, project)
            proposed = await hosts.proposed(connection, since, project, limit)
        return web.json_response(
            {
                "hosts": [_host(row) for row in known],
                "proposed": [asked.plain(row) for row in proposed],
            }
        )

    async def add_host(self, request: web.Request) -> web.Response:
        """{"project", "host"}: register a host, or a pattern such as *.example.com."""
        told = await asked.body(request, {"project": True, "host": True})
        project = asked.name(told, "project")
        await self.register(request[WHO], project, told["host"])
        return web.json_response({"project": project, "host": told["host"]}, status=201)

    async def register(self, who: Who, project: str, text: object) -> str:
        """Also for the page's form. Returns the pattern. Raises PinfallError."""
        (pattern,) = asked.patterns({"host": [text]}, "host")
        await self._set_hosts(
            who, project, lambda known: known if pattern in known else [*known, pattern]
        )
        return pattern

    async def remove_host(self, request: web.Request) -> web.Response:
        asked.query(request, {})
        project, text = request.match_info["project"], request.match_info["host"]
        try:
            pattern = read_pattern(text)
        except ValueError as error:
            raise PinfallError(f"'{text[:80]}': {error}") from None

        def without(known: list[str]) -> list[str]:
            if pattern not in known:
                raise NotFoundError(f"'{pattern}' is not registered in '{project}'")
            return [entry for entry in known if entry != pattern]

        await self._set_hosts(request[WHO], project, without)
        return web.json_response({"project": project, "removed": pattern})

    async def _set_hosts(
        self, who: Who, project: str, change: Callable[[list[str]], list[str]]
    ) -> None:
        async with self.changes.by(who, "project.hosts_set", project) as made:
            row = await projects.one(made.connection, project, lock=True)
            before = list(row["hosts"])
            after = change(before)
            if len(after) > PATTERNS:
                raise PinfallError(f"a project has at most {PATTERNS} host patterns")
            made.is_one = after != before
            made.details["added"] = sorted({*after} - {*before})
            made.details["removed"] = sorted({*before} - {*after})
            await self._write_hosts(made.connection, row, after)
        await self._learn()

    async def _write_hosts(
        self, connection: Connection, row: asyncpg.Record, patterns: list[str]
    ) -> None:
        project = ProjectId(row["id"])
        gone = {*named(list(row["hosts"]))} - {*patterns}
        await projects.set_hosts(connection, project, patterns)
        await hosts.unregister(connection, project, sorted(gone))
        await hosts.register(connection, project, named(patterns), self.changes.clock())

    # keys

    async def list_keys(self, request: web.Request) -> web.Response:
        """Whoever is no operator sees the beginning of a trusted key only: it is a secret."""
        asked.query(request, {})
        async with self.pool.acquire() as connection:
            rows = await projects.keys(connection)
        whole = request[WHO].role.may(Role.OPERATOR)
        return web.json_response(
            {"keys": [{**asked.plain(row), "key": masked(row, whole=whole)} for row in rows]}
        )

    async def add_key(self, request: web.Request) -> web.Response:
        """{"project", "app", "environment", "trusted", "quota", "origins"}"""
        told = await asked.body(
            request,
            {
                "project": True,
                "app": True,
                "environment": False,
                "trusted": False,
                "quota": False,
                "origins": False,
            },
        )
        environment = told.get("environment", ENVIRONMENTS[0])
        if environment not in ENVIRONMENTS:
            raise PinfallError("environment: should be " + ", ".join(ENVIRONMENTS))
        trusted = asked.boolean(told, "trusted")
        project, app = asked.name(told, "project"), asked.name(told, "app")
        facts: dict[str, Any] = {
            "app": app,
            "environment": environment,
            "trusted": trusted,
            "quota": limits.quota(told),
            "origins": limits.origins(told),
        }
        async with self.changes.by(request[WHO], "key.added", project, **facts) as change:
            key = await projects.add_key(
                change.connection, project, now=self.changes.clock(), **facts
            )
        await self.keyring.refresh()
        url = f"{self.public_url()}/r/{key}"
        told = {"key": key, "ingest_url": url, "project": project, **facts}
        return web.json_response(told, status=201)

    async def set_key(self, request: web.Request) -> web.Response:
        """{"quota", "origins"}: all of it from here on; what is not named stays, null takes it off."""
        told = await asked.body(request, {"quota": False, "origins": False})
        if not told:
            raise PinfallError("say quota, or origins")
        wanted: dict[str, Any] = {}
        if "quota" in told:
            wanted["quota"] = limits.quota(told)
        if "origins" in told:
            wanted["origins"] = limits.origins(told)
        key = request.match_info["key"]
        async with self.changes.by(request[WHO], "key.set", key[:_MASKED]) as change:
            before = dict(await projects.limits(change.connection, key))
            after = {**before, **wanted}
            change.is_one = after != before
            change.details.update(wanted)
            await projects.set_limits(change.connection, key, **after)
        await self.keyring.refresh()
        return web.json_response(after)

    async def disable_key(self, request: web.Request) -> web.Response:
        return await self._turn(request, on=False)

    async def enable_key(self, request: web.Request) -> web.Response:
        return await self._turn(request, on=True)

    async def _turn(self, request: web.Request, *, on: bool) -> web.Response:
        await asked.body(request, {})
        key = request.match_info["key"]
        action = "key.enabled" if on else "key.disabled"
        async with self.changes.by(request[WHO], action, key[:_MASKED]) as change:
            change.is_one = await projects.turn_key(
                change.connection, key, self.changes.clock(), on=on
            )
        await self.keyring.refresh()
        return web.json_response({"disabled": not on})

    async def _learn(self) -> None:
        """Other processes hear of it within seconds; this one at once."""
        await self.keyring.refresh()
        await self.intake.learn_hosts()


def _host(row: asyncpg.Record) -> dict[str, Any]:
    told = asked.plain(row)
    told["state"] = "registered" if told.pop("registered") else "admitted"
    return told


def masked(row: asyncpg.Record, *, whole: bool) -> str:
    """A key as it is shown; ``whole``: to operators."""
    key: str = row["key"]
    return f"{key[:_MASKED]}…" if row["trusted"] and not whole else key
