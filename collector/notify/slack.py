"""Slack, by an incoming webhook: blocks of plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from collector.alert import Message
from collector.notify import texts
from collector.notify.chosen import SlackConfig
from collector.notify.posting import Poster

_HEADER = 150  # characters that Slack takes there
_FIELDS = 10  # of one section


@dataclass(frozen=True, slots=True)
class Slack:
    config: SlackConfig
    poster: Poster

    async def send(self, message: Message) -> None:
        body = json.dumps(payload(message)).encode()
        await self.poster.post(self.config.url, body, proxy=self.config.proxy)


def payload(message: Message) -> dict[str, object]:
    """Words are plain text, never mrkdwn, and escaped as well: where a client shows them as markup, no
    name, link or mention comes of them. Only our own links are markup."""
    alert = message.alert
    title = texts.title(message)
    head = _plain(title, _HEADER)
    if len(_entities(title)) > _HEADER:
        head["text"] = _escaped(title, _HEADER - 1) + "…"
    blocks: list[dict[str, object]] = [{"type": "header", "text": head}]
    if len(_entities(title)) > _HEADER:
        blocks.append({"type": "section", "text": _plain(title, 3000)})
    fields = [_plain(f"{name}\n{value}", 2000) for name, value in texts.facts(alert)]
    parts = [fields[first : first + _FIELDS] for first in range(0, len(fields), _FIELDS)]
    blocks += [{"type": "section", "fields": part} for part in parts]
    steps = [_plain(f"→ {step}", 3000) for step in texts.steps(alert)]
    blocks += [{"type": "section", "text": step} for step in steps]
    links = [f"<{_escaped(url)}|{words}>" for words, url in texts.links(alert)]
    if links:
        told = {"type": "mrkdwn", "text": "  ·  ".join(links)}
        blocks.append({"type": "section", "text": told})
    return {
        "text": _escaped(title),  # of notifications
        "mrkdwn": False,
        "blocks": blocks,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def _plain(text: str, most: int) -> dict[str, object]:
    return {"type": "plain_text", "text": _escaped(text, most), "emoji": False}


def _escaped(text: str, most: int = 10_000) -> str:
    """At most so long once it is escaped; no entity is cut in two."""
    text = text[:most]
    while len(told := _entities(text)) > most:
        text = text[: len(text) - (len(told) - most + 4) // 5]
    return told


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
