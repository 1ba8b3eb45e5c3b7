"""What a receiver refuses for what stands in it, is sent once more in our own words."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from collector.alert import Acknowledged, Cause, Event, Fact, Link, Message, Reach
from collector.notify.chosen import AlertmanagerConfig, EmailConfig
from collector.notify.mail import Email
from collector.notify.minimal import minimal, reduced
from collector.notify.posting import Poster
from collector.notify.repeating import resend
from collector.notify.sender import attempt
from tests.conftest import Clock
from tests.make import NOON
from tests.notify.conftest import Box
from tests.notify.mailbox import delivering
from tests.notify.making import alert, message
from tests.notify.receiver import Receiver
from tests.notify.test_channels import TYPES, made
from tests.notify.test_sender import Site, hook

SAID = "Zorg"  # in each place that a report, or a person, has words in
each = pytest.mark.parametrize("type_", list(TYPES))


def said(event: Event = Event.FIRED) -> Message:
    return message(
        event,
        alert(
            acknowledged=Acknowledged(SAID, NOON),
            apps=(SAID,),
            summary=SAID,
            cause=Cause("own_rotation", 0.9, (Fact("issuer", SAID),)),
            reach=Reach(
                installs=42, networks=17, expected=0.4, share=0.03, app_versions=(SAID,),
                platforms=(SAID,),
            ),
            chain=(Link("leaf", SAID, SAID, NOON + timedelta(days=9)),),
            pins=(SAID,),
            next_steps=(SAID,),
        ),
    )  # fmt: skip


@each
@pytest.mark.parametrize("answer", ["400", "413", "422"])
async def test_malformed_is_sent_once_more(
    type_: str, answer: str, receiver: Receiver, poster: Poster
) -> None:
    receiver.answers = [answer, "200"]
    with capture_logs() as logs:
        assert await attempt(made(type_, receiver.url, poster), said()) is None
    whole, least = receiver.asked
    assert SAID.encode() in whole.body
    assert SAID.encode() not in least.body
    assert json.loads(least.body)
    for word in ("api.example.com", "42 installs", "https://pinfall.example/alerts/a1"):
        assert word in least.body.decode()
    (line,) = logs
    assert (line["event"], line["alert"]) == ("delivery.sent_minimal", "a1")
    assert line["refused"] == f"HTTP {answer}"
    known = ("Pinfall-Delivery", "Pinfall-Event")
    assert [whole.headers.get(k) for k in known] == [least.headers.get(k) for k in known]


@each
@pytest.mark.parametrize(
    ("answers", "words", "permanent", "asked"),
    [
        (["400"], "HTTP 400", True, 2),
        (["422", "503"], "HTTP 503", False, 2),
        (["422", "404"], "HTTP 422", True, 2),
        (["404"], "HTTP 404", True, 1),
        (["429"], "HTTP 429", False, 1),
        (["500"], "HTTP 500", False, 1),
    ],
)
async def test_what_else_is_refused_is_as_before(
    type_: str,
    answers: list[str],
    words: str,
    permanent: bool,
    asked: int,
    receiver: Receiver,
    poster: Poster,
) -> None:
    receiver.answers = list(answers)
    failure = await attempt(made(type_, receiver.url, poster), said())
    assert failure is not None
    assert (str(failure), failure.permanent, len(receiver.asked)) == (words, permanent, asked)


@pytest.mark.parametrize(
    ("where", "answer", "tries"),
    [
        ("end of data", "554 no", 2), ("end of data", "451 later", 1), ("DATA", "554 no", 2),
        ("MAIL", "552 too large", 2), ("MAIL", "550 no", 1), ("RCPT", "550 no", 1),
    ],
)  # fmt: skip
async def test_mail(where: str, answer: str, tries: int, clock: Clock) -> None:
    async with delivering() as box:
        box.answers = {where: answer}
        config = EmailConfig(
            name="mail", host="127.0.0.1", port=box.port, sender="a@b.example", to=("c@d.example",), tls="none"
        )  # fmt: skip
        failure = await attempt(Email(config, clock), said())
    assert failure is not None
    assert box.commands.count("MAIL") == tries
    if where == "end of data" and tries == 2:
        whole, least = (mail.get_body(("plain",)).get_content() for mail in box.mails)
        assert SAID in whole
        assert SAID not in least
        assert "pin failures at api.example.com, 42 installs on 17 networks" in least
        assert box.mails[0]["Message-ID"] == box.mails[1]["Message-ID"]


async def test_it_counts_as_sent(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    receiver.answers = ["400", "200"]
    await site.announce(Event.FIRED)
    await site.send()
    assert await box.states() == [("fired", "sent")]
    assert [site.count("hook", result) for result in ("sent", "given_up")] == [1, 0]


async def test_one_that_alertmanager_refuses_ends_no_other(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, AlertmanagerConfig(name="am", url=receiver.url))
    for id_ in ("a1", "b1"):
        await site.announce(Event.FIRED, id=id_, host=f"{id_}.example", summary=SAID)
    await site.send()
    receiver.asked.clear()
    # Both together, the first, its minimal form, the second.
    receiver.answers = ["400", "400", "200", "200"]
    await resend(box.pool, site.ways, box.epoch, clock)
    heard = [
        [(one["labels"]["host"], one["annotations"]["summary"] == SAID) for one in asked.json]
        for asked in receiver.asked
    ]
    first, second = sorted([("a1.example", True), ("b1.example", True)])
    assert sorted(heard[0]) == [first, second]
    assert heard[1:] == [[heard[0][0]], [(heard[0][0][0], False)], [heard[0][1]]]


@pytest.mark.parametrize("host", ["api.example.com", "10.0.0.1", "2001:db8::1", "_x.example"])
def test_hosts_are_ours(host: str) -> None:
    assert reduced(alert(host=host)).host == host


@pytest.mark.parametrize("host", ["a b", "<x>", "a\n", "é", ""])
def test_what_is_no_host_is_left_out(host: str) -> None:
    assert reduced(alert(host=host)).host == ""


@pytest.mark.parametrize("event", list(Event))
def test_it_is_the_same_message(event: Event) -> None:
    whole = message(event)
    least = minimal(whole)
    assert (least.id, least.event, least.thread) == (whole.id, whole.event, whole.thread)
    for name in (
        "id",
        "kind",
        "severity",
        "state",
        "project",
        "started_at",
        "ended_at",
        "dedup_key",
    ):
        assert getattr(least.alert, name) == getattr(whole.alert, name)
