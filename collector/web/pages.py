"""The operator's page: what fires, hosts, signatures, the newest violations with their chains."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
from aiohttp import web

from collector.alert import State
from collector.store import alerts, connections, hosts, ledger, projects, signatures, violations
from collector.web import rendering, reported
from collector.web.labels import label_of

_ALERTS, _HOSTS, _SIGNATURES, _VIOLATIONS, _PROJECTS = 15, 30, 20, 15, 20  # of one page
_WHOLE = 3  # violations that are shown with their chains
_LETTERS = 2_000  # of names of hosts, each of which stands in a row's links, too


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
                connection, state=State.FIRING, project=None, host=None, limit=_ALERTS + 1
            )
            listed = await hosts.listed(connection, day, _HOSTS + 1)
            groups = await signatures.newest(connection, _SIGNATURES + 1)
            newest = await violations.newest(connection, _VIOLATIONS + 1)
            told = await reported.shown(connection, newest[:_WHOLE])
            totals = await ledger.totals(connection)
            others = await hosts.others(connection, day)
            rates = await connections.rates(connection, now)
            names = {row["id"]: row["name"] for row in await projects.named(connection)}
        few = _few(listed)
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
                for row in few
            ],
            signatures=[
                {
                    **row,
                    "hex": row["id"].hex(),
                    "issuer_path": json.loads(row["issuer_path"]),
                    "label": label_of(row),
                }
                for row in groups[:_SIGNATURES]
            ],
            alerts=firing[:_ALERTS],
            violations=told,
            older=newest[_WHOLE:_VIOLATIONS],
            totals=dict(sorted(totals.items(), key=lambda row: -sum(row[1].values()))[:_PROJECTS]),
            more={
                "alerts": len(firing) > _ALERTS,
                "hosts": len(listed) > len(few),
                "signatures": len(groups) > _SIGNATURES,
                "violations": len(newest) > _VIOLATIONS,
                "totals": len(totals) > _PROJECTS,
            },
            others=others,
            warning=self.warning(),
            ingest_url=self.ingest_url(),
        )


def _few(listed: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Those that come first, while their names leave the page small."""
    letters, few = 0, list[asyncpg.Record]()
    for row in listed[:_HOSTS]:
        letters += len(row["host"]) + len(row["project"])
        if letters > _LETTERS:
            break
        few.append(row)
    return few
