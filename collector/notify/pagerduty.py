"""PagerDuty, by its Events API v2: one incident an alert, by its key."""

from __future__ import annotations

import json
from dataclasses import dataclass

from collector.alert import Event, Message, Severity
from collector.notify import texts
from collector.notify.chosen import PagerDutyConfig
from collector.notify.posting import Poster

_ACTIONS = {Event.RESOLVED: "resolve", Event.ACKNOWLEDGED: "acknowledge"}
_KEY = 255  # characters of a dedup_key
_SUMMARY = 1024


@dataclass(frozen=True, slots=True)
class PagerDuty:
    config: PagerDutyConfig
    poster: Poster

    async def send(self, message: Message) -> None:
        body = json.dumps(payload(message, self.config.routing_key)).encode()
        url = f"{self.config.url}/v2/enqueue"
        await self.poster.post(url, body, proxy=self.config.proxy)


def payload(message: Message, routing_key: str) -> dict[str, object]:
    """A trigger of a key that is open changes its incident, and wakes nobody again."""
    alert = message.alert
    action = _ACTIONS.get(message.event, "trigger")
    told: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": message.thread[:_KEY],
    }
    if action != "trigger":
        return told
    details = dict(texts.facts(alert))
    for number, step in enumerate(texts.steps(alert), 1):
        details[f"Next step {number}"] = step
    return {
        **told,
        "client": "Pinfall",
        "payload": {
            "summary": texts.title(message, _SUMMARY),
            "source": texts.clean(alert.host) or "pinfall",
            "severity": "critical" if alert.severity is Severity.PAGE else "warning",
            "timestamp": alert.started_at.isoformat(),
            "component": texts.clean(alert.host) or "pinfall",
            "group": texts.clean(alert.project) or "pinfall",
            "class": texts.clean(alert.kind),
            "custom_details": details,
        },
        "links": [{"href": url, "text": words} for words, url in texts.links(alert)],
    }
