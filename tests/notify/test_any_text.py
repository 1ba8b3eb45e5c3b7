"""Whatever reports say, each channel delivers it whole at the first try, and nothing in it acts."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.alert import Alert
from collector.detect import saying
from collector.detect.finding import of_spike
from collector.detect.gates import Held
from collector.detect.kinds import AlertKind, Severity
from collector.detect.spike_state import Verdict
from collector.lifecycle import AlertState, Stage
from collector.notify.chosen import (
    AlertmanagerConfig,
    EmailConfig,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.notify.opening import channels
from collector.notify.posting import Poster
from collector.notify.sender import attempt
from collector.reports.certificates import certificate_from_der
from collector.store.incidents import Crowd
from collector.watch.telling import Around, Place, compose, lead_of
from tests.make import NOON, issue
from tests.notify.mailbox import Mailbox, delivering
from tests.notify.making import message
from tests.notify.receiver import Receiver
from tests.notify.test_escaping import HEADERS, HOSTILE, strings

HOST = "api.example.com"
PAGES = "https://pinfall.example"
ACTING = st.lists(
    st.sampled_from(
        ["http://", "https://", "://", "www.", "evil.com", ".", "evil", ".net/x", "com.", "@here", "@", "<!channel>",
         "<@U1>", "<", ">", "[x](", ")", "mailto:", " ", "…", "1.2", ".app", HOST, "/", "x" * 60, "\u202e", "。com"]
    ), max_size=10,
).map("".join)  # fmt: skip


def told(text: str, label: str) -> Alert:
    """The alert that a watcher makes where each word of the reports is this one."""
    verdict = Verdict(
        severity=Severity.PAGE, quiet=False, score=40.0, minutes=5, count=48, expected=0.3,
        held=Held.NOTHING, tau=None,
    )  # fmt: skip
    crowd = Crowd(
        42, 17, 9, (text,) * 5, (text, f"{text}.") * 4, (text,) * 5, (text, text, 30), None, None,
        None, None,
    )  # fmt: skip
    names = ("issuer", "issuer_before", "platform", "app", "app_version", "calls_itself", "leaf")
    evidence = [{"fact": name, "value": text} for name in names]
    evidence.append({"fact": "app_version", "value": f"{text} (80%)"})
    cause = {"label": label, "class": "self", "confidence": "high", "evidence": evidence}
    common = text.encode("utf-8", "ignore")[:64].decode("utf-8", "ignore") or "none"
    around = Around(crowd, cause, None, (certificate_from_der(issue(common).der),))
    lead, share = lead_of(crowd)
    words = saying.spike(verdict, 1000, chains=True, lead=lead, share=share)
    finding = of_spike(verdict, cause=label, lead=lead, reach=42, summary=words)
    state = AlertState(
        kind=AlertKind.PIN_FAILURE_SPIKE, stage=Stage.FIRING, severity=Severity.PAGE, cause=label,
        started_at=NOON, updated_at=NOON,
    )  # fmt: skip
    place = Place(1, "default", HOST)
    kind = AlertKind.PIN_FAILURE_SPIKE
    return compose(place, kind, "a1", state, finding, around, 0.3, NOON, PAGES, {})


# As receivers look for links, the eager ones: an address, or a name that ends as hosts do.
LINK = re.compile(
    r"(?i)[a-z]+://|www\.|\bmailto:\S|[^\s!-,./:-@\[-^`{-~][.。](?:com|net|org|io|app|example)(?![\w-]|\.\w)"
)
MENTION = re.compile("[@<>]")


def is_harmless(text: str) -> bool:
    own = re.sub(
        rf"(?i){PAGES}/[a-z_0-9/]+|(?<![\w-])(?<![\w-]\.)(?:api\.)?example\.com(?![/\\:?#\w-])",
        "",
        text,
    )
    return not LINK.search(own) and not MENTION.search(own)


def check_slack(body: Any) -> None:
    assert len(body["blocks"]) <= 50
    for block in body["blocks"]:
        limit = 150 if block["type"] == "header" else 3000
        assert len(block.get("text", {}).get("text", "")) <= limit
        assert len(block.get("fields", ())) <= 10
        assert all(len(field["text"]) <= 2000 for field in block.get("fields", ()))
    link = rf"<{PAGES}/[^|<>]+\|(Open the alert|Runbook)>"
    parts = [re.sub(link, "", part) for part in strings(body)]
    assert all(map(is_harmless, parts)), parts


def check_pagerduty(body: Any) -> None:
    assert len(body["payload"]["summary"]) <= 1024
    assert len(json.dumps(body)) <= 512 * 1024
    assert all(map(is_harmless, strings(body)))


def check_plain(body: Any) -> None:
    assert all(map(is_harmless, strings(body)))


def check_webhook(body: Any) -> None:
    assert len(json.dumps(body)) < 32 * 1024
    ids = body.pop("apps")  # as programs compare them: an id may end with .app
    assert all(re.fullmatch(r"[a-z]+(\.[\w-]+){2,}", one) or is_harmless(one) for one in ids)
    assert all(map(is_harmless, strings(body)))


CHECKS = {
    "slack": check_slack, "pager": check_pagerduty, "manager": check_plain, "hook": check_webhook,
}  # fmt: skip


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with delivering() as box:
        yield box


def check_mail(box: Mailbox) -> None:
    (mail,) = box.mails
    assert mail.keys() == HEADERS
    assert not re.search(r"[\r\n]", str(mail["Subject"]))
    assert is_harmless(str(mail["Subject"]))
    assert is_harmless(mail.get_body(("plain",)).get_content())
    page = re.sub("<[^<>]*>", " ", mail.get_body(("html",)).get_content())  # our own tags
    assert is_harmless(page)


@settings(max_examples=40)
@given(st.one_of(HOSTILE, ACTING), st.sampled_from(["own_rotation", "wrong_pins", "interception"]))
@example("<!channel> https://evil.com", "interception")
@example("x" * 20_000, "wrong_pins")
@example("com.evil.app", "own_rotation")
async def test_each_channel_delivers(
    receiver: Receiver, mailbox: Mailbox, poster: Poster, text: str, label: str
) -> None:
    url = f"{receiver.url}/"
    configs = (
        SlackConfig(name="slack", url=url + "slack"),
        PagerDutyConfig(name="pager", url=url + "pager", routing_key="key"),
        AlertmanagerConfig(name="manager", url=url + "manager"),
        WebhookConfig(name="hook", url=url + "hook"),
        EmailConfig(name="mail", host="127.0.0.1", port=mailbox.port, sender="a@b.example",
                    to=("c@d.example",), tls="none"),
    )  # fmt: skip
    receiver.asked.clear()
    mailbox.mails.clear()
    mailbox.raw.clear()
    whole = message(of=told(text, label))
    for channel in channels(configs, poster):
        assert await attempt(channel, whole) is None
    assert [asked.path.split("/")[2] for asked in receiver.asked] == list(CHECKS)
    for asked, check in zip(receiver.asked, CHECKS.values(), strict=True):
        check(asked.json)
    check_mail(mailbox)


def test_it_is_short_where_it_stands() -> None:
    said = told("see https://evil.com, " * 9, "interception")
    assert said.reach.app_versions == ("unusual version",)
    short = [*said.apps, *said.reach.platforms, *(one.value for one in said.cause.evidence)]
    assert max(map(len, short)) <= 64
    assert "unusual version (80%)" in short
    assert said.summary.count("unusual version") == 1
    assert "It calls itself see https[:]//evil[.]com" in " ".join(said.next_steps)
