"""Each channel against a real server that plays its receiver: what it takes, what it refuses, and that no
error holds the address or a secret."""

import asyncio
import hmac
import json
import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from collector.alert import Event, Severity, State, from_json
from collector.notify import Channel, posting
from collector.notify.channel import MAX_TRIES, DeliveryError, refused, retry_at
from collector.notify.chosen import (
    AlertmanagerConfig,
    ChannelConfig,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.notify.opening import channel, opened
from collector.notify.posting import Poster
from collector.notify.sender import attempt
from tests.conftest import Clock
from tests.make import NOON
from tests.notify.making import alert, message
from tests.notify.receiver import SECRET, Receiver, nobody

TYPES: dict[str, Callable[[str], ChannelConfig]] = {
    "slack": lambda url: SlackConfig(name="c", url=url),
    "pagerduty": lambda url: PagerDutyConfig(name="c", url=url, routing_key=SECRET),
    "alertmanager": lambda url: AlertmanagerConfig(name="c", url=url, authorization=SECRET),
    "webhook": lambda url: WebhookConfig(name="c", url=url, secret=SECRET, authorization=SECRET),
}
each = pytest.mark.parametrize("type_", list(TYPES))


def made(type_: str, url: str, poster: Poster) -> Channel:
    return channel(TYPES[type_](url), poster)


async def failure(way: Channel) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await way.send(message())
    told = f"{caught.value} {caught.value!r} {way.config!r}"
    assert SECRET not in told
    return caught.value


@each
@pytest.mark.parametrize("status", ["200", "202", "204"])
async def test_taken(type_: str, status: str, receiver: Receiver, poster: Poster) -> None:
    receiver.answers = [status]
    await made(type_, receiver.url, poster).send(message())
    (asked,) = receiver.asked
    assert asked.method == "POST"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.json


@each
@pytest.mark.parametrize(
    ("answer", "words", "permanent", "wait"),
    [
        ("429 90", "HTTP 429", False, 90),
        ("429 Fri, 20 Nov 2026 12:01:00 GMT", "HTTP 429", False, 60),
        ("503 99999999999999999999", "HTTP 503", False, 3600),
        ("429 soon", "HTTP 429", False, None),
        ("404", "HTTP 404", True, None),
        ("400", "HTTP 400", True, None),
        ("408", "HTTP 408", False, None),
        ("500", "HTTP 500", False, None),
        ("redirect", "HTTP 302, and redirects are not followed", True, None),
    ],
)
async def test_refused(
    type_: str,
    answer: str,
    words: str,
    permanent: bool,
    wait: float | None,
    receiver: Receiver,
    poster: Poster,
) -> None:
    receiver.answers = [answer]
    error = await failure(made(type_, receiver.url, poster))
    assert (str(error), error.permanent, error.retry_after) == (words, permanent, wait)
    assert len(receiver.asked) == 1


@each
async def test_nobody_there_or_gone(type_: str, receiver: Receiver, poster: Poster) -> None:
    port = await nobody()
    refusing = await failure(made(type_, f"http://127.0.0.1:{port}/{SECRET}", poster))
    assert re.fullmatch(r"ClientConnectorError: Connection refused", str(refusing))
    assert not refusing.permanent
    receiver.answers = ["cut"]
    assert not (await failure(made(type_, receiver.url, poster))).permanent
    unknown = await failure(made(type_, f"http://{SECRET}.invalid/", poster))
    assert not unknown.permanent


@each
async def test_slow(
    type_: str, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_WITHIN", 0.3)
    receiver.answers = ["slow"]
    async with opened(clock) as poster, asyncio.timeout(30):
        assert not (await failure(made(type_, receiver.url, poster))).permanent


@each
async def test_a_huge_answer_is_not_read(type_: str, receiver: Receiver, poster: Poster) -> None:
    receiver.answers = ["huge"]
    async with asyncio.timeout(30):
        await made(type_, receiver.url, poster).send(message())


async def test_a_bug_is_a_failure_of_one_message_without_its_words() -> None:
    class Broken:
        config = ChannelConfig(name="broken")

        async def send(self, message: object) -> None:
            raise RuntimeError(SECRET)

    met = await attempt(Broken(), message())
    assert (str(met), met.permanent) == ("RuntimeError", False)


def test_when_to_try_again() -> None:
    passing, lasting = DeliveryError("x", permanent=False), DeliveryError("x", permanent=True)
    waits = [retry_at(passing, tries, NOON) for tries in range(1, MAX_TRIES)]
    seconds = [(at - NOON).total_seconds() for at in waits if at]
    assert seconds == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert retry_at(passing, MAX_TRIES, NOON) is None
    assert retry_at(lasting, 1, NOON) is None
    asked = DeliveryError("x", permanent=False, retry_after=90)
    assert retry_at(asked, 5, NOON) == NOON + timedelta(seconds=90)
    longer = DeliveryError("x", permanent=False, retry_after=1e9)
    assert retry_at(longer, 1, NOON) == NOON + timedelta(hours=1)
    for past in ("Fri, 20 Nov 2026 11:00:00 GMT", "Fri, 20 Nov 2026 11:00:00"):
        told = refused(503, past, NOON)
        assert told is not None
        assert told.retry_after == 0


async def test_pagerduty(receiver: Receiver, poster: Poster) -> None:
    way = made("pagerduty", receiver.url, poster)
    for event in (Event.FIRED, Event.CAUSE_CHANGED, Event.ACKNOWLEDGED, Event.RESOLVED):
        await way.send(message(event, thread="k" * 300))
    bodies = [asked.json for asked in receiver.asked]
    assert {asked.path for asked in receiver.asked} == {f"/{SECRET}/v2/enqueue"}
    actions = [body["event_action"] for body in bodies]
    assert actions == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {body["dedup_key"] for body in bodies} == {"k" * 255}
    assert {body["routing_key"] for body in bodies} == {SECRET}
    told = bodies[0]["payload"]
    assert told["summary"].startswith("Page: api.example.com: 42 installs")
    assert (told["severity"], told["source"]) == ("critical", "api.example.com")
    assert told["custom_details"]["Cause"] == "own rotation (93 %)"
    assert bodies[0]["links"][0]["href"] == "https://pinfall.example/alerts/a1"
    assert "payload" not in bodies[3]


async def test_a_webhook_gets_the_contract_signed(receiver: Receiver, poster: Poster) -> None:
    await made("webhook", receiver.url, poster).send(message())
    (asked,) = receiver.asked
    assert from_json(asked.body) == alert()
    assert (asked.headers["Pinfall-Event"], asked.headers["Pinfall-Delivery"]) == ("fired", "7")
    assert asked.headers["Authorization"] == SECRET
    # As a receiver would check it.
    parts = dict(part.split("=") for part in asked.headers["Pinfall-Signature"].split(","))
    signed = parts["t"].encode() + b"." + asked.body
    assert parts["v1"] == hmac.new(SECRET.encode(), signed, sha256).hexdigest()
    assert int(parts["t"]) == NOON.timestamp()


async def test_alertmanager_is_told_of_labels_and_ends(
    receiver: Receiver, poster: Poster, clock: Clock
) -> None:
    way = made("alertmanager", receiver.url, poster)
    clock.now = NOON + timedelta(minutes=5)

    async def told(event: Event, **chosen: Any) -> list[dict[str, Any]]:
        await way.send(message(event, alert(**chosen)))
        assert receiver.asked[-1].path == f"/{SECRET}/api/v2/alerts"
        return receiver.asked[-1].json  # type: ignore[no-any-return]

    (fired,) = await told(Event.FIRED)
    assert fired["labels"] == {
        "alertname": "Pinfall", "project": "default", "host": "api.example.com", "severity": "page",
        "kind": "pin_failures",
    }  # fmt: skip
    assert (fired["startsAt"], fired["endsAt"]) == (
        "2026-11-20T12:00:00+00:00", "2026-11-20T18:05:00+00:00",
    )  # fmt: skip
    assert fired["annotations"]["runbook_url"] == "https://wiki.example/pins"
    (grown,) = await told(Event.CAUSE_CHANGED, summary="many more", apps=("wallet", "shop"))
    assert grown["labels"] == fired["labels"]
    assert grown["annotations"] != fired["annotations"]
    ticket, page = await told(Event.BECAME_PAGE)
    assert (ticket["labels"]["severity"], ticket["endsAt"]) == (
        "ticket",
        "2026-11-20T12:05:00+00:00",
    )
    assert page["labels"] == fired["labels"]
    clock.now = NOON + timedelta(hours=2)
    ended = await told(Event.RESOLVED, state=State.RESOLVED)
    assert {one["endsAt"] for one in ended} == {"2026-11-20T13:00:00+00:00"}
    assert [one["labels"]["severity"] for one in ended] == [*Severity]
    (test,) = await told(Event.TEST)
    assert test["endsAt"] == "2026-11-20T14:05:00+00:00"


async def test_nothing_of_the_environment_or_cookies_is_sent(
    receiver: Receiver, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{await nobody()}")
    await made("slack", receiver.url, poster).send(message())
    assert "Cookie" not in receiver.asked[0].headers
    assert receiver.asked[0].headers["User-Agent"].startswith("pinfall/")


async def test_through_a_proxy_that_was_named(receiver: Receiver, poster: Poster) -> None:
    proxy = f"http://127.0.0.1:{receiver.port}"
    config = SlackConfig(name="c", url="http://slack.invalid/services/x", proxy=proxy)
    await channel(config, poster).send(message())
    assert receiver.asked[0].headers["Host"] == "slack.invalid"
    assert json.loads(receiver.asked[0].body)["blocks"]
