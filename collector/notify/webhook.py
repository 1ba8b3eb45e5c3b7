"""A web address of yours: the alert as JSON, signed; or a body that a template makes."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from collector.alert import Message, to_json
from collector.notify import texts
from collector.notify.chosen import WebhookConfig
from collector.notify.posting import Poster
from collector.notify.templating import rendered


@dataclass(frozen=True, slots=True)
class Webhook:
    config: WebhookConfig
    poster: Poster

    async def send(self, message: Message) -> None:
        config = self.config
        if config.template is None:
            body = payload(message)
        else:
            body = await rendered(config.template, offered(message))
        headers = {"Pinfall-Event": message.event.value, "Pinfall-Delivery": message.id}
        if config.authorization is not None:
            headers["Authorization"] = config.authorization
        if config.secret is not None:
            headers["Pinfall-Signature"] = signature(config.secret, body, self.poster.clock())
        await self.poster.post(config.url, body, headers, proxy=config.proxy)


def payload(message: Message) -> bytes:
    """pinfall.alert/1, whole."""
    return json.dumps(to_json(message.alert)).encode()


def offered(message: Message) -> dict[str, object]:
    """What a template may use; ``title``, ``facts``, ``steps`` and ``links`` are the words of the
    other channels."""
    return {
        "event": message.event.value,
        "delivery": message.id,
        "thread": message.thread,
        "alert": to_json(message.alert),
        "title": texts.title(message),
        "facts": [{"name": name, "value": value} for name, value in texts.facts(message.alert)],
        "steps": texts.steps(message.alert),
        "links": [{"words": words, "url": url} for words, url in texts.links(message.alert)],
    }


def signature(secret: str, body: bytes, at: datetime) -> str:
    """``t`` is signed too: a receiver turns old ones away, and with them what somebody recorded."""
    seconds = int(at.timestamp())
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
    return f"t={seconds},v1={signed}"
