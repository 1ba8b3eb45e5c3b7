from pathlib import Path

import pytest

from collector.alert import Audience, Severity
from collector.errors import SettingsError
from collector.notify.chosen import (
    AlertmanagerConfig,
    EmailConfig,
    Heartbeat,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.notify.config import read_channels, read_heartbeat
from tests.notify.receiver import SECRET

URL = f"https://hooks.example/{SECRET}"
ENVIRON = {"URL": URL, "KEY": f" {SECRET}\n", "EMPTY": " ", "NONSENSE": "not a url", "TWO": "a\nb"}


def test_one_of_each(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    (tmp_path / "body.j2").write_text('{"text": "{{ title }}"}')
    told: list[dict[str, object]] = [
        {"name": "slack", "type": "slack", "url": "env:URL", "hosts": ["*.Example.com"],
         "audience": "security", "environments": ["production", "staging"]},
        {"name": "pager", "type": "pagerduty", "routing_key": "file:key"},
        {"name": "am", "type": "alertmanager", "url": "http://am:9093/", "min_severity": "page",
         "audience": "all"},
        {"name": "hook", "type": "webhook", "url": "env:URL", "secret": "env:KEY",
         "template": "body.j2", "proxy": "http://proxy:3128"},
        {"name": "mail", "type": "email", "host": "mail.example", "from": "p@example.com",
         "to": ["a@example.com"], "username": "p", "password": f"file:{tmp_path}/key", "tls": "tls"},
    ]  # fmt: skip
    read = read_channels(told, ENVIRON, tmp_path)
    assert read == [
        SlackConfig(name="slack", url=URL, hosts=("*.example.com",), audience=Audience.SECURITY,
                    environments=frozenset({"production", "staging"})),
        PagerDutyConfig(name="pager", routing_key=SECRET),
        AlertmanagerConfig(name="am", url="http://am:9093", min_severity=Severity.PAGE),
        WebhookConfig(name="hook", url=URL, secret=SECRET, template='{"text": "{{ title }}"}',
                      proxy="http://proxy:3128"),
        EmailConfig(name="mail", host="mail.example", port=465, sender="p@example.com",
                    to=("a@example.com",), username="p", password=SECRET, tls="tls"),
    ]  # fmt: skip
    assert read[1].min_severity is Severity.PAGE
    assert [config.type for config in read] == [told["type"] for told in told]
    assert SECRET not in repr(read)


def mail(**more: object) -> dict[str, object]:
    return {"name": "c", "type": "email", "host": "m", "from": "a@b.c", "to": ["a@b.c"], **more}


def slack(**more: object) -> dict[str, object]:
    return {"name": "c", "type": "slack", "url": "env:URL", **more}


def hook(**more: object) -> dict[str, object]:
    return {"name": "c", "type": "webhook", "url": "env:URL", **more}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"type": "slack", "url": "env:URL"}, "channel 1: name: should be letters"),
        (slack(name="a b"), "channel 1: name: should be letters"),
        ({"name": "c", "type": "sms"}, "channel 'c': type: should be slack, pagerduty"),
        ({"name": "c", "type": ["slack"]}, "channel 'c': type: should be slack, pagerduty"),
        ({"name": "c", "type": "slack"}, "channel 'c': url: is needed"),
        (slack(url=URL), "channel 'c': url: is a secret: write env:NAME or file:PATH"),
        (slack(url="env:"), "is a secret"),
        (slack(url=7), "url: should be a text"),
        (slack(url="env:NOBODY"), "the environment has no NOBODY"),
        (slack(url="env:EMPTY"), "the environment has no EMPTY"),
        (slack(url="env:NONSENSE"), "url: should be an address of http or https"),
        (slack(url="file:nothing"), "nothing: No such file or directory"),
        (slack(url="file:."), ".: Is a directory"),
        (slack(ulr="x"), "'ulr': no such key for slack; is it url?"),
        (slack(routing_key="env:KEY"), "'routing_key': no such key for slack"),
        (slack(min_severity="info"), "min_severity: should be ticket, page"),
        (slack(audience="me"), "audience: should be oncall, security, all"),
        (slack(environments=["prod"]), "environments: should be production, staging, debug"),
        (slack(environments="production"), "environments: should be a list of texts"),
        (slack(hosts=["a b"]), "hosts: 'a b' is no host name"),
        ({"name": "c", "type": "pagerduty", "routing_key": SECRET}, "routing_key: is a secret"),
        ({"name": "c", "type": "pagerduty", "routing_key": "env:TWO"}, "holds is no line of ASCII"),
        ({"name": "c", "type": "alertmanager", "url": f"http://u:{SECRET}@am"}, "should hold no user"),
        ({"name": "c", "type": "alertmanager", "url": "ftp://am"}, "an address of http or https"),
        ({"name": "c", "type": "alertmanager", "url": "http://am:99999"}, "an address of http or https"),
        ({"name": "c", "type": "alertmanager", "url": f"http://am?k={SECRET}"}, "should have no query"),
        (hook(template="nothing"), "template: nothing: No such file"),
        (hook(template="wrong.j2"), "template: line 2: "),
        (mail(to=[]), "to: should name somebody"),
        (mail(to=["Ada <a@b.c>"]), "to: 'Ada <a@b.c>' is no plain address"),
        (mail(to=["a@b.c\r\nBcc: x@y.z"]), "is no plain address"),
        (mail(host="m:25"), None),
        (mail(host="m/x"), "host: should be the name or address of a mail server"),
        (mail(port="25"), "port: should be a number from 1 to 65535"),
        (mail(tls="maybe"), "tls: should be starttls, tls, none"),
        (mail(username="u"), "username and password: give both"),
        (mail(username="u", password="env:KEY", tls="none"), "a password needs starttls or tls"),
    ],
)  # fmt: skip
def test_a_mistake_is_a_line_without_the_secret(
    told: dict[str, object], words: str | None, tmp_path: Path
) -> None:
    (tmp_path / "wrong.j2").write_text("{\n{{ }}\n}")
    if words is None:
        assert read_channels([told], ENVIRON, tmp_path)
        return
    with pytest.raises(SettingsError) as caught:
        read_channels([told], ENVIRON, tmp_path)
    (line,) = str(caught.value).splitlines()
    assert words in line
    assert SECRET not in line


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_channels(
            [slack(), slack(), slack(name="d", url=URL, min_severity="x"), mail(name="e", to=1)],
            ENVIRON,
            tmp_path,
        )
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "channel 'd'", "channel 'd'", "channel 'e'", "channel 'c'",
    ]  # fmt: skip


def test_the_heartbeat(tmp_path: Path) -> None:
    assert read_heartbeat({"url": "env:URL"}, ENVIRON, tmp_path) == Heartbeat(URL)
    assert SECRET not in repr(Heartbeat(URL))
    for told in ({}, {"url": URL}, {"url": "env:URL", "every": 5}):
        with pytest.raises(SettingsError) as caught:
            read_heartbeat(told, ENVIRON, tmp_path)
        assert SECRET not in str(caught.value)
