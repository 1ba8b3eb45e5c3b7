"""`pinfall alerts` against a running collector, as on-call uses it."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from collector.alert import Cause, Fact, Link, Severity, State, Turn
from collector.cli import main
from collector.commands.rotation import local
from tests.commands.process import pinfall
from tests.conftest import Clock
from tests.make import NOON, PIN_A
from tests.notify.making import alert
from tests.web.conftest import Site, chosen, site
from tests.web.firing import fire, nobody_watches, owe

__all__ = ["chosen", "nobody_watches", "site"]
ATTACK = "\u202e\x1b[31m\nx\x07"
_LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[")
SINCE = local("2026-11-20T12:00:00Z")


@dataclass
class Told:
    code: int
    out: str
    err: str


class Command:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    async def __call__(self, *arguments: str) -> Told:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, ["alerts", *arguments])
        out, err = self._capsys.readouterr()
        # The collector that answers logs to the same place.
        lines = [line for line in out.splitlines(keepends=True) if not _LOG.match(line)]
        return Told(code, "".join(lines), err)


@pytest.fixture
async def command(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    monkeypatch.setenv("PINFALL_URL", site.operator)
    return Command(capsys)


async def test_what_fires_is_listed(site: Site, command: Command) -> None:
    assert (await command("list")).out == "nothing fires\n"
    assert (await command("list", "--state", "all")).out == "no alert\n"
    await fire(site, id="3f2a9c01" + "0" * 24)
    await fire(site, id="77" * 16, host="b.example.com", severity=Severity.TICKET, summary="slow")
    await fire(site, id="88" * 16, state=State.RESOLVED)
    told = await command("list")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [
        f"3f2a9c01  {SINCE}  page  firing  default  api.example.com: 42 installs of wallet reject our own new leaf",
        f"77777777  {SINCE}  ticket  firing  default  slow",
    ]
    assert "resolved" in (await command("list", "--state", "resolved")).out
    assert (await command("list", "--host", "b.example.com")).out.count("\n") == 1
    found = json.loads((await command("list", "--state", "all", "--json")).out)["alerts"]
    assert len(found) == 3


async def test_ids_that_begin_alike_are_listed_whole(site: Site, command: Command) -> None:
    for n in "ab":
        await fire(site, id="0" * 31 + n, host=f"{n}.example.com")
    assert {line.split()[0] for line in (await command("list")).out.splitlines()} == {
        "0" * 31 + n for n in "ab"
    }
    told = await command("show", "000")
    assert (told.code, told.out) == (1, "")
    assert told.err == "pinfall: '000' is the beginning of 2 alerts: say more of it\n"
    assert (await command("show", "0" * 31 + "a")).code == 0


async def test_one_alert_says_all_there_is(site: Site, command: Command) -> None:
    made = await fire(site)
    await owe(site, made, "slack")
    told = await command("show", "a1")
    for text in (
        "api.example.com in 'default'", "own_rotation (93 % sure)", "4 min after the rotation",
        "42 installs on 17 networks, 3.1 % of connections; 0.4 are usual", "4.2.0, 4.1.9", "IOS",
        "CN=api.example.com, until", f"sha256/{PIN_A}", "done, declared, probed",
        "Serve the old leaf again until 4.3.0 is out.", "https://pinfall.example/alerts/a1",
        f"{SINCE}  slack: fired, waiting",
    ):  # fmt: skip
        assert text in told.out, text
    found = json.loads((await command("show", "a1", "--json")).out)
    assert found["timeline"]["deliveries"][0]["channel"] == "slack"


async def test_what_on_call_does(site: Site, command: Command, clock: Clock) -> None:
    await fire(site, id="3f2a9c01")
    told = await command("ack", "3f2")
    assert told.out == f"alert 3f2a9c01: acknowledged by this machine at {SINCE}\n"
    clock.now = datetime.now(UTC)  # how long a silence lasts counts from this machine's clock
    told = await command("silence", "3f2", "--for", "4h", "--note", "rolling back")
    assert told.out.startswith("alert 3f2a9c01: silenced until 20")
    until = (await site.call("GET", "/api/v1/alerts/3f2a9c01")).json["silenced_until"]
    assert abs(datetime.fromisoformat(until) - clock.now - timedelta(hours=4)) < timedelta(
        minutes=9
    )
    line = (await command("list")).out
    assert "acknowledged by this machine  silenced until 20" in line
    assert (await command("silence", "3f2", "--end")).out == "alert 3f2a9c01: no longer silenced\n"
    assert (await command("note", "3f2", "asked the CDN")).out == "alert 3f2a9c01: noted\n"
    told = await command("resolve", "3f2", "--note", "old chain is back")
    assert told.out == "alert 3f2a9c01: is resolved with the watcher's next look\n"
    shown = (await command("show", "3f2")).out
    for text in (
        "this machine: acknowledged", "this machine: asked the CDN", "Z: rolling back",
        "this machine: resolved by hand: old chain is back",
        "with the watcher's next look: acknowledge, silence, silence, resolve",
    ):  # fmt: skip
        assert text in shown, text
    said = [
        shown.index(text) for text in ("acknowledged\n", "rolling back", "asked the CDN", "by hand")
    ]
    assert said == sorted(said)


async def test_closed_as_forged(site: Site, command: Command) -> None:
    await fire(site)
    told = await command("resolve", "a1", "--forged")
    assert told.out == "alert a1: is closed as forged with the watcher's next look\n"
    await fire(site, state=State.RESOLVED)
    told = await command("ack", "a1")
    assert (told.code, told.err[:36]) == (1, "pinfall: this alert was resolved at ")


@pytest.mark.parametrize(("arguments", "words"), [
    (("show", "nobody"), "there is no alert 'nobody'"),
    (("silence", "a1", "--for", "4 hours"), "--for: '4 hours' is no time such as 30m"),
    (("silence", "a1", "--for", "99999d"), "for: should lie ahead"),
    (("silence", "a1", "--until", "tomorrow"), "--until: 'tomorrow' is no time"),
    (("silence", "a1", "--until", "2020-01-01T00:00Z"), "until: should lie ahead"),
    (("note", "a1", " "), "note: is missing"),
    (("note", "a1", "n" * 1001), "note: should be at most 1000"),
])  # fmt: skip
async def test_mistakes_are_one_line(
    site: Site, command: Command, arguments: tuple[str, ...], words: str
) -> None:
    await fire(site)
    told = await command(*arguments)
    assert (told.code, told.out) == (1, "")
    assert told.err.count("\n") == 1
    assert words in told.err


async def test_nothing_of_a_report_reaches_the_terminal(site: Site, command: Command) -> None:
    plain = alert()
    await fire(
        site, summary=ATTACK, apps=(ATTACK,), pins=(ATTACK,), next_steps=(ATTACK,),
        cause=Cause("unknown", 0.5, (Fact(ATTACK, ATTACK),)),
        reach=replace(plain.reach, app_versions=(ATTACK,), platforms=(ATTACK,)),
        chain=(Link(ATTACK, ATTACK, ATTACK, NOON),), rotation=Turn(NOON, ATTACK, (ATTACK,), ATTACK),
    )  # fmt: skip
    for action in (("list",), ("show", "a1")):
        out = (await command(*action)).out
        assert "\\u202e\\u001b[31m\\u000ax\\u0007" in out
        assert not [c for c in out if not c.isprintable() and c != "\n"]


def test_help_shows_examples() -> None:
    actions: list[tuple[str, ...]] = [
        (),
        *((a,) for a in ("list", "show", "ack", "silence", "resolve", "note")),
    ]
    for action in actions:
        told = pinfall("alerts", *action, "--help")
        assert told.returncode == 0
        assert "pinfall alerts silence 3f2a --for 4h" in told.stdout
    assert pinfall("alerts", "silence", "a1").returncode == 2  # how long?
