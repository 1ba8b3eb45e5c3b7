"""The watcher dies between any two steps, and others take over: each minute is looked at, and people hear
of each thing once."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from collector.detect import spike
from collector.detect.gates import Facts
from collector.detect.memory import Memory
from collector.detect.spike_state import Known, State, Verdict
from collector.embedded.server import Server
from collector.metrics import Metrics
from collector.notify.chosen import ChannelConfig, PagerDutyConfig
from collector.notify.opening import channels as open_channels
from collector.notify.opening import opened
from collector.notify.posting import Poster
from collector.notify.sender import Sender
from collector.store.lease import Lease
from collector.watch import watched
from collector.watch.settling import Settling
from collector.watch.watcher import Watcher
from tests.conftest import Clock, fresh_database
from tests.make import NOON
from tests.notify.receiver import Receiver
from tests.watch.conftest import tick
from tests.watch.story import HOST, MINUTE, Story, another, receiver, reported
from tests.web.conftest import opened_site, site

__all__ = ["receiver", "site"]
_MOST = 200  # statements of one look


class Killed(BaseException):
    """As kill -9: no more is done."""


@dataclass
class Life:
    """Statements that a process has left to live; None: it lives on."""

    left: int | None = None
    is_over: bool = False

    def spend(self, connection: asyncpg.Connection) -> None:
        if self.left is not None:
            self.left -= 1
            self.is_over |= self.left < 0
        if self.is_over:
            connection.terminate()
            raise Killed


def mortal(life: Life) -> type[asyncpg.Connection]:
    """Connections of one process. Whatever a killed one had begun, Postgres takes back."""

    class Mortal(asyncpg.Connection):
        async def execute(self, *args: Any, **more: Any) -> Any:
            life.spend(self)
            return await super().execute(*args, **more)

        async def fetch(self, *args: Any, **more: Any) -> Any:
            life.spend(self)
            return await super().fetch(*args, **more)

        async def fetchval(self, *args: Any, **more: Any) -> Any:
            life.spend(self)
            return await super().fetchval(*args, **more)

        async def fetchrow(self, *args: Any, **more: Any) -> Any:
            life.spend(self)
            return await super().fetchrow(*args, **more)

    return Mortal


@dataclass
class Process:
    """A watcher and its sender, as a replica has them."""

    life: Life
    lease: Lease
    watcher: Watcher
    sender: Sender

    async def take_over(self) -> None:
        assert self.watcher.pool is not None
        await self.watcher.pool.execute(
            "UPDATE watcher_lease SET holder = $1, epoch = epoch + 1, renewed_at = clock_timestamp()",
            self.lease.holder,
        )
        await self.renew()

    async def renew(self) -> int:
        await self.lease.renew()
        assert self.lease.epoch is not None
        return self.lease.epoch

    async def dies(self, step: Callable[[int], Awaitable[Any]], after: int) -> bool:
        """Do a step, and die after so many statements of it. False: it came to its end before."""
        epoch = await self.renew()
        self.life.left = after
        try:
            await step(epoch)
            await self.sender.idle()
        except (Killed, asyncpg.InterfaceError, asyncpg.PostgresConnectionError):
            assert self.life.is_over
        self.life.left = None
        return self.life.is_over

    async def look(self) -> None:
        epoch = await self.renew()
        await self.watcher.look(epoch)
        await self.sender.round(epoch)
        await self.sender.idle()


@dataclass
class Replicas:
    """Starts processes on a story's database, one after another."""

    story: Story
    database_url: str
    poster: Poster
    configs: list[ChannelConfig]
    started: int = 0

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        self.started += 1
        life = Life()
        pool = await asyncpg.create_pool(
            self.database_url, min_size=0, max_size=4, connection_class=mortal(life)
        )
        clock, metrics = self.story.clock, Metrics()
        ways = open_channels(self.configs, self.poster)
        made = Process(
            life,
            Lease(pool, f"replica-{self.started}"),
            Watcher(pool, metrics, clock, Settling(pool, self.configs)),
            Sender(pool, ways, metrics, clock),
        )
        try:
            await made.take_over()
            yield made
            if not life.is_over:
                await made.sender.close()
        finally:
            pool.terminate()


@asynccontextmanager
async def stage(server: Server, receiver: Receiver) -> AsyncIterator[Replicas]:
    clock = Clock()
    async with (
        fresh_database(server) as url,
        asyncpg.create_pool(url, min_size=0, max_size=8) as pool,
        opened_site(url, pool, clock, {}) as opened_on,
        opened(clock) as poster,
    ):
        story = Story(opened_on, clock, receiver)
        await story.begin()
        config = PagerDutyConfig(name="oncall", routing_key="R" * 32, url=receiver.url)
        yield Replicas(story, url, poster, [config])


def incidents(receiver: Receiver) -> list[tuple[str, str]]:
    """What a receiver with keys made of what it was sent: (opened or closed, key), repeats aside."""
    told: list[tuple[str, str]] = []
    is_open: set[str] = set()
    for asked in receiver.asked:
        key, action = asked.json["dedup_key"], asked.json["event_action"]
        if action == "trigger" and key not in is_open:
            is_open.add(key)
            told.append(("opened", key))
        elif action == "resolve" and key in is_open:
            is_open.remove(key)
            told.append(("closed", key))
    return told


@dataclass
class Seen:
    """Of the stream that pages. scores: S of each minute, and what is open. skipped: minutes before
    which others with failures, or of an open spike, were left out."""

    scores: dict[int, tuple[float, str | None]]
    skipped: list[int]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    told, look = Seen({}, []), spike.look

    def noting(
        memory: Memory, state: State, facts: Facts, now: int, known: Known
    ) -> tuple[Verdict, State]:
        verdict, after = look(memory, state, facts, now, known)
        if facts.pages and facts.chains:
            told.scores[now] = verdict.score, verdict.severity and verdict.severity.value
            missed = memory.windows.between(state.evaluated_to + 1, now)
            if now > state.evaluated_to + 1 and (missed or state.incident):
                told.skipped.append(now)
        return verdict, after

    monkeypatch.setattr(watched, "look", noting)
    return told


async def test_killed_between_any_two_statements_a_break_is_one_page_and_one_end(
    server: Server, receiver: Receiver, seen: Seen
) -> None:
    async with stage(server, receiver) as replicas:
        story = replicas.story
        async with replicas.process() as first:
            await first.look()
        await story.rotate()
        deaths = {"open": 0, "deliver": 0, "resolve": 0, "tell": 0}

        async def until_done(what: str, pick: Callable[[Process], Any], fails: int) -> None:
            """Let a process die after 0, 1, 2... statements, until one gets to the end."""
            for after in range(_MOST):
                story.clock.now += 2 * MINUTE  # claims of the dead end by themselves
                if fails:
                    await story.fail(fails)
                await tick(story.site, "count")
                async with replicas.process() as process:
                    if not await process.dies(pick(process), after):
                        return
                    deaths[what] += 1
            raise AssertionError(f"{what}: no end after {_MOST} statements")

        story.clock.now += MINUTE
        await story.fail(12)
        await until_done("open", lambda process: process.watcher.look, fails=1)
        assert receiver.asked == []
        await until_done("deliver", lambda process: process.sender.round, fails=0)
        assert [what for what, _ in incidents(receiver)] == ["opened"]
        assert (
            len(receiver.asked) <= 2
        )  # once more where it died between sending and writing it down
        await story.rotate(another())
        async with replicas.process() as process:
            for _ in range(200):
                story.clock.now += MINUTE
                before = await story.site.pool.fetchval(
                    "SELECT state FROM detector_state WHERE host = $1", HOST
                )
                await process.watcher.look(await process.renew())
                state = await story.site.pool.fetchval("SELECT state FROM alert")
                if state == "resolved":
                    break
            assert state == "resolved"
        # Once more from the minute before: now it dies on its way.
        await story.site.pool.execute("UPDATE alert SET state = 'firing', ended_at = NULL")
        await story.site.pool.execute(
            "UPDATE detector_state SET state = $1 WHERE host = $2", before, HOST
        )
        await story.site.pool.execute("DELETE FROM delivery_out WHERE event = 'resolved'")
        await until_done("resolve", lambda process: process.watcher.look, fails=0)
        assert [what for what, _ in incidents(receiver)] == ["opened"]
        await until_done("tell", lambda process: process.sender.round, fails=0)
        async with replicas.process() as last:
            for _ in range(3):
                story.clock.now += MINUTE
                await last.look()
        assert [what for what, _ in incidents(receiver)] == ["opened", "closed"]
        assert len({key for _, key in incidents(receiver)}) == 1
        assert all(number > 3 for number in deaths.values()), deaths
        assert await story.site.pool.fetchval("SELECT count(*) FROM alert") == 1
        assert seen.skipped == []


async def usual(story: Story) -> None:
    """About two failures an hour for three weeks, more of them on some days and hours."""
    await story.site.pool.execute(
        "INSERT INTO counted_install (project, host, class, install, network, operator_network, at, within_cap,"
        " estimated, signature, app, app_version, platform)"
        " SELECT p.id, $1, 'self', sha256(n::text::bytea), sha256(n::text::bytea), sha256(n::text::bytea),"
        " $2::timestamptz - n * interval '30 minutes' - n * n % 89 * interval '11 minutes', true, false, '', '',"
        " '', 'IOS'"
        " FROM project p, generate_series(1, 1000) n",
        HOST, NOON,
    )  # fmt: skip


async def trial(replicas: Replicas, take_over_each: int | None) -> None:
    """Two hours and more: a usual hour, a bad rotation, its end."""
    story = replicas.story
    await usual(story)
    minutes = itertools.count(1)
    while True:
        async with replicas.process() as process:
            for _ in range(take_over_each or 10**6):
                minute = next(minutes)
                if minute > 180:
                    return
                story.clock.now += MINUTE
                if minute % 20 == 7 and minute < 60:
                    await story.fail(1, **reported(story.old))
                if minute == 61:
                    await story.rotate()
                if 62 <= minute < 80:
                    await story.fail(1 + minute % 3)
                if minute == 85:
                    await story.rotate(another())
                await tick(story.site, "count")
                await process.look()


async def test_twenty_take_overs_page_when_one_watcher_does(
    server: Server, receiver: Receiver, seen: Seen
) -> None:
    async with stage(server, receiver) as replicas:
        await trial(replicas, None)
        assert replicas.started == 1
    alone, heard = dict(seen.scores), [what for what, _ in incidents(receiver)]
    seen.scores.clear()
    receiver.asked.clear()
    async with stage(server, receiver) as replicas:
        await trial(replicas, 9)
        assert replicas.started >= 20
    assert heard == ["opened", "closed"]
    assert [what for what, _ in incidents(receiver)] == heard
    assert len(alone) >= 180
    assert {at for at, (_, severity) in alone.items() if severity == "page"}
    # To the last digit: who takes over has learned from each hour what was known of it then.
    assert seen.scores == alone
    assert seen.skipped == []
