"""A host's page: what fails and since when, what is served, who pins what, who is affected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.served import Rotation, ServedChain
from collector.errors import NotFoundError
from collector.model import ProjectId
from collector.pins.model import ShippedPinSet, matches
from collector.reports.certificates import role
from collector.store import alerts, pin_sets, rotations, served, signatures, timeline
from collector.store.connect import Connection
from collector.web import rendering
from collector.web.charts import SERIES, Mark, Span, bars
from collector.web.ladder import ladder

_DAYS = {"1": 1, "7": 7, "30": 30}
_SERVED, _SIGNATURES, _ROTATIONS = 8, 50, 20
_HOUR = timedelta(hours=1)
_OTHER = "other"  # what has no colour of its own

_HOST = """
SELECT p.id AS project, h.registered, h.third_party FROM project p
LEFT JOIN host h ON h.project = p.id AND h.name = $2
WHERE p.name = $1 AND p.forgotten_at IS NULL
    AND (h.name IS NOT NULL OR EXISTS (SELECT FROM signature s WHERE s.project = p.id AND s.host = $2))
"""


@dataclass(frozen=True, slots=True)
class HostPage:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]

    async def show(self, request: web.Request) -> web.Response:
        project, host = request.match_info["project"], request.match_info["host"].lower()
        days = _DAYS.get(request.query.get("days", "7"), 7)
        now = self.clock()
        until = now.replace(minute=0, second=0, microsecond=0) + _HOUR
        since = until - timedelta(days=days)
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(_HOST, project, host)
            if found is None:
                raise NotFoundError(f"no host {host} in project {project}")
            facts = await self._facts(
                connection, ProjectId(found["project"]), host, since, until, now
            )
        return rendering.page(
            request, "host.html", now, project=project, host=host, days=days, since=since,
            registered=bool(found["registered"]), third_party=bool(found["third_party"]), **facts,
        )  # fmt: skip

    async def _facts(
        self, connection: Connection, project: ProjectId, host: str, since: datetime, until: datetime,
        now: datetime,
    ) -> dict[str, Any]:  # fmt: skip
        counted = await timeline.by_cause(connection, project, host, since, until)
        turns = await rotations.of_host(connection, host, since - timedelta(days=365))
        fired = await alerts.of_host(connection, project, host, since)
        chains = (await served.of_host(connection, host))[:_SERVED]
        sets = await pin_sets.of_host(connection, project, host)
        day = now - timedelta(days=1)
        causes, chart = _chart(counted, since, until, turns, fired)
        return {
            "alerts": [row for row in fired if row["state"] == "firing"],
            "causes": causes,
            "chart": chart,
            "reach": await timeline.reach(connection, project, host, day),
            "served": _served(chains, sets),
            "rotations": turns[:_ROTATIONS],
            "pin_sets": [_set(one, chains[:1]) for one in sets],
            "versions": await timeline.shares(connection, project, host, day, "app_version"),
            "platforms": await timeline.shares(connection, project, host, day, "platform"),
            "networks": await timeline.networks(connection, project, host, day),
            "signatures": [
                {**row, "hex": row["id"].hex(), "label": _label(row)}
                for row in await signatures.of_host(connection, project, host, _SIGNATURES)
            ],
        }


def _label(row: asyncpg.Record) -> str:
    if row["relabelled"]:
        return str(row["relabelled"])
    told = json.loads(row["cause"]) if row["cause"] else {}
    return str(told.get("label", timeline.NO_CAUSE))


def _chart(
    counted: Sequence[asyncpg.Record],
    since: datetime,
    until: datetime,
    turns: Sequence[Rotation],
    fired: Sequence[asyncpg.Record],
) -> tuple[dict[str, int], str]:
    """Sums by cause, most first, and the chart of them: by the hour, of a month by six hours."""
    sums: Counter[str] = Counter()
    for row in counted:
        sums[row["label"]] += row["violations"]
    step = _HOUR if until - since <= timedelta(days=8) else 6 * _HOUR
    steps = round((until - since) / step)
    coloured = [label for label, _ in sums.most_common(SERIES - 1)]
    series = {label: [0] * steps for label in coloured}
    for row in counted:
        place = int((row["at"] - since) / step)
        if 0 <= place < steps:
            series.setdefault(
                row["label"] if row["label"] in coloured else _OTHER, [0] * steps
            )[place] += row["violations"]  # fmt: skip
    marks = [Mark(turn.at, f"rotation ({', '.join(turn.sources)})") for turn in turns]
    spans = [Span(row["started_at"], row["ended_at"], row["kind"]) for row in fired]
    shown = {label.replace("_", " "): values for label, values in series.items()}
    chart = bars("Violations by cause", since, step, shown, marks, spans)
    return dict(sums.most_common()), chart


def _served(chains: Sequence[ServedChain], sets: Sequence[ShippedPinSet]) -> list[dict[str, Any]]:
    pins = {str(pin) for one in sets for pin in one.pins}
    return [
        {
            "port": one.port, "key_type": one.key_type, "trusted": one.trusted, "problem": one.problem,
            "first_seen": one.first_seen, "last_seen": one.last_seen, "places": ladder(one.chain, pins),
        }
        for one in chains
    ]  # fmt: skip


def _set(one: ShippedPinSet, now: Sequence[ServedChain]) -> dict[str, Any]:
    """accepts None: what is served is not known; empty: it breaks."""
    accepts = None
    if now:
        chain = now[0].chain
        accepts = [f"{role(m.place, chain[m.place])} {m.pin}" for m in matches(one.pins, chain)]
    first, last = one.version_from, one.version_to
    versions = f"{first or 'first'} to {last or 'newest'}" if first or last else "all"
    return {
        "app": one.app, "platform": one.platform, "versions": first if first and first == last else versions,
        "accepts": accepts, "enforced": one.enforced, "expires": one.expires,
        "pins": [str(pin) for pin in one.pins],
    }  # fmt: skip
