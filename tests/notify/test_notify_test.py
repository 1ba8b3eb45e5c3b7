"""`pinfall notify-test`, over the API of a running collector, to real receivers."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from collector.app import collecting
from collector.cli import main
from collector.notify.chosen import ChannelConfig, PagerDutyConfig, SlackConfig
from collector.settings import Address, Settings
from tests.conftest import Clock
from tests.notify.receiver import SECRET, Receiver

LOCAL = Address("127.0.0.1", 0)


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
        code = await asyncio.to_thread(main, ["notify-test", *arguments])
        return Told(code, *self._capsys.readouterr())


@pytest.fixture
def configs(receiver: Receiver) -> list[ChannelConfig]:
    return [
        SlackConfig(name="slack", url=receiver.url),
        PagerDutyConfig(name="pager", routing_key=SECRET, url=receiver.url),
    ]


@pytest.fixture
async def command(
    database_url: str,
    clock: Clock,
    configs: list[ChannelConfig],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Command]:
    settings = Settings(database_url=database_url, public_address=LOCAL, operator_address=LOCAL)
    async with collecting(settings, clock, channels=configs) as collector:
        monkeypatch.setenv("PINFALL_URL", collector.operator_url())
        yield Command(capsys)


async def test_each_channel_says_what_became_of_it(
    command: Command, receiver: Receiver, pool: asyncpg.Pool
) -> None:
    told = await command()
    assert (told.code, told.err) == (0, "")
    lines = [line.split() for line in told.out.splitlines()]  # behind the log of the collector
    assert lines[-2:] == [["slack", "slack", "sent"], ["pager", "pagerduty", "sent"]]
    assert len(receiver.asked) == 2
    assert all("this is a test of Pinfall" in str(asked.json) for asked in receiver.asked)

    receiver.answers = ["404"]
    one = await command("slack")
    assert one.code == 1
    assert "failed: HTTP 404" in one.out
    assert SECRET not in one.out + one.err
    assert len(receiver.asked) == 3

    nobody = await command("nobody")
    assert (nobody.code, nobody.err) == (1, "pinfall: there is no channel 'nobody'\n")
    audit = await pool.fetch("SELECT action, subject, who FROM audit ORDER BY id")
    assert [tuple(row) for row in audit] == [
        ("channel.tested", "all channels", "this machine"),
        ("channel.tested", "slack", "this machine"),
    ]
    assert await pool.fetchval("SELECT count(*) FROM delivery_out") == 0


@pytest.mark.parametrize("configs", [[]])
async def test_without_a_channel(command: Command, configs: list[ChannelConfig]) -> None:
    told = await command()
    assert told.code == 1
    assert "[[channel]]" in told.err
