"""That nobody watches: said straight to channels, since Postgres may be what is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from collector.alert import Alert, Audience, Cause, Event, Message, Reach, Severity, State
from collector.notify.alertmanager import Alertmanager
from collector.notify.channel import Channel
from collector.notify.pagerduty import PagerDuty
from collector.notify.sender import attempt
from collector.notify.wants import blind_channels

KEY = "pinfall/watcher-blind"
OFTEN = timedelta(hours=1)  # at most one message a channel
log = structlog.get_logger()


class Blind:
    """Remembers what it told to whom, in memory."""

    def __init__(self, channels: Sequence[Channel], clock: Callable[[], datetime]) -> None:
        wanted = {config.name for config in blind_channels([c.config for c in channels])}
        self._channels = [c for c in channels if c.config.name in wanted]
        self._clock = clock
        self._told: dict[str, datetime] = {}
        self._since: datetime | None = None
        # One of before may have told, and died: receivers that keep incidents hear of its end.
        self._open = {
            c.config.name for c in self._channels if isinstance(c, PagerDuty | Alertmanager)
        }

    async def tell(self, is_blind: bool, why: str = "") -> None:
        """To be called with each look, by the process that watches, or last did. why: in our own words.

        Who could not be told is told by the next call.
        """
        now = self._clock()
        if is_blind:
            self._since = self._since or now
            due = [c for c in self._channels if self._is_due(c.config.name, now)]
            message = Message("blind", Event.FIRED, alert(self._since, now, why), KEY)
        else:
            due = [c for c in self._channels if c.config.name in self._open]
            over = alert(self._since or now, now, why, ended=True)
            message = Message("sees", Event.RESOLVED, over, KEY)
            self._since = None
        await asyncio.gather(*(self._say(channel, message, now) for channel in due))

    def _is_due(self, name: str, now: datetime) -> bool:
        return name not in self._told or now - self._told[name] >= OFTEN

    async def _say(self, channel: Channel, message: Message, now: datetime) -> None:
        name = channel.config.name
        failure = await attempt(channel, message)
        if failure is not None:
            log.error("blind.not_told", channel=name, error=str(failure))
        elif message.event is Event.FIRED:
            self._told[name] = now
            self._open.add(name)
        else:
            self._open.discard(name)


def alert(since: datetime, now: datetime, why: str, *, ended: bool = False) -> Alert:
    words = "Pinfall sees again" if ended else "Pinfall is blind: it cannot look for pin failures"
    return Alert(
        id="watcher-blind",
        kind="watcher_blind",
        severity=Severity.PAGE,
        audience=Audience.ONCALL,
        state=State.RESOLVED if ended else State.FIRING,
        project="",
        host="",
        started_at=since,
        updated_at=now,
        ended_at=now if ended else None,
        summary=f"{words}: {why}" if why and not ended else words,
        cause=Cause("watcher_blind", 1.0),
        reach=Reach(installs=0, networks=0, expected=0),
        next_steps=() if ended else ("See /readyz and the log of the collector.",),
        dedup_key=KEY,
    )
