"""The watcher: of all replicas one looks at every host, each minute, and writes down what it finds.

A look: take in what people did about alerts; read counts and what is known of hosts; judge each host that
has something to judge; bring its alerts up to what was found; then store alerts, deliveries and memory in
one transaction, which carries the epoch of the lease. So a crash repeats a look and never skips one, and who
slept through the end of its lease changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import structlog

from collector import lifecycle
from collector.alert import Event
from collector.detect import standing
from collector.detect.baseline import HOURS
from collector.detect.finding import NOTHING, Finding
from collector.detect.kinds import AlertKind, Severity
from collector.detect.spike import forged
from collector.lifecycle import AlertState, Stage
from collector.metrics import Metrics
from collector.notify.announce import announce
from collector.notify.chosen import ChannelConfig
from collector.store import (
    alert_orders,
    alerts,
    detector_states,
    incidents,
    lease,
    minutes,
    silences,
)
from collector.store.alert_orders import Order, What
from collector.store.connect import Connection
from collector.store.detector_states import Remembered
from collector.watch import rules
from collector.watch.knowing import World, minute, world
from collector.watch.rules import Found
from collector.watch.telling import Around, Place, around, compose
from collector.watch.watched import SELF, UNKNOWN, Counts, Watched, grouped, kept_of

log = structlog.get_logger()

_BACK = timedelta(hours=26)  # of which minutes are read
_SAVE = 10  # minutes between two states of a host where nothing happens
_SOME = 100  # hosts that are judged before others get their turn
_ON_CALL = {
    lifecycle.Event.FIRED: Event.FIRED, lifecycle.Event.REOPENED: Event.FIRED,
    lifecycle.Event.AGAIN: Event.FIRED, lifecycle.Event.WORSENED: Event.BECAME_PAGE,
    lifecycle.Event.CAUSE_CHANGED: Event.CAUSE_CHANGED, lifecycle.Event.RESOLVED: Event.RESOLVED,
    lifecycle.Event.FORGED: Event.RESOLVED, lifecycle.Event.ACKNOWLEDGED: Event.ACKNOWLEDGED,
}  # fmt: skip
_NEWS = frozenset({lifecycle.Event.AGAIN, lifecycle.Event.REOPENED})
_GIVEN = {
    What.RESOLVE: False, What.FORGED: True,
}  # fmt: skip


@dataclass(slots=True)
class Watcher:
    """``pages``: URL of the operator's pages; ``runbooks``: URLs by kind of alert, of pinfall.toml.
    ``one_address``: what the listener warns of, if it does."""

    pool: asyncpg.Pool
    metrics: Metrics
    clock: Callable[[], datetime]
    channels: Sequence[ChannelConfig] = ()
    pages: str | None = None
    runbooks: Mapping[str, str] = field(default_factory=dict)
    one_address: Callable[[], str | None] = lambda: None
    _epoch: int | None = None
    _hosts: dict[tuple[int, str], Watched] = field(default_factory=dict)
    _mark: tuple[int, int] | None = None
    _seen: dict[tuple[int, str], int] = field(
        default_factory=dict
    )  # installs of each host, as last judged
    _shed: tuple[datetime, dict[int, int]] | None = None

    async def look(self, epoch: int) -> bool:
        """By the holder of the lease, every few seconds. Whether hosts were judged: each minute, and
        as soon as something new was counted.

        Raises StaleEpochError, and what asyncpg raises; then the next look begins anew.
        """
        now = self.clock()
        try:
            if epoch != self._epoch:
                await self._begin(now)
                self._epoch = epoch
            await self._take_orders(epoch, now)
            async with self.pool.acquire() as connection:
                mark = (minute(now), await minutes.newest(connection))
            if mark == self._mark:
                return False
            await self._judge_all(
                epoch, now, is_minute=self._mark is None or self._mark[0] != mark[0]
            )
            self._mark = mark
        except BaseException:
            self._epoch, self._mark = None, None  # what is in memory may be ahead of what is stored
            raise
        return True

    async def _begin(self, now: datetime) -> None:
        """Remember what was stored, and learn what is usual from counts."""
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        async with self.pool.acquire() as connection:
            rows = await minutes.hosts(connection)
            remembered = {(r.project, r.host): r for r in await detector_states.load(connection)}
            counted = await minutes.by_hour(connection, now - timedelta(hours=HOURS), this_hour)
        hours: dict[tuple[int, str], dict[str, dict[int, int]]] = {}
        for row in counted:
            place = hours.setdefault((row["project"], row["host"]), {})
            stream = place.setdefault(row["class"], {})
            stream[row["hour"]] = stream.get(row["hour"], 0) + row["installs"]
        self._hosts = {}
        for n, row in enumerate(rows):
            key = row["project"], row["host"]
            told = remembered.get(key)
            watched = Watched(
                *key[:1], row["project_name"], key[1], kept_of(told.state if told else None)
            )
            first = int(row["admitted_at"].timestamp() // 3600)
            if key in hours:
                first = min(first, *(min(stream) for stream in hours[key].values() if stream))
            watched.first_hour, watched.hours = first, hours.get(key, {})
            self._hosts[key] = watched
            if n % _SOME == 0:
                await asyncio.sleep(0)
        log.info("watcher.began", hosts=len(self._hosts))

    async def _keep_hosts(self, connection: Connection) -> None:
        """Watch those that were admitted since; forget those that were released."""
        rows = {(row["project"], row["host"]): row for row in await minutes.hosts(connection)}
        for key in [key for key in self._hosts if key not in rows]:
            if not any(
                s.stage is not Stage.RESOLVED for _, s in self._hosts[key].kept.alerts.values()
            ):
                del self._hosts[key]
        for key, row in rows.items():
            if key not in self._hosts:
                watched = Watched(key[0], row["project_name"], key[1], kept_of(None))
                watched.first_hour = int(row["admitted_at"].timestamp() // 3600)
                self._hosts[key] = watched

    async def _judge_all(self, epoch: int, now: datetime, *, is_minute: bool) -> None:
        """Each minute all hosts, in between those of which something was counted."""
        async with self.pool.acquire() as connection:
            await self._keep_hosts(connection)
            counts = grouped(
                await minutes.by_minute(connection, now - _BACK, now + timedelta(minutes=1))
            )
            known = await world(connection, {host for _, host in self._hosts}, now)
            suspected = await incidents.labelled(connection, now - timedelta(days=1), rules.SUSPECT)
            muted = await silences.active(connection, now)
            lost = await self._lost(connection, now)
        due: list[Watched] = []
        for n, watched in enumerate(list(self._hosts.values())):
            if n % _SOME == _SOME - 1:
                await asyncio.sleep(0)
            told = counts.get(watched.place, {})
            seen = sum(sum(o.values()) for minutes_ in told.values() for o in minutes_.values())
            if not is_minute and self._seen.get(watched.place, 0) == seen:
                continue
            self._seen[watched.place] = seen
            found, judged = await self._judge(watched, told, known, suspected, now)
            found += self._collector(watched, lost, now)
            changed = await self._settle(watched, found, muted, epoch, now)
            stale = minute(now) - watched.saved_at >= _SAVE
            if judged and not changed and (stale or watched.is_open()):
                due.append(watched)
        await self._save(due, epoch, now)
        self._tell()

    async def _judge(
        self, watched: Watched, counts: Counts, known: World,
        suspected: set[tuple[int, str]], now: datetime,
    ) -> tuple[list[Found], bool]:  # fmt: skip
        """What all rules find at a host; whether its counts were judged."""
        place = Place(watched.project, watched.project_name, watched.host)
        found = rules.standing_rules(place, known, now)
        judged = bool(counts or watched.hours or watched.memories or watched.kept.spikes)
        if judged:
            found += await self._spikes(watched, place, counts, known, now)
        if watched.place in suspected or _fires(watched, rules.SUSPECT_KINDS):
            async with self.pool.acquire() as connection:
                found += await rules.suspects(connection, place, known, now)
        return found, judged

    async def _spikes(
        self, watched: Watched, place: Place, counts: Counts, known: World, now: datetime
    ) -> list[Found]:
        if not watched.memories:
            watched.learn(watched.hours, watched.first_hour, minute(now))
        tells_chains = bool(
            counts.get(SELF) or counts.get("interception") or watched.hours.get(SELF)
        )
        facts = known.facts(watched.project, watched.host, tells_chains)
        own = SELF if tells_chains or not counts.get(UNKNOWN) else UNKNOWN
        state = watched.kept.spikes[own]
        opened = state.incident.opened if state.incident else None
        verdicts = watched.look(
            counts, facts, minute(now), known.known(watched.project, watched.host, opened, now)
        )
        found = [
            rules.beside(stream, verdict)
            for stream, verdict in verdicts.items()
            if stream not in (SELF, own)
        ]
        verdict = verdicts[own]
        told = Around()
        state = watched.kept.spikes[own]
        if verdict.severity is not None:
            since = datetime.fromtimestamp(
                60 * min(state.incident.opened - 30 if state.incident else minute(now),
                         verdict.tau or 10**9), UTC)  # fmt: skip
            async with self.pool.acquire() as connection:
                told = await around(
                    connection, place, own, max(since, now - timedelta(days=7)), now
                )
        found.append(rules.own_spike(watched, verdict, told, known, now, chains=own == SELF))
        watched.remember(counts, minute(now))
        days = watched.days(counts, minute(now))
        found.append(Found(AlertKind.REPORTING_SILENT, rules.silent(days, minute(now))))
        return found

    async def _lost(self, connection: Connection, now: datetime) -> dict[int, int]:
        """Items shed since the last look, by project."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        told = await incidents.shed(connection, hour - timedelta(hours=1))
        before = self._shed[1] if self._shed else told
        lost = {project: items - before.get(project, 0) for project, items in told.items()}
        if self._shed is None or now - self._shed[0] >= timedelta(minutes=5):
            self._shed = now, told
        return {project: items for project, items in lost.items() if items > 0}

    def _collector(self, watched: Watched, lost: Mapping[int, int], now: datetime) -> list[Found]:
        """What is wrong with the collector itself stands at the first host of a project; that all reports
        come from one address, at the first of all."""
        first = min(key for key in self._hosts if key[0] == watched.project)
        if watched.place != first:
            return []
        items = lost.get(watched.project, 0)
        told = standing.collector_losing_reports(items, None, now)
        found = [Found(AlertKind.COLLECTOR_LOSING_REPORTS, told)]
        if watched.place == min(self._hosts):
            words = self.one_address()
            one = Finding(severity=Severity.TICKET, summary=words) if words else NOTHING
            found.append(Found(AlertKind.ONE_ADDRESS, one))
        return found

    async def _settle(
        self, watched: Watched, found: Sequence[Found], muted: Sequence[silences.Silence],
        epoch: int, now: datetime,
    ) -> bool:  # fmt: skip
        """Bring alerts up to what was found. Whether something was written."""
        steps: list[tuple[Found, str, AlertState, tuple[lifecycle.Event, ...]]] = []
        kinds = {one.kind for one in found}
        rest = [
            Found(AlertKind(kind), NOTHING)
            for kind, (_, state) in watched.kept.alerts.items()
            if AlertKind(kind) not in kinds and state.stage is not Stage.RESOLVED
            and AlertKind(kind) not in rules.ONLY_WHERE_TOLD
        ]  # fmt: skip
        alerts_now = dict(watched.kept.alerts)
        for one in (*found, *rest):
            held = watched.alert(one.kind)
            before = _silenced(one, watched, held, muted, now)
            after, events = lifecycle.step(one.kind, before, one.finding, now)
            if after is None:
                alerts_now.pop(one.kind.value, None)
                continue
            id_ = held[0] if held is not None and _same(held[1], after) else uuid4().hex
            alerts_now[one.kind.value] = (id_, after)
            grew = held is not None and held[1].reach != after.reach
            if events or (
                after.stage is Stage.FIRING and (held is None or grew or _moved(held[1], after))
            ):
                steps.append((one, id_, after, events))
        if not steps:
            watched.kept.alerts = alerts_now
            return False
        place = Place(watched.project, watched.project_name, watched.host)
        watched.kept.alerts = alerts_now
        async with self.pool.acquire() as connection, connection.transaction():
            for one, id_, state, events in steps:
                await self._write(connection, place, one, id_, state, events, epoch, now)
            await detector_states.save(connection, [_remembered(watched, now)], epoch)
        watched.saved_at = minute(now)
        return True

    async def _write(
        self, connection: Connection, place: Place, one: Found, id_: str, state: AlertState,
        events: Sequence[lifecycle.Event], epoch: int, now: datetime,
    ) -> None:  # fmt: skip
        told = one.told
        if told is None:
            since = state.started_at - timedelta(hours=1)
            told = await around(connection, place, one.class_, since, now)
        finding = one.finding
        if finding.severity is None:  # it is over: what it was about stands in the row
            finding = await _as_it_was(connection, id_)
        alert = compose(
            place, one.kind, id_, state, finding, told, one.expected, now, self.pages, self.runbooks
        )
        written = await alerts.write(connection, alert, epoch)
        if _NEWS & set(events):
            written = await alerts.acknowledge(connection, id_, None)
        for event in events:
            await announce(
                connection, self.channels, written, _ON_CALL[event], epoch=epoch, now=now
            )
            log.info("alert.told", what=event.value, alert=id_, kind=one.kind.value, host=place.host,
                     severity=state.severity.value)  # fmt: skip

    async def _take_orders(self, epoch: int, now: datetime) -> None:
        async with self.pool.acquire() as connection:
            orders = await alert_orders.waiting(connection)
        for order in orders:
            place = next(
                ((w, kind) for w in self._hosts.values() for kind, (id_, _) in w.kept.alerts.items()
                 if id_ == order.alert), None,
            )  # fmt: skip
            async with self.pool.acquire() as connection, connection.transaction():
                await lease.hold(connection, epoch)  # an old watcher throws nobody's word away
                if place is not None:
                    await self._obey(connection, *place, order, epoch, now)
                await alert_orders.done(connection, [order.id])

    async def _obey(
        self, connection: Connection, watched: Watched, kind: str, order: Order, epoch: int,
        now: datetime,
    ) -> None:  # fmt: skip
        id_, state = watched.kept.alerts[kind]
        events: tuple[lifecycle.Event, ...] = ()
        if order.what is What.ACKNOWLEDGE:
            state, events = lifecycle.acknowledge(state, order.who, order.at)
        elif order.what is What.SILENCE:
            state = lifecycle.silence(state, order.until, now)
        else:
            is_forged = _GIVEN[order.what]
            state, events = lifecycle.close(state, now, forged=is_forged)
            if is_forged:
                for stream, spike in watched.kept.spikes.items():
                    watched.kept.spikes[stream] = forged(spike, minute(now))
        watched.kept.alerts[kind] = (id_, state)
        found = Found(AlertKind(kind), NOTHING)
        place = Place(watched.project, watched.project_name, watched.host)
        if events:
            await self._write(connection, place, found, id_, state, events, epoch, now)
        await detector_states.save(connection, [_remembered(watched, now)], epoch)

    async def _save(self, due: Sequence[Watched], epoch: int, now: datetime) -> None:
        for start in range(0, len(due), _SOME):
            some = due[start : start + _SOME]
            async with self.pool.acquire() as connection, connection.transaction():
                await detector_states.save(
                    connection, [_remembered(watched, now) for watched in some], epoch
                )
            for watched in some:
                watched.saved_at = minute(now)

    def _tell(self) -> None:
        self.metrics.tell_alerts(
            (w.project_name, w.host, kind, state.severity.value)
            for w in self._hosts.values()
            for kind, (_, state) in w.kept.alerts.items()
            if state.stage is Stage.FIRING
        )


def _fires(watched: Watched, kinds: Sequence[AlertKind]) -> bool:
    held = [watched.alert(kind) for kind in kinds]
    return any(one is not None and one[1].stage is not Stage.RESOLVED for one in held)


def _same(before: AlertState, after: AlertState) -> bool:
    """Whether it is the same alert, open or open again."""
    return before.started_at == after.started_at or after.reopened


def _moved(before: AlertState, after: AlertState) -> bool:
    return (before.severity, before.cause, before.stage) != (
        after.severity,
        after.cause,
        after.stage,
    )


def _silenced(
    one: Found, watched: Watched, held: tuple[str, AlertState] | None,
    muted: Sequence[silences.Silence], now: datetime,
) -> AlertState | None:  # fmt: skip
    """The alert as it stands, with the silence that somebody laid over its place."""
    until = max(
        (s.until for s in muted if s.covers(watched.project, watched.host, one.kind.value)),
        default=None,
    )
    state = None if held is None else held[1]
    if until is None or one.finding.severity is None:
        return state
    if state is None:  # one that is long over, so that what opens now is silent from its beginning
        return AlertState(
            kind=one.kind, stage=Stage.RESOLVED, severity=Severity.TICKET, cause="",
            started_at=now - 3 * lifecycle.SAME, updated_at=now - 2 * lifecycle.SAME,
            ended_at=now - 2 * lifecycle.SAME, silenced_until=until,
        )  # fmt: skip
    if state.silenced_until is None or state.silenced_until < until:
        return lifecycle.silence(state, until, now)
    return state


async def _as_it_was(connection: Connection, id_: str) -> Finding:
    summary = await connection.fetchval("SELECT body ->> 'summary' FROM alert WHERE id = $1", id_)
    return Finding(severity=None, summary=summary or "")


def _remembered(watched: Watched, now: datetime) -> Remembered:
    return Remembered(watched.project, watched.host, watched.to_json(), now)
