"""Alerts of a host brought up to what its rules found, and written down with what channels are owed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import structlog

from collector import lifecycle
from collector.alert import Acknowledged, Alert, Event, State
from collector.detect.finding import NOTHING
from collector.detect.kinds import AlertKind, Severity
from collector.detect.spike import forged
from collector.lifecycle import AlertState, Stage
from collector.notify.announce import announce
from collector.notify.chosen import ChannelConfig
from collector.store import alerts, detector_states, silences
from collector.store.alert_orders import Order, What
from collector.store.connect import Connection
from collector.store.detector_states import Remembered
from collector.watch import rules
from collector.watch.knowing import minute
from collector.watch.rules import Found
from collector.watch.telling import Place, around, compose
from collector.watch.watched import Watched

log = structlog.get_logger()

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
class Settling:
    """``pages``: URL of the operator's pages; ``runbooks``: URLs by kind of alert, and ``third_parties``:
    hosts that are somebody else's, of pinfall.toml."""

    pool: asyncpg.Pool
    channels: Sequence[ChannelConfig] = ()
    pages: str | None = None
    runbooks: Mapping[str, str] = field(default_factory=dict)
    third_parties: frozenset[str] = frozenset()

    async def settle(
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
            after, events = lifecycle.step(one.kind, before, one.finding, now, one.muted_until)
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
            await detector_states.save(connection, [remembered(watched, now)], epoch)
        watched.saved_at = minute(now)
        return True

    async def _write(
        self, connection: Connection, place: Place, one: Found, id_: str, state: AlertState,
        events: Sequence[lifecycle.Event], epoch: int, now: datetime,
    ) -> None:  # fmt: skip
        if one.finding.severity is None:  # it is over: what it was about stands in the row
            alert = _as_it_is(await alerts.one(connection, id_), state)
        else:
            told = one.told
            if told is None:
                since = state.started_at - timedelta(hours=1)
                told = await around(
                    connection, place, one.class_, since, now, self.third_parties, one.without
                )  # fmt: skip
            alert = compose(
                place, one.kind, id_, state, one.finding, told, one.expected, now, self.pages,
                self.runbooks,
            )  # fmt: skip
        await self._tell(connection, alert, state, events, epoch, now)

    async def _tell(
        self, connection: Connection, alert: Alert, state: AlertState,
        events: Sequence[lifecycle.Event], epoch: int, now: datetime,
    ) -> None:  # fmt: skip
        """Write it down, with what channels are owed."""
        written = await alerts.write(connection, alert, epoch, state.muted_until)
        if _NEWS & set(events):
            written = await alerts.acknowledge(connection, alert.id, None)
        for event in events:
            await announce(
                connection, self.channels, written, _ON_CALL[event], epoch=epoch, now=now
            )
            log.info("alert.told", what=event.value, alert=alert.id, kind=alert.kind, host=alert.host,
                     severity=alert.severity.value)  # fmt: skip

    async def obey(
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
        alert = _as_it_is(await alerts.one(connection, id_), state)
        await self._tell(connection, alert, state, events, epoch, now)
        await detector_states.save(connection, [remembered(watched, now)], epoch)


def _same(before: AlertState, after: AlertState) -> bool:
    """Whether it is the same alert, open or open again."""
    return before.started_at == after.started_at or after.reopened


def _moved(before: AlertState, after: AlertState) -> bool:
    return (before.severity, before.cause, before.stage, before.muted_until) != (
        after.severity,
        after.cause,
        after.stage,
        after.muted_until,
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


def _as_it_is(alert: Alert, state: AlertState) -> Alert:
    """What was written, with what became of it since: what people said, and whether it is over."""
    over, said = state.stage is Stage.RESOLVED, state.acknowledged
    return replace(
        alert,
        state=State.RESOLVED if over else State.FIRING,
        acknowledged=Acknowledged(said.by, said.at) if said else None,
        silenced_until=state.silenced_until,
        updated_at=state.updated_at,
        ended_at=state.ended_at if over else None,
    )


def remembered(watched: Watched, now: datetime) -> Remembered:
    return Remembered(watched.project, watched.host, watched.to_json(), now)
