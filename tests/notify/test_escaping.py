"""What comes from reports stays text in every channel, whatever it is."""

import json
import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.alert import Alert, Cause, Event, Fact, Link, Links, Reach, Turn
from collector.notify import alertmanager, mail, pagerduty, render, slack, texts, webhook
from collector.notify.chosen import WebhookConfig
from collector.notify.config import read_channels
from tests.make import NOON
from tests.notify.making import alert, message

HOSTILE = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(
            ["<!channel>", "<@U1>", "<https://evil.example|ok>", "&", "&lt;", "*", "_", "`", "\r\n", "\n.\n",
             "Bcc: x@evil.example", "</td><script>", '"', "'", "\\", "\u202e", "\u2028", "\x00", "\ud800",
             "{{ 7*7 }}", "{% raw %}", "=?utf-8?q?x?=", "@everyone", "a" * 300, "\x1b[31m", "javascript:x"]
        ), max_size=12,
    ).map("".join),
)  # fmt: skip


def hostile(text: str) -> Alert:
    """Text from a report wherever an alert has some."""
    return alert(
        summary=text,
        host=text,
        apps=(text, text),
        kind="pin_failures",
        cause=Cause("own_rotation", 0.5, (Fact(text, text), Fact("Cause", text))),
        reach=Reach(
            installs=1, networks=1, expected=0, app_versions=(text,) * 20, platforms=(text,)
        ),
        chain=(Link("leaf", text, text, NOON),),
        pins=(text,) * 40,
        rotation=Turn(NOON, text, (text,), text),
        next_steps=(text,) * 9,
        links=Links(page=f"https://pinfall.example/alerts/{text}", runbook=text),
    )


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


@given(HOSTILE)
@example("<" * 5000)
@example("&" * 149 + "<")
def test_slack_shows_text(text: str) -> None:
    told = slack.payload(message(of=hostile(text)))
    json.dumps(told).encode("utf-8")
    blocks: Any = told["blocks"]
    assert len(blocks) <= 50
    for block in blocks:
        for part in [*block.get("fields", ()), *([block["text"]] if "text" in block else ())]:
            limit = 150 if block["type"] == "header" else 2000 if "fields" in block else 3000
            assert 0 < len(part["text"]) <= limit
            if part["type"] == "mrkdwn":  # our own links, and nothing else
                link = r"<https?://[^\s<>|]+\|(Open the alert|Runbook)>"
                assert re.fullmatch(rf"{link}(  ·  {link})?", part["text"])
            else:
                assert part["type"] == "plain_text"
                assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", part["text"])
        assert len(block.get("fields", ())) <= 10
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", str(told["text"]))


HEADERS = ["Subject", "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
           "MIME-Version", "Content-Type"]  # fmt: skip


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name == "href"]
        assert {name for name, _ in attrs} <= {"style", "href", "lang", "charset"}


@given(HOSTILE)
@example("a\r\nBcc: x@evil.example\r\n\r\nbody")
@example("\u2028Bcc: x")
def test_mail_has_our_headers_and_tags_only(text: str) -> None:
    told = replace(message(of=hostile(text)), thread=text, id=text)
    raw = mail.payload(told, "a@b.example", ("c@d.example",), NOON).as_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = message_from_bytes(raw, policy=default)
    assert read.keys() == HEADERS
    assert read["To"] == "c@d.example"
    assert "\n" not in str(read["Subject"])
    page = Page()
    page.feed(read.get_body(("html",)).get_content())
    assert page.tags <= {
        "html", "head", "meta", "title", "body", "h1", "h2", "table", "tr", "th", "td", "ul", "li", "p",
        "a",
    }  # fmt: skip
    assert all(link.startswith(("http://", "https://")) for link in page.links)


@given(HOSTILE)
def test_words_neither_hide_nor_reorder(text: str) -> None:
    told = message(of=hostile(text))
    words = [texts.title(told), *texts.steps(told.alert)]
    words += [part for fact in texts.facts(told.alert) for part in fact]
    for word in words:
        assert word.isprintable(), word
        assert len(word) <= 500


@given(HOSTILE)
def test_pagerduty_and_alertmanager_get_bounded_text(text: str) -> None:
    told = message(of=hostile(text))
    event = json.loads(json.dumps(pagerduty.payload(told, "key")))
    assert len(json.dumps(event)) < 64 * 1024
    assert 0 < len(event["payload"]["summary"]) <= 1024
    assert event["payload"]["source"]
    assert event["payload"]["custom_details"]["Cause"] == "own rotation (50 %)"  # no evidence's
    (one,) = json.loads(json.dumps(alertmanager.payload(told, NOON)))
    assert set(one["labels"]) <= {"alertname", "project", "host", "severity", "kind"}
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in one["annotations"])
    for part in (*strings(one), *strings({**event, "dedup_key": ""})):
        assert part.isprintable()
        part.encode("utf-8")


HOOK = {"name": "hook", "type": "webhook", "url": "env:U"}
READY = {
    name: read_channels([HOOK | {"template": name}], {"U": "https://hooks.example/x"}, Path())
    for name in ("teams", "discord", "opsgenie")
}
TEMPLATES: dict[str, str | None] = {
    name: config.template for name, (config,) in READY.items() if isinstance(config, WebhookConfig)
}
TEMPLATES["own"] = (
    '{"a": "{{ alert.summary }}", "b": {{ alert.apps | tojson }}, "c": "{{ alert.host }}{{ 1 }}"}'
)


@pytest.mark.parametrize("template", list(TEMPLATES.values()), ids=list(TEMPLATES))
@given(text=HOSTILE)
@example(text='", "x": "')
@example(text="{{ 7*7 }}")
def test_templates_make_json_of_the_same_shape(template: str, text: str) -> None:
    made, calm = (
        json.loads(render.body(template, webhook.offered(message(of=hostile(told)))))
        for told in (text, "calm")
    )
    assert keys(made) <= keys(calm)


def keys(value: object) -> set[str]:
    """All names, but those of facts: evidence has its own."""
    if isinstance(value, dict):
        inner = (keys(part) for name, part in value.items() if name != "details")
        return set(value).union(*inner)
    if isinstance(value, list):
        return set[str]().union(*map(keys, value))
    return set()


@pytest.mark.parametrize("event", list(Event))
def test_each_event_has_words(event: Event) -> None:
    assert texts.title(message(event)).endswith(alert().summary)


def test_a_headline_that_is_cut_says_so() -> None:
    for words in ("so long ", "<&> "):
        told = slack.payload(message(of=replace(alert(), summary=words * 40)))
        blocks: Any = told["blocks"]
        head, whole = blocks[0]["text"]["text"], blocks[1]["text"]["text"]
        assert len(head) <= 150
        assert head.endswith("…")
        assert whole.startswith(head[:20])
        assert len(whole) > len(head)
