"""Lint of registered pin sets, beside what the hosts served and which backup keys are proven."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.model import ProjectId
from collector.pins.covering import covering
from collector.pins.findings import Finding, releases
from collector.pins.known import Known
from collector.pins.lint import lint
from collector.pins.model import ShippedPinSet
from collector.pins.uris import uri_host
from collector.probing.roots import public_certificates
from collector.reports.line import utc
from collector.store import pin_sets, projects
from collector.store.connect import Connection
from collector.store.served import of_host
from collector.web.api import asked
from collector.web.api.pins import host

MOST = 1000  # pin sets of one look
_HOSTS = 200  # whose chains are looked at
_CHAINS = 50  # of a host, those seen last


@dataclass(frozen=True, slots=True)
class PinLint:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]

    async def lint(self, request: web.Request) -> web.Response:
        """Of a project, or of what counts for one of its hosts; the worst first."""
        told = asked.query(request, {"project": asked.text, "host": host})
        findings, count = await self.found(told.get("project"), told.get("host"))
        return web.json_response({"findings": findings, "pin_sets": count})

    async def found(
        self, name: str | None, one_host: str | None
    ) -> tuple[list[dict[str, Any]], int]:
        """(findings as JSON says them, pin sets that were looked at). Raises PinfallError."""
        findings: list[dict[str, Any]] = []
        count = 0
        async with self.pool.acquire() as connection:
            rows = (
                [await projects.one(connection, name)] if name else await projects.named(connection)
            )
            for row in rows:
                sets = await self._sets(connection, ProjectId(row["id"]), one_host)
                sets = sets[: MOST - count]
                count += len(sets)
                known = await self._known(connection, ProjectId(row["id"]), sets, one_host)
                found = await asyncio.to_thread(lint, sets, self.clock(), known)
                findings += [{"project": row["name"], **plain(finding)} for finding in found]
        return findings, count

    async def _sets(
        self, connection: Connection, project: ProjectId, one_host: str | None
    ) -> list[ShippedPinSet]:
        sets = await pin_sets.of_project(connection, project)
        return sets if one_host is None else covering(sets, one_host)

    async def _known(
        self,
        connection: Connection,
        project: ProjectId,
        sets: Sequence[ShippedPinSet],
        one_host: str | None,
    ) -> Known:
        hosts = (
            {one_host} if one_host else {one.host for one in sets if not one.host.startswith("*.")}
        )
        reporting = {uri_host(uri) for one in sets for uri in one.report_uris}
        hosts |= {told for told in reporting if told is not None}
        served = [
            chain
            for name in sorted(hosts)[:_HOSTS]
            for chain in await of_host(connection, name, limit=_CHAINS)
        ]
        return Known(served, public_certificates(), await pin_sets.proven(connection, project))


def plain(finding: Finding) -> dict[str, Any]:
    """A finding as JSON says it."""
    one = finding.shipped
    return {
        "code": finding.code,
        "severity": finding.severity,
        "host": one.host,
        "releases": releases(one),
        "reason": finding.reason,
        "advice": finding.advice,
        "pins": [str(pin) for pin in finding.pins],
        "app": one.app,
        "platform": one.platform,
        "version_from": one.version_from,
        "version_to": one.version_to,
        "expires": utc(one.expires) if one.expires else None,
        "source": one.source,
    }
