"""The rounds that send, against real servers and a real database."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from structlog.testing import capture_logs

from collector.alert import Acknowledged, Event, State
from collector.metrics import Metrics
from collector.notify.announce import announce
from collector.notify.blind import Blind
from collector.notify.channel import DeliveryError
from collector.notify.chosen import (
    AlertmanagerConfig,
    ChannelConfig,
    Heartbeat,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.notify.opening import channels
from collector.notify.posting import Poster
from collector.notify.repeating import beat, resend
from collector.notify.sender import Sender
from collector.store import alerts
from tests.conftest import Clock
from tests.make import NOON
from tests.notify.conftest import MINUTE, Box
from tests.notify.making import alert
from tests.notify.receiver import SECRET, Receiver, nobody, receiving

SECOND = timedelta(seconds=1)


class Site:
    """Channels of one receiver, and the sender of them."""

    def __init__(self, box: Box, poster: Poster, clock: Clock, *configs: ChannelConfig) -> None:
        self.box = box
        self.clock = clock
        self.configs = configs
        self.metrics = Metrics()
        self.ways = channels(configs, poster)
        self.sender = Sender(box.pool, self.ways, self.metrics, clock)

    async def announce(self, event: Event, *, epoch: int | None = None, **chosen: object) -> None:
        told = alert(**chosen)
        async with self.box.pool.acquire() as connection, connection.transaction():
            stored = await alerts.write(connection, told, epoch or self.box.epoch)
            await announce(
                connection, self.configs, stored, event, epoch=epoch or self.box.epoch,
                now=self.clock.now,
            )  # fmt: skip

    async def send(self, epoch: int | None = None) -> None:
        """A round, and what it began."""
        await self.sender.round(epoch or self.box.epoch)
        await self.sender.idle()

    def count(self, channel: str, result: str) -> float:
        value = self.metrics.registry.get_sample_value(
            "pinfall_deliveries_total", {"channel": channel, "result": result}
        )
        assert value is not None
        return value


def hook(receiver: Receiver, name: str = "hook") -> WebhookConfig:
    return WebhookConfig(name=name, url=f"{receiver.url}/{name}", secret=SECRET)


async def test_from_an_alert_to_its_receivers(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    slack = SlackConfig(name="slack", url=f"{receiver.url}/slack")
    pager = PagerDutyConfig(name="pager", routing_key=SECRET, url=f"{receiver.url}/pager")
    site = Site(box, poster, clock, slack, pager)
    assert site.count("slack", "sent") == 0  # there from the start
    await site.announce(Event.FIRED)
    await site.send()
    await site.send()
    await site.announce(Event.RESOLVED, state=State.RESOLVED)
    await site.send()
    assert sorted(asked.path.rpartition(f"{SECRET}/")[2] for asked in receiver.asked) == [
        "pager/v2/enqueue", "pager/v2/enqueue", "slack", "slack",
    ]  # fmt: skip
    assert [site.count(name, "sent") for name in ("slack", "pager")] == [2, 2]
    assert {state for _, state in await box.states()} == {"sent"}


async def test_what_a_person_did_is_told_without_an_epoch(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    pager = PagerDutyConfig(name="pager", routing_key=SECRET, url=receiver.url)
    site = Site(box, poster, clock, pager, hook(receiver))
    await site.announce(Event.FIRED)
    async with box.pool.acquire() as connection, connection.transaction():
        told = await alerts.acknowledge(connection, "a1", Acknowledged("ada", NOON))
        await announce(
            connection, site.configs, told, Event.ACKNOWLEDGED, epoch=None, now=clock.now
        )
    await site.send()
    actions = [asked.json["event_action"] for asked in receiver.asked if "v2" in asked.path]
    assert actions == ["trigger", "acknowledge"]
    assert len(receiver.asked) == 3


async def test_tried_again_and_given_up_and_nothing_told_of_where(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    receiver.answers = ["500", "429 120", "404"]
    await site.announce(Event.FIRED)
    with capture_logs() as logs:
        waits = []
        for _ in range(3):
            await site.send()
            waits.append(await box.pool.fetchval("SELECT due_at FROM delivery_out") - clock.now)
            clock.now = await box.pool.fetchval("SELECT due_at FROM delivery_out")
    assert waits[:2] == [10 * SECOND, 120 * SECOND]
    (row,) = await box.pool.fetch("SELECT state, tries, last_error FROM delivery_out")
    assert tuple(row) == ("given_up", 3, "HTTP 404")
    assert [site.count("hook", result) for result in ("sent", "retried", "given_up")] == [0, 2, 1]
    everything = f"{logs} {await box.pool.fetch('SELECT * FROM delivery_out, alert')}"
    assert SECRET not in everything
    assert str(receiver.port) not in everything
    assert [line["event"] for line in logs] == [
        "delivery.failed", "delivery.failed", "delivery.given_up",
    ]  # fmt: skip


async def test_a_slow_channel_delays_no_other(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    async with receiving() as slow:
        slow.answers = ["slow"]
        site = Site(box, poster, clock, hook(slow, "slow"), hook(receiver))
        await site.announce(Event.FIRED)
        async with asyncio.timeout(30):  # the slow one alone would take as long as it may
            await site.sender.round(box.epoch)
            assert len(receiver.asked) == 1
            await site.announce(Event.CAUSE_CHANGED, summary="more")
            await site.sender.round(box.epoch)
            assert len(receiver.asked) == 2
        assert len(slow.asked) == 1  # and nobody asks it twice at a time
        await site.sender.close()
    assert site.count("hook", "sent") == 2


async def test_many_at_once_are_all_sent_once(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    for n in range(25):
        await site.announce(Event.FIRED, id=f"a{n}", host=f"h{n}.example")
    await site.send()
    told = [asked.json["id"] for asked in receiver.asked]
    assert sorted(told) == sorted(f"a{n}" for n in range(25))


async def test_a_crash_between_sending_and_settling_repeats(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    await site.announce(Event.FIRED)
    receiver.answers = ["slow", "200"]
    begun = asyncio.create_task(site.sender.round(box.epoch))
    async with asyncio.timeout(30):
        while not receiver.asked:
            await asyncio.sleep(0.01)
    begun.cancel()
    await site.sender.close()  # the process ends while nobody knows whether it was taken
    another = Site(box, poster, clock, hook(receiver))
    await another.send()
    assert len(receiver.asked) == 1
    clock.now += MINUTE
    await another.send()
    first, second = (asked.headers["Pinfall-Delivery"] for asked in receiver.asked)
    assert first == second
    assert await box.states() == [("fired", "sent")]


async def test_who_was_overtaken_sends_and_settles_nothing(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    await site.announce(Event.FIRED)
    new = await box.taken_over()
    await site.send()
    assert receiver.asked == []
    await site.send(new)
    assert len(receiver.asked) == 1
    # One that was on its way when another took over is sent again by that one.
    await site.announce(Event.CAUSE_CHANGED, epoch=new)
    receiver.answers = ["held"]
    begun = asyncio.create_task(site.sender.round(new))
    async with asyncio.timeout(30):
        while len(receiver.asked) < 2:
            await asyncio.sleep(0.01)
        await box.pool.execute("UPDATE watcher_lease SET epoch = epoch + 1")
        receiver.release.set()
        await begun
        await site.sender.idle()
    assert site.count("hook", "sent") == 1
    assert (await box.states())[-1] == ("cause_changed", "waiting")


async def test_postgres_away_is_told_and_over_when_it_is_back(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    site = Site(box, poster, clock, hook(receiver))
    await site.announce(Event.FIRED)
    await box.pool.execute("ALTER TABLE delivery_out RENAME TO away")
    with pytest.raises(asyncpg.PostgresError):
        await site.send()
    await box.pool.execute("ALTER TABLE away RENAME TO delivery_out")
    await site.send()
    assert len(receiver.asked) == 1


async def test_alertmanager_is_told_again_of_what_it_knows(
    box: Box, poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    manager = AlertmanagerConfig(name="am", url=receiver.url)
    site = Site(box, poster, clock, manager, hook(receiver))
    await site.announce(Event.FIRED, id="a1")
    await site.announce(Event.FIRED, id="b1", host="b.example")
    silenced = alert(id="c1", host="c.example")  # nobody is to hear of it
    async with box.pool.acquire() as connection, connection.transaction():
        await alerts.write(connection, silenced, box.epoch)
    await site.send()
    receiver.asked.clear()

    async def again(epoch: int = box.epoch) -> list[tuple[str, str]]:
        """(host, end) of what it is told."""
        receiver.asked.clear()
        await resend(box.pool, site.ways, epoch, clock)
        told = [one for asked in receiver.asked for one in asked.json]
        return sorted({(one["labels"]["host"], one["endsAt"][11:16]) for one in told})

    assert await again() == [("api.example.com", "18:00"), ("b.example", "18:00")]
    clock.now = NOON + timedelta(hours=1)
    await site.announce(Event.RESOLVED, id="b1", host="b.example", state=State.RESOLVED)
    # What ended is told once more, in case that a late repetition revived it.
    assert await again() == [("api.example.com", "19:00"), ("b.example", "13:00")]
    clock.now += 16 * MINUTE
    assert await again() == [("api.example.com", "19:16")]
    assert await again(epoch=box.epoch - 1) == []
    receiver.answers = ["500"]
    with pytest.raises(DeliveryError):
        await again()


async def test_the_heartbeat(poster: Poster, receiver: Receiver) -> None:
    await beat(poster, Heartbeat(receiver.url))
    assert receiver.asked[0].method == "GET"
    receiver.answers = ["503"]
    with pytest.raises(DeliveryError) as caught:
        await beat(poster, Heartbeat(receiver.url))
    assert SECRET not in str(caught.value)


class Sight:
    """Whoever is told that nobody watches: one page channel, which may be away."""

    def __init__(self, poster: Poster, clock: Clock, receiver: Receiver) -> None:
        self.receiver = receiver
        configs = (
            PagerDutyConfig(name="pager", routing_key=SECRET, url=receiver.url),
            SlackConfig(name="slack", url=receiver.url),  # no page channel: hears nothing
        )
        self.blind = Blind(channels(configs, poster), clock)

    async def tell(self, is_blind: bool) -> list[str]:
        """What it heard."""
        self.receiver.asked.clear()
        await self.blind.tell(is_blind, "Postgres does not answer")
        return [asked.json["event_action"] for asked in self.receiver.asked]


async def test_blindness_is_told_straight_and_seldom(
    poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    sight = Sight(poster, clock, receiver)
    told = [await sight.tell(False)]  # one of before may have left it open
    told += [await sight.tell(True), await sight.tell(True), await sight.tell(False)]
    assert told == [["resolve"], ["trigger"], [], ["resolve"]]
    assert await sight.tell(False) == []
    clock.now += 59 * MINUTE
    assert await sight.tell(True) == []  # at most one an hour
    clock.now += MINUTE
    assert await sight.tell(True) == ["trigger"]
    assert "Postgres does not answer" in receiver.asked[0].json["payload"]["summary"]
    clock.now += 60 * MINUTE
    assert await sight.tell(True) == ["trigger"]
    assert receiver.asked[0].json["dedup_key"] == "pinfall/watcher-blind"


async def test_who_could_not_be_told_is_told_later(
    poster: Poster, clock: Clock, receiver: Receiver
) -> None:
    sight = Sight(poster, clock, receiver)
    await sight.tell(False)
    receiver.answers = ["500", "200", "500", "200"]
    told = [await sight.tell(state) for state in (True, True, True, False, False, False)]
    assert told == [["trigger"], ["trigger"], [], ["resolve"], ["resolve"], []]


async def test_a_receiver_that_is_not_there_is_told_of_by_name(
    box: Box, poster: Poster, clock: Clock
) -> None:
    config = SlackConfig(name="slack", url=f"http://127.0.0.1:{await nobody()}/{SECRET}")
    site = Site(box, poster, clock, config)
    await site.announce(Event.FIRED)
    await site.send()
    (row,) = await box.pool.fetch("SELECT channel, last_error FROM delivery_out")
    assert tuple(row) == ("slack", "ClientConnectorError: Connection refused")
