"""What channels are owed, in a real database."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from collector.alert import Acknowledged, Event, Severity, State
from collector.store import alerts, lease, outbox
from collector.store.lease import StaleEpochError
from collector.store.outbox import Owed
from tests.make import NOON
from tests.notify.conftest import MINUTE, Box
from tests.notify.making import alert

SLACK = Owed("slack")
PAGER = Owed("pager", joins=True, keyed=True)
PHONE = Owed("phone", joins=True)


async def test_an_alert_and_what_is_owed_are_one_transaction(box: Box) -> None:
    with pytest.raises(asyncpg.NotNullViolationError):
        await box.put(alert(), Event.FIRED, SLACK, Owed("x"), now=None)  # type: ignore[arg-type]
    assert await box.pool.fetchval("SELECT count(*) FROM alert") == 0
    await box.put(alert(), Event.FIRED, SLACK)
    (one,) = await box.claim("slack")
    assert (one.message.alert, one.message.event, one.tries) == (alert(), Event.FIRED, 1)
    assert one.message.thread == alert().dedup_key


async def test_a_crash_between_claim_and_settling_repeats(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    (first,) = await box.claim("slack")
    assert await box.claim("slack", NOON + MINUTE - timedelta(seconds=1)) == []
    (second,) = await box.claim("slack", NOON + MINUTE)
    assert (second.message, second.tries) == (first.message, 2)
    assert await box.sent(second)
    assert await box.claim("slack", NOON + 10 * MINUTE) == []
    assert not await box.sent(first)


async def test_what_nobody_answered_is_claimed_by_one(box: Box) -> None:
    for n in range(20):
        await box.put(alert(id=f"n{n}", host=f"h{n}.example"), Event.FIRED, SLACK)
    claims = await asyncio.gather(*(box.claim("slack", most=5) for _ in range(6)))
    ids = [one.id for claimed in claims for one in claimed]
    assert len(ids) == len(set(ids))
    assert len(ids) + len(await box.claim("slack", most=20)) == 20


async def test_states_of_an_alert_go_out_in_order_and_channels_apart(box: Box) -> None:
    await box.put(alert(severity=Severity.TICKET), Event.FIRED, SLACK, Owed("mail"))
    await box.put(alert(), Event.BECAME_PAGE, SLACK, Owed("mail"))
    (fired,) = await box.claim("slack")
    assert fired.message.event is Event.FIRED
    assert fired.message.alert.severity is Severity.TICKET
    assert await box.claim("slack") == []  # the second waits for the first
    later = NOON + 30 * timedelta(seconds=1)
    async with box.pool.acquire() as connection:
        assert await outbox.failed(
            connection, fired.id, error="HTTP 500", again=later, epoch=box.epoch, now=NOON
        )
    assert await box.claim("slack") == []  # and while it waits to be tried again
    assert await box.all_sent("mail") == [
        ("pinfall/a1", Event.FIRED), ("pinfall/a1", Event.BECAME_PAGE),
    ]  # fmt: skip
    (again,) = await box.claim("slack", later)
    assert (again.id, again.tries) == (fired.id, 2)
    async with box.pool.acquire() as connection:
        assert await outbox.failed(
            connection, fired.id, error="HTTP 404", again=None, epoch=box.epoch, now=later
        )
    (became,) = await box.claim("slack", later)  # what was given up holds nothing back
    assert became.message.event is Event.BECAME_PAGE


async def test_a_page_goes_before_tickets(box: Box) -> None:
    for n in range(5):
        await box.put(
            alert(id=f"t{n}", host=f"h{n}.example", severity=Severity.TICKET), Event.FIRED, SLACK
        )
    await box.put(alert(), Event.FIRED, SLACK)
    (one,) = await box.claim("slack", most=1)
    assert one.message.alert.id == "a1"


async def test_nobody_is_woken_for_what_is_over(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    await box.put(alert(), Event.CAUSE_CHANGED, SLACK)
    await box.put(alert(state=State.RESOLVED), Event.RESOLVED, SLACK)
    assert await box.all_sent("slack") == [("pinfall/a1", Event.RESOLVED)]
    assert await box.states() == [
        ("fired", "superseded"), ("cause_changed", "superseded"), ("resolved", "sent"),
    ]  # fmt: skip


async def test_what_is_on_its_way_is_not_superseded(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    (fired,) = await box.claim("slack")
    await box.put(alert(state=State.RESOLVED), Event.RESOLVED, SLACK)
    assert await box.claim("slack") == []
    assert await box.sent(fired)
    assert await box.all_sent("slack") == [("pinfall/a1", Event.RESOLVED)]


async def test_of_changes_that_wait_the_last_one_is_sent(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    for summary in ("one", "two", "three"):
        await box.put(alert(summary=summary), Event.CAUSE_CHANGED, SLACK)
    (fired,) = await box.claim("slack")
    assert await box.sent(fired)
    (change,) = await box.claim("slack")
    assert change.message.alert.summary == "three"
    assert await box.sent(change)
    assert await box.claim("slack") == []


async def test_projects_of_one_host_are_one_page(box: Box) -> None:
    b = alert(id="b1", project="other")
    await box.put(alert(), Event.FIRED, PAGER, PHONE, SLACK)
    await box.put(b, Event.FIRED, PAGER, PHONE, SLACK, now=NOON + 9 * MINUTE)
    now = NOON + 9 * MINUTE
    assert await box.all_sent("phone", now) == [("pinfall/a1", Event.FIRED)]
    assert await box.all_sent("pager", now) == [("pinfall/a1", Event.FIRED)] * 2  # one incident
    assert len(await box.all_sent("slack", now)) == 2  # which is not a page channel
    await box.put(alert(state=State.RESOLVED), Event.RESOLVED, PAGER, PHONE, SLACK, now=now)
    assert [await box.all_sent(c, now) for c in ("pager", "phone")] == [[], []]
    over = alert(id="b1", project="other", state=State.RESOLVED)
    await box.put(over, Event.RESOLVED, PAGER, PHONE, SLACK, now=now)
    for channel in ("pager", "phone"):
        assert await box.all_sent(channel, now) == [("pinfall/a1", Event.RESOLVED)]


@pytest.mark.parametrize(
    ("chosen", "minutes"),
    [
        ({}, 11),
        ({"host": "www.example.com"}, 1),
        ({"audience": "security"}, 1),
    ],
    ids=["later", "another host", "for others"],
)
async def test_what_is_a_page_of_its_own(box: Box, chosen: dict[str, Any], minutes: int) -> None:
    await box.put(alert(), Event.FIRED, PHONE)
    now = NOON + minutes * MINUTE
    await box.put(alert(id="b1", project="other", **chosen), Event.FIRED, PHONE, now=now)
    assert {key for key, _ in await box.all_sent("phone", now)} == {"pinfall/a1", "pinfall/b1"}


async def test_a_page_that_never_went_out_swallows_none(box: Box) -> None:
    await box.put(alert(), Event.FIRED, PHONE)
    (one,) = await box.claim("phone")
    async with box.pool.acquire() as connection:
        await outbox.failed(
            connection, one.id, error="HTTP 404", again=None, epoch=box.epoch, now=NOON
        )
    await box.put(alert(id="b1", project="other"), Event.FIRED, PHONE)
    assert await box.all_sent("phone") == [("pinfall/b1", Event.FIRED)]


@pytest.mark.parametrize("event", [Event.FIRED, Event.BECAME_PAGE])
async def test_to_page_again_the_open_incident_is_closed_first(box: Box, event: Event) -> None:
    await box.put(alert(), Event.FIRED, PAGER, SLACK)
    await box.all_sent("pager")
    await box.put(alert(), event, PAGER, SLACK, now=NOON + MINUTE)
    assert await box.all_sent("pager", NOON + MINUTE) == [
        ("pinfall/a1", Event.RESOLVED), ("pinfall/a1", event),
    ]  # fmt: skip
    assert [told for _, told in await box.all_sent("slack", NOON + MINUTE)] == [Event.FIRED, event]


async def test_a_stale_epoch_is_refused_everywhere(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    (one,) = await box.claim("slack")
    new = await box.taken_over()
    with pytest.raises(StaleEpochError):
        await box.put(alert(summary="stale"), Event.CAUSE_CHANGED, SLACK)
    with pytest.raises(StaleEpochError):
        await box.claim("slack")
    assert not await box.sent(one)
    async with box.pool.acquire() as connection:
        assert not await outbox.failed(
            connection, one.id, error="x", again=None, epoch=box.epoch, now=NOON
        )
        with pytest.raises(StaleEpochError):
            async with connection.transaction():
                await outbox.put(connection, alert(), Event.FIRED, [SLACK], epoch=1, now=NOON)
        since = NOON - MINUTE
        stale = await alerts.told(connection, "slack", ended_after=since, epoch=box.epoch)
        fresh = await alerts.told(connection, "slack", ended_after=since, epoch=new)
    assert (stale, fresh) == ([], [alert()])
    assert await box.states() == [("fired", "waiting")]
    (again,) = await box.claim("slack", NOON + MINUTE, epoch=new)
    assert await box.sent(again, epoch=new)


async def test_nobody_takes_over_while_an_alert_is_written(box: Box) -> None:
    await box.pool.execute("UPDATE watcher_lease SET renewed_at = '-infinity'")
    async with box.pool.acquire() as writer, box.pool.acquire() as rival:
        async with writer.transaction():
            await alerts.write(writer, alert(), box.epoch)
            taking = asyncio.create_task(lease.take(rival, "another"))
            waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            async with asyncio.timeout(30):
                while not await box.pool.fetchval(waits):
                    await asyncio.sleep(0.01)
            assert not taking.done()
        assert await taking == box.epoch + 1
    assert await box.pool.fetchval("SELECT epoch FROM alert") == box.epoch


async def test_what_people_said_is_not_undone_by_the_watcher(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    said = Acknowledged("ada", NOON)
    async with box.pool.acquire() as connection:
        await alerts.acknowledge(connection, "a1", said)
        await alerts.silence(connection, "a1", NOON + MINUTE)
    await box.put(alert(summary="more"), Event.CAUSE_CHANGED, SLACK)
    async with box.pool.acquire() as connection:
        (stored,) = await alerts.firing(connection)
    assert (stored.summary, stored.acknowledged) == ("more", said)
    assert stored.silenced_until == NOON + MINUTE
    rows = await box.pool.fetch("SELECT body FROM delivery_out ORDER BY id")
    assert '"ada"' in rows[1]["body"]  # as channels are told


async def test_one_alert_of_a_kind_fires_at_a_time(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK)
    with pytest.raises(asyncpg.UniqueViolationError):
        await box.put(alert(id="b1"), Event.FIRED, SLACK)
    await box.put(alert(state=State.RESOLVED), Event.RESOLVED, SLACK)
    await box.put(alert(id="b1"), Event.FIRED, SLACK)


async def test_old_rows_are_forgotten_and_those_of_what_fires_are_kept(box: Box) -> None:
    await box.put(alert(), Event.FIRED, SLACK, Owed("gone"))
    await box.all_sent("slack")
    later = NOON + timedelta(days=31)
    async with box.pool.acquire() as connection:
        await outbox.prune(connection, later)
        assert len(await box.states()) == 2
    await box.put(alert(state=State.RESOLVED), Event.RESOLVED, SLACK, now=NOON + 23 * MINUTE)
    await box.all_sent("slack", NOON + 23 * MINUTE)
    async with box.pool.acquire() as connection:
        await outbox.prune(connection, NOON + timedelta(days=6))
        assert len(await box.states()) == 3
        await outbox.prune(connection, later)
        assert await box.states() == []
