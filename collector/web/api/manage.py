"""/api/v1: what the command line says to a running collector."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
import structlog
from aiohttp import web

from collector.errors import PinfallError
from collector.intake.keyring import Keyring
from collector.metrics import UNKNOWN
from collector.reports.hosts import read_pattern
from collector.reports.line import utc
from collector.store import ledger, projects

log = structlog.get_logger()
ENVIRONMENTS = ("production", "staging", "debug")
_NAME = 64


@dataclass(frozen=True, slots=True)
class Api:
    pool: asyncpg.Pool
    keyring: Keyring
    clock: Callable[[], datetime]
    public_url: Callable[[], str]

    async def list_projects(self, _request: web.Request) -> web.Response:
        async with self.pool.acquire() as connection:
            rows = await projects.listed(connection)
        return web.json_response({"projects": [_plain(row) for row in rows]})

    async def add_project(self, request: web.Request) -> web.Response:
        """{"name", "hosts": ["*.example.com"]}"""
        told = await _object(request)
        name = _name(told, "name")
        hosts = told.get("hosts", [])
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise PinfallError("hosts: should be a list of texts")
        patterns = []
        for host in hosts:
            try:
                patterns.append(read_pattern(host))
            except ValueError as error:
                raise PinfallError(f"hosts: '{host[:80]}': {error}") from error
        async with self.pool.acquire() as connection:
            await projects.add(connection, name, patterns, self.clock())
        log.info("project.added", project=name)
        return web.json_response({"name": name, "hosts": patterns}, status=201)

    async def list_keys(self, _request: web.Request) -> web.Response:
        async with self.pool.acquire() as connection:
            rows = await projects.keys(connection)
        return web.json_response({"keys": [_plain(row) for row in rows]})

    async def add_key(self, request: web.Request) -> web.Response:
        """{"project", "app", "environment", "trusted"}"""
        told = await _object(request)
        environment = told.get("environment", "production")
        if environment not in ENVIRONMENTS:
            raise PinfallError("environment: should be " + ", ".join(ENVIRONMENTS))
        trusted = told.get("trusted", False)
        if not isinstance(trusted, bool):
            raise PinfallError("trusted: should be true or false")
        project, app = _name(told, "project"), _name(told, "app")
        async with self.pool.acquire() as connection:
            key = await projects.add_key(
                connection,
                project,
                app=app,
                environment=environment,
                trusted=trusted,
                now=self.clock(),
            )
        await self.keyring.refresh()
        log.info("key.added", key=key[:6], project=project, app=app, environment=environment)
        return web.json_response(
            {
                "key": key,
                "ingest_url": f"{self.public_url()}/r/{key}",
                "project": project,
                "app": app,
                "environment": environment,
                "trusted": trusted,
            },
            status=201,
        )

    async def disable_key(self, request: web.Request) -> web.Response:
        async with self.pool.acquire() as connection:
            await projects.disable_key(connection, request.match_info["key"], self.clock())
        await self.keyring.refresh()
        log.info("key.disabled", key=request.match_info["key"][:6])
        return web.json_response({"disabled": True})

    async def totals(self, _request: web.Request) -> web.Response:
        """Items by project and result, of all time: received = the sum of the others."""
        async with self.pool.acquire() as connection:
            told = await ledger.totals(connection)
        return web.json_response({"projects": told})


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        told = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise PinfallError("the body is not JSON") from error
    if not isinstance(told, dict):
        raise PinfallError("the body is not a JSON object")
    return told


def _name(told: dict[str, Any], field: str) -> str:
    value = told.get(field)
    if not isinstance(value, str) or not value.strip():
        raise PinfallError(f"{field}: should be a text")
    value = value.strip()
    if value == UNKNOWN:
        raise PinfallError(f"{field}: '{value}' stands for keys that are not known")
    if len(value) > _NAME or not value.isprintable():
        raise PinfallError(f"{field}: should be at most {_NAME} printable characters")
    return value


def _plain(row: asyncpg.Record) -> dict[str, object]:
    return {
        name: utc(value) if isinstance(value, datetime) else value for name, value in row.items()
    }
