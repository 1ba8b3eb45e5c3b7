"""Bodies by templates, each in a process of its own."""

import time
from pathlib import Path

import pytest

from collector.notify import render, templating
from collector.notify.channel import DeliveryError
from collector.notify.chosen import WebhookConfig
from collector.notify.opening import channel, opened
from collector.notify.templating import rendered
from collector.notify.webhook import offered
from tests.conftest import Clock
from tests.notify.making import alert, message
from tests.notify.receiver import SECRET, Receiver


async def test_a_body_of_ones_own_is_signed_too(receiver: Receiver, clock: Clock) -> None:
    template = '{"text": "{{ title }}", "at": {{ alert.started_at | tojson }}}'
    config = WebhookConfig(name="c", url=receiver.url, secret=SECRET, template=template)
    async with opened(clock) as poster:
        quoted = message(of=alert(summary='a "b" \\ c'))
        await channel(config, poster).send(quoted)
    (asked,) = receiver.asked
    assert asked.json == {"text": 'Page: a "b" \\ c', "at": "2026-11-20T12:00:00Z"}
    assert "Pinfall-Signature" in asked.headers


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("no json", "the template makes no JSON"),
        ("{{ nothing }}", "UndefinedError"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{{ alert.apps.append('x') }}", "SecurityError"),
        ("{% include 'mail.txt.j2' %}", "TypeError"),
        ("{% for i in range(99999) %}{{ 'x' * 99 }}{% endfor %}", "more than 65536 characters"),
        ("{{ 'x' * 10 ** 11 }}", "MemoryError"),
        ("{{ range(10 ** 9) }}", "OverflowError"),
    ],
)
async def test_at_fault(template: str, words: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        await rendered(template, offered(message(of=alert(summary=SECRET))))
    assert words in str(caught.value)
    assert caught.value.permanent
    assert SECRET not in str(caught.value)


async def test_a_loop_ends() -> None:
    loop = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}1"
    began = time.monotonic()
    with pytest.raises(DeliveryError, match="more than 2 s of work") as caught:
        await rendered(loop, offered(message()))
    assert caught.value.permanent
    assert time.monotonic() - began >= render.SECONDS


async def test_it_sees_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a way out of the sandbox would find."""
    monkeypatch.setenv("PINFALL_TEST_SECRET", SECRET)
    program = tmp_path / "tell.py"
    program.write_text(
        "import json, os, sys; print(json.dumps([*os.environ.values(), *sys.argv[1:]]))"
    )
    monkeypatch.setattr(templating, "_PROGRAM", program)
    assert SECRET not in (await rendered("", {})).decode()
