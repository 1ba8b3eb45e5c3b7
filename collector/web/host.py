"""A host's page: what fails and since when, what is served, who pins what, who is affected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from aiohttp import web

from collector.detect.served import Rotation, ServedChain
from collector.errors import NotFoundError
from collector.model import ProjectId
from collector.pins.model import ShippedPinSet, matches
from collector.reports.certificates import role
from collector.store import alerts, pin_sets, rotations, served, signatures, silences, timeline
from collector.store.connect import Connection
from collector.web import rendering, silenced
from collector.web.access import Role
from collector.web.api.alerts import NOTE
from collector.web.charts import Mark, Span, bars
from collector.web.guard import WHO
from collector.web.labels import label_of
from collector.web.ladder import ladder
from collector.web.situation import NOW

_DAYS = {"1": 1, "7": 7, "30": 30}
_SERVED, _SIGNATURES, _ROTATIONS, _SETS, _SILENCES = 6, 30, 20, 30, 20
_HOUR = timedelta(hours=1)
_STEPS = {1: _HOUR, 7: 3 * _HOUR, 30: 12 * _HOUR}  # by days: a chart has at most 60
_COLOURS = 5
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
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
        step = _STEPS[days]
        until = _EPOCH + ((now - _EPOCH) // step + 1) * step
        since = until - timedelta(days=days)
        async with self.pool.acquire() as connection:
            found = await connection.fetchrow(_HOST, project, host)
            if found is None:
                raise NotFoundError(f"no host {host} in project {project}")
            facts = await self._facts(
                connection, ProjectId(found["project"]), host, since, until, now, step
            )
            quiet = await silences.listed(connection, now)
        return rendering.page(
            request, "host.html", now, project=project, host=host, days=days, since=since,
            registered=bool(found["registered"]), third_party=bool(found["third_party"]),
            silences=silenced.at_host(quiet, project, host)[:_SILENCES], lengths=silenced.LENGTHS,
            most=NOTE, operates=request[WHO].role.may(Role.OPERATOR), **facts,
        )  # fmt: skip

    async def _facts(
        self, connection: Connection, project: ProjectId, host: str, since: datetime, until: datetime,
        now: datetime, step: timedelta,
    ) -> dict[str, Any]:  # fmt: skip
        counted = await timeline.by_cause(connection, project, host, since, until)
        turns = [
            turn
            for turn in await rotations.of_host(connection, host, since - timedelta(days=365))
            if turn.project in (None, project)
        ]
        fired = await alerts.of_host(connection, project, host, since)
        chains = await served.of_host(connection, host, limit=_SERVED)
        current = [one for one in chains if one.last_seen > now - NOW]
        sets = await pin_sets.of_host(connection, project, host)
        day = now - timedelta(days=1)
        causes, chart = _chart(counted, since, until, step, turns, fired)
        return {
            "alerts": [row for row in fired if row["state"] == "firing"],
            "causes": causes,
            "chart": chart,
            "day": day,
            "looked": timeline.MOST,
            "reach": await timeline.reach(connection, project, host, day),
            "served": _served(chains, sets, now),
            "rotations": turns[:_ROTATIONS],
            "pin_sets": [_set(one, current, now) for one in sets[:_SETS]],
            "more_sets": max(0, len(sets) - _SETS),
            "versions": await timeline.shares(connection, project, host, day, "app_version"),
            "platforms": await timeline.shares(connection, project, host, day, "platform"),
            "networks": await timeline.networks(connection, project, host, day),
            "signatures": [
                {**row, "hex": row["id"].hex(), "label": label_of(row)}
                for row in await signatures.of_host(connection, project, host, _SIGNATURES)
            ],
        }


def _chart(
    counted: Sequence[asyncpg.Record],
    since: datetime,
    until: datetime,
    step: timedelta,
    turns: Sequence[Rotation],
    fired: Sequence[asyncpg.Record],
) -> tuple[dict[str, int], str]:
    """Sums by cause, most first, and the chart of them; of causes beyond _COLOURS together."""
    sums: Counter[str] = Counter()
    for row in counted:
        sums[row["label"]] += row["violations"]
    steps = round((until - since) / step)
    coloured = [label for label, _ in sums.most_common(_COLOURS)]
    series = {label: [0] * steps for label in coloured}
    for row in counted:
        place = int((row["at"] - since) / step)
        if 0 <= place < steps:
            series.setdefault(
                row["label"] if row["label"] in coloured else _OTHER, [0] * steps
            )[place] += row["violations"]  # fmt: skip
    marks = [Mark(turn.at, f"rotation, {turn.sources[0]}") for turn in turns if turn.sources]
    spans = [Span(row["started_at"], row["ended_at"], row["kind"]) for row in fired]
    shown = {label.replace("_", " "): values for label, values in series.items()}
    chart = bars("Violations by cause", since, step, shown, marks, spans)
    return dict(sums.most_common()), chart


def _served(
    chains: Sequence[ServedChain], sets: Sequence[ShippedPinSet], now: datetime
) -> list[dict[str, Any]]:
    pins = {str(pin) for one in sets for pin in one.pins}
    return [
        {
            "port": one.port, "key_type": one.key_type, "trusted": one.trusted, "problem": one.problem,
            "first_seen": one.first_seen, "last_seen": one.last_seen,
            "is_now": one.last_seen > now - NOW, "places": ladder(one.chain, pins),
        }
        for one in chains
    ]  # fmt: skip


def _set(one: ShippedPinSet, current: Sequence[ServedChain], now: datetime) -> dict[str, Any]:
    """state: how it stands to every chain that is served now. by: what it accepts them by; refused:
    the kinds of keys whose chains it refuses."""
    found = {chain: matches(one.pins, chain.chain) for chain in current}
    by = [f"{role(m.place, c.chain[m.place])} {m.pin}" for c, some in found.items() for m in some]
    if not one.pins:
        state = "none"  # taken out of what is pinned above it
    elif not one.pins_at(now):
        state = "lapsed"
    elif not current:
        state = "unknown"
    else:
        state = "accepts" if all(found.values()) else "refuses"
    first, last = one.version_from, one.version_to
    versions = f"{first or 'first'} to {last or 'newest'}" if first or last else "all"
    return {
        "app": one.app, "platform": one.platform, "versions": first if first and first == last else versions,
        "state": state, "by": list(dict.fromkeys(by)), "enforced": one.enforced, "expires": one.expires,
        "refused": [c.key_type or "a key of unknown kind" for c, some in found.items() if not some],
        "pins": [str(pin) for pin in one.pins],
    }  # fmt: skip
