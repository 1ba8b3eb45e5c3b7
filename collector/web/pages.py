"""The operator's page: what fires, hosts, signatures, the newest violations with their chains."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
from aiohttp import web

from collector.alert import State
from collector.store import alerts, connections, hosts, ledger, projects, signatures, violations
from collector.web import rendering, reported
from collector.web.labels import label_of

_ALERTS, _HOSTS, _SIGNATURES, _VIOLATIONS = 50, 100, 50, 50


@dataclass(frozen=True, slots=True)
class Pages:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    warning: Callable[[], str | None]
    ingest_url: Callable[[], str | None]

    async def overview(self, request: web.Request) -> web.Response:
        now = self.clock()
        day = now - timedelta(days=1)
        async with self.pool.acquire() as connection:
            firing = await alerts.listed(
                connection, state=State.FIRING, project=None, host=None, limit=_ALERTS
            )
            listed = await hosts.listed(connection, day, _HOSTS)
            groups = await signatures.newest(connection, _SIGNATURES)
            newest = await violations.newest(connection, _VIOLATIONS)
            told = await reported.shown(connection, newest)
            totals = await ledger.totals(connection)
            others = await hosts.others(connection, day)
            rates = await connections.rates(connection, now)
            names = {row["id"]: row["name"] for row in await projects.named(connection)}
        ratios = {(names.get(r.project), r.host, r.trusted): r for r in rates}
        return rendering.page(
            request,
            "overview.html",
            now,
            day=day,
            meaning=reported.MEANING,
            hosts=[
                {
                    **row,
                    "rates": [
                        rate
                        for trusted in (True, False)
                        if (rate := ratios.get((row["project"], row["host"], trusted)))
                    ],
                }
                for row in listed
            ],
            signatures=[
                {
                    **row,
                    "hex": row["id"].hex(),
                    "issuer_path": json.loads(row["issuer_path"]),
                    "label": label_of(row),
                }
                for row in groups
            ],
            alerts=firing,
            violations=told,
            totals=totals,
            others=others,
            warning=self.warning(),
            ingest_url=self.ingest_url(),
        )
