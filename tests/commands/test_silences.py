"""Silences from a terminal: made ahead of time, listed, ended."""

from __future__ import annotations

import json

import pytest

from collector.commands.rotation import local
from tests.commands.process import pinfall
from tests.commands.test_alerts import ATTACK, Command, command
from tests.make import trustkit_ios
from tests.web.conftest import Site, chosen, site
from tests.web.firing import fire, nobody_watches

__all__ = ["chosen", "command", "nobody_watches", "site"]
SINCE, UNTIL = local("2026-11-20T12:00:00Z"), local("2026-11-20T14:00:00Z")


@pytest.fixture
async def signature(site: Site) -> str:
    await site.post(trustkit_ios(), address="127.0.0.1")
    return str(await site.pool.fetchval("SELECT encode(id, 'hex') FROM signature"))


async def test_they_are_made_listed_and_ended(site: Site, command: Command, signature: str) -> None:
    assert (await command("silences")).out == "nothing is silenced\n"
    assert (await command("silences", "--all")).out == "no silence\n"
    await fire(site)
    told = await command("silence", "--host", "*.Example.com", "--for", "2h", "--note", "load test")
    assert (told.code, told.err) == (0, "")
    assert told.out == f"silence 1: every alert of *.example.com, until {UNTIL} (fires: a1)\n"
    told = await command("silence", "--signature", signature, "--for", "3h")
    of = f"signature {signature} of api.example.com in 'default'"
    assert told.out.startswith(f"silence 2: {of}, until ")
    told = await command("silence", "--network", "203.0.113.0/24", "--until", "2026-11-20T13:00Z")
    assert told.out.startswith("silence 3: network 203.0.113.0/24, until ")
    await command("silence", "a1", "--for", "4h", "--note", "known")
    lines = (await command("silences")).out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["3", "1", "2", "4"]
    assert lines[1] == (
        f"1  was until {UNTIL}  every alert of *.example.com  by this machine at {SINCE}  load test"
    )  # by this machine's clock, which is not that of the test
    assert lines[3].endswith(
        f"alert a1 of api.example.com in 'default'  by this machine at {SINCE}  known"
    )
    told = await command("unsilence", "2")
    assert told.out == f"silence 2: ended, it was of {of}\n"
    assert (await command("unsilence", "4")).out.endswith("(fires: a1)\n")
    found = json.loads((await command("silences", "--all", "--json")).out)["silences"]
    assert [(one["id"], one["ended_by"]) for one in found] == [
        (3, None), (1, None), (2, "this machine"), (4, "this machine"),
    ]  # fmt: skip
    assert f"2  ended {SINCE} by this machine" in (await command("silences", "--all")).out


@pytest.mark.parametrize(("arguments", "words"), [
    (("silence", "--for", "1h"), "say what: the ID of an alert, or --host, --signature, --network"),
    (("silence", "--host", "a.example", "--end"), "--end: is of one alert"),
    (("silence", "a1", "--host", "a.example", "--for", "1h"), "--host: cannot be said with the ID"),
    (("silence", "--network", "203.0.113.7/24", "--for", "1h"), "say 203.0.113.0/24"),
    (("silence", "--network", "10.0.0.0/7", "--for", "1h"), "10.0.0.0/7 is wider than a /8"),
    (("silence", "--network", "office", "--for", "1h"), "'office' is no CIDR such as 203.0.113.0/24"),
    (("silence", "--network", "1.2.3.4", "--kind", "wrong_pins", "--for", "1h"), "kind: cannot be said"),
    (("silence", "--signature", "5f0c", "--for", "1h"), "'5f0c': should be 32 hexadecimal digits"),
    (("silence", "--signature", "0" * 32, "--for", "1h"), "there is no such signature"),
    (("silence", "--host", "a.example", "--for", "1 h"), "--for: '1 h' is no time such as 30m"),
    (("silence", "--host", "a.example", "--until", ATTACK), "--until: '\\u202e\\u001b[31m"),
    (("silence", "--kind", "all", "--for", "1h"), "kind: should be one of pin_failure_spike"),
    (("unsilence", "7"), "there is no silence 7"), (("unsilence", "x"), "there is no such silence"),
])  # fmt: skip
async def test_mistakes_are_one_line(
    site: Site, command: Command, arguments: tuple[str, ...], words: str
) -> None:
    await fire(site)
    told = await command(*arguments)
    assert (told.code, told.out) == (1, "")
    assert told.err.count("\n") == 1
    assert words in told.err
    assert (await command("silences", "--all")).out == "no silence\n"


async def test_nothing_of_a_note_reaches_the_terminal(site: Site, command: Command) -> None:
    await command("silence", "--host", "a.example", "--for", "1h")
    await site.pool.execute("UPDATE silence SET note = $1, created_by = $1, host = $1", ATTACK)
    out = (await command("silences")).out
    assert "\\u202e\\u001b[31m\\u000ax\\u0007" in out
    assert not [c for c in out if not c.isprintable() and c != "\n"]


def test_help_shows_examples() -> None:
    for action in ("silence", "silences", "unsilence"):
        told = pinfall("alerts", action, "--help")
        assert told.returncode == 0
        assert "pinfall alerts silence --network 203.0.113.0/24" in told.stdout
