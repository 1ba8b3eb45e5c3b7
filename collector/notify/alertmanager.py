"""Alertmanager, by its API v2. It forgets an alert that nobody repeats, so what fires is sent again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collector.alert import Alert, Event, Message, Severity, State
from collector.notify import texts
from collector.notify.chosen import AlertmanagerConfig
from collector.notify.posting import Poster

LASTS = timedelta(hours=6)  # without a word of ours; a test: five minutes
_TEST_LASTS = timedelta(minutes=5)
_AT_ONCE = 100  # alerts of one request


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """``lock``: what is read to be sent again, is sent before the end of it can be."""

    config: AlertmanagerConfig
    poster: Poster
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, message: Message) -> None:
        async with self.lock:
            await self.post(payload(message, self.poster.clock()))

    async def post(self, told: Sequence[dict[str, object]]) -> None:
        """Raises DeliveryError."""
        token = self.config.authorization
        headers = {"Authorization": token} if token else {}
        url = f"{self.config.url}/api/v2/alerts"
        for first in range(0, len(told), _AT_ONCE):
            body = json.dumps(told[first : first + _AT_ONCE]).encode()
            await self.poster.post(url, body, headers, proxy=self.config.proxy)


def payload(message: Message, now: datetime) -> list[dict[str, object]]:
    """Severity is a label: what was a ticket is another alert there, and ends when it is a page."""
    alert = message.alert
    if message.event is Event.TEST:
        return [_one(alert, alert.severity, now + _TEST_LASTS)]
    if message.event is Event.BECAME_PAGE:
        return [_one(alert, Severity.TICKET, now), _one(alert, Severity.PAGE, now + LASTS)]
    return again(alert, now)


def again(alert: Alert, now: datetime) -> list[dict[str, object]]:
    """What is said of an alert, first and each minute: growth changes annotations only."""
    if alert.state is State.RESOLVED:
        assert alert.ended_at is not None
        return [_one(alert, severity, min(alert.ended_at, now)) for severity in Severity]
    return [_one(alert, alert.severity, now + LASTS)]


def _one(alert: Alert, severity: Severity, ends_at: datetime) -> dict[str, object]:
    labels = {
        "alertname": "Pinfall",
        "project": alert.project,
        "host": alert.host,
        "severity": severity,
        "kind": alert.kind,
    }
    annotations = {
        "summary": texts.clean(alert.summary),
        **{name.lower().replace(" ", "_"): value for name, value in _told(alert)},
        "next_steps": " ".join(texts.steps(alert)),
    }
    addresses = dict(texts.links(alert))
    if "Runbook" in addresses:
        annotations["runbook_url"] = addresses["Runbook"]
    told: dict[str, object] = {
        "labels": {name: texts.clean(value) for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": min(alert.started_at, ends_at).isoformat(),
        "endsAt": ends_at.isoformat(),
    }
    if "Open the alert" in addresses:
        told["generatorURL"] = addresses["Open the alert"]
    return told


_NAMES = ("Cause", "Affected", "Apps", "App versions", "Platforms", "Rotation")


def _told(alert: Alert) -> list[tuple[str, str]]:
    """Facts of names that are ours: annotations have names of letters."""
    told = dict(texts.facts(alert))
    return [(name, told[name]) for name in _NAMES if name in told]
