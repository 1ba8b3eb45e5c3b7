"""From reports over HTTP to a message at a channel, and to its end; every step with real Postgres."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from collector.metrics import Metrics
from collector.model import Hash, ProjectId
from collector.pins.model import ShippedPinSet
from collector.store import incidents, minutes, pin_sets
from collector.watch import rules
from collector.watch.rules import Found
from collector.watch.settling import Settling
from collector.watch.telling import Place
from collector.watch.watcher import Watcher
from tests.make import NOON, PIN_A, PIN_B, authority, chain, ios_pem, issue
from tests.watch.conftest import serve, tick
from tests.watch.story import HOST, MINUTE, Story, chosen, receiver, reported, site, story
from tests.web.conftest import Site

__all__ = ["chosen", "receiver", "site", "story"]


async def test_a_break_after_a_rotation_is_one_page_with_its_cause(story: Story) -> None:
    await story.look()
    assert story.heard() == []
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(3)
    await story.look()
    assert story.heard() == []  # three are nobody's incident
    story.clock.now += MINUTE
    await story.fail(6)
    await story.look()
    (alert,) = await story.alerts()
    assert (alert["kind"], alert["severity"]) == ("pin_failure_spike", "page")
    assert alert["project"] == "default"
    assert alert["reach"]["installs"] == 9
    assert alert["reach"]["app_versions"] == ["8.24.1"]
    assert alert["summary"].startswith("9 new installs failed pinning against our own chain")
    assert "after the served chain changed" in alert["summary"]
    assert alert["cause"]["label"] in ("own_rotation", "unknown")
    assert [one["role"] for one in alert["chain"]] == ["leaf", "intermediate", "root"]
    assert alert["links"]["page"] == f"https://pinfall.example.net/alerts/{alert['id']}"
    assert alert["links"]["runbook"].endswith("/runbooks/pin_failure_spike")
    # The certificate before is valid for long, and those that fail now do not pin what is served.
    assert alert["next_steps"][-1].startswith("Before the next rotation")
    assert story.heard() == [("pin_failure_spike", "firing")]
    # It grows, and nobody is told again.
    for _ in range(5):
        story.clock.now += MINUTE
        await story.fail(6)
        await story.look()
    assert [e for e in story.heard() if e[0] == "pin_failure_spike"][1:] in (
        [], [("pin_failure_spike", "firing")],  # once more where the cause became known
    )  # fmt: skip
    (alert,) = await story.alerts()
    assert alert["reach"]["installs"] == 39
    metrics = await story.site.metrics()
    series = 'pinfall_alert_active{alert="pin_failure_spike",host="api.example.com",project="default",severity="page"}'
    assert metrics[series] == 1


async def test_all_who_are_affected_are_told_of_however_few_are_looked_at(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incidents, "MOST", 5)
    await story.rotate()
    for installs in (12, 30):
        story.clock.now += MINUTE
        await story.fail(installs)
        await story.look()
        (alert,) = await story.alerts()
        assert alert["reach"]["installs"] in (12, 42)
        assert alert["reach"]["networks"] == 5
    assert alert["reach"]["installs"] == 42
    # More than a day later some fail again, and no fewer are affected.
    await story.wait(26 * 60, 60)
    await story.fail(6)
    await story.look()
    (alert,) = [a for a in await story.alerts() if a["kind"] == "pin_failure_spike"]
    assert (alert["state"], alert["reach"]["installs"]) == ("firing", 42)


async def test_it_ends_after_the_fix_when_it_has_been_quiet(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    await story.wait(60, 5)
    # Silence is no recovery: clients tell of one failure once a day.
    assert ("pin_failure_spike", "resolved") not in story.heard()
    fixed = issue(HOST, authority()[1], sans=(HOST,))
    await serve(
        story.site.pool, HOST, (fixed, authority()[1]), first=story.clock.now, last=story.clock.now
    )
    await story.probed()
    await tick(story.site, "rotations")
    await story.wait(100, 5)
    assert story.heard()[-1] == ("pin_failure_spike", "resolved")
    assert [state for kind, state in story.heard()].count("resolved") == 1
    (alert,) = await story.alerts()
    assert alert["state"] == "resolved"
    assert alert["ended_at"] is not None
    assert alert["summary"].startswith("12 new installs")


async def test_a_take_over_tells_nobody_twice(story: Story, site: Site) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    told = story.heard()
    assert ("pin_failure_spike", "firing") in told
    # Somebody else held the lease in between: this process begins anew from what was stored.
    await site.pool.execute(
        "UPDATE watcher_lease SET holder = 'another', epoch = epoch + 1, renewed_at = '-infinity'"
    )
    await tick(site, "lease")
    await story.wait(3)
    assert story.heard() == told
    assert len(await story.alerts()) == 1


@pytest.mark.parametrize("early", [(), ("causes",)])
async def test_what_people_read_first_has_its_cause(story: Story, early: tuple[str, ...]) -> None:
    """Also where none was worked out yet."""
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(3)
    await tick(story.site, "lease", "count", *early, "watch")
    story.clock.now += MINUTE / 4
    await story.fail(9)
    await tick(story.site, "lease", "count", "watch", "send")
    (told,) = story.receiver.asked
    assert told.json["cause"]["label"] == "own_rotation"
    await story.wait(10)
    assert story.heard() == [("pin_failure_spike", "firing")]


async def test_a_cause_that_cannot_be_worked_out_delays_no_page(story: Story) -> None:
    async def fails(_: bytes) -> None:
        raise LookupError("signature")

    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await tick(story.site, "count")
    pool = story.site.pool
    watcher = Watcher(pool, Metrics(), story.clock, Settling(pool), judge=fails)
    await watcher.look(await pool.fetchval("SELECT epoch FROM watcher_lease"))
    assert await story.page() is not None


@pytest.mark.parametrize("where", ["registered", "pinfall.toml"])
async def test_a_third_partys_host_is_told_as_one(story: Story, where: str) -> None:
    pool = story.site.pool
    watcher = Watcher(pool, Metrics(), story.clock, Settling(pool))
    if where == "registered":
        await story.site.call(
            "POST", "/api/v1/hosts", {"project": "default", "host": HOST, "third_party": True}
        )
    else:
        watcher.settling.third_parties = frozenset({HOST})
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await tick(story.site, "count", "causes")
    await watcher.look(await pool.fetchval("SELECT epoch FROM watcher_lease"))
    (alert,) = await story.alerts()
    assert alert["summary"].startswith("12 new installs failed pinning against a third party's own")
    assert alert["next_steps"][0].startswith(f"{HOST} is a third party's: ask its owner")
    assert not any("Serve" in step for step in alert["next_steps"])


async def test_looks_at_the_same_time_are_one_after_the_other(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await tick(story.site, "count", "causes")
    pool = story.site.pool
    watcher = Watcher(pool, Metrics(), story.clock, Settling(pool))
    epoch = await pool.fetchval("SELECT epoch FROM watcher_lease")
    told = await asyncio.gather(*(watcher.look(epoch) for _ in range(4)))
    assert told == [True, False, False, False]
    assert len(await story.alerts()) == 1


@pytest.mark.parametrize("what", ["silence", "acknowledge"])
async def test_the_body_of_an_alert_says_what_people_did(story: Story, what: str) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    (alert,) = await story.alerts()
    until = story.clock.now + 60 * MINUTE
    answer = await story.site.call(
        "POST", f"/api/v1/alerts/{alert['id']}/{what}",
        {"until": until.isoformat()} if what == "silence" else {},
    )  # fmt: skip
    assert answer.status == 200, answer.json
    await tick(story.site, "lease", "watch")
    (told,) = await story.alerts()
    silenced = told["silenced_until"] and datetime.fromisoformat(told["silenced_until"])
    assert silenced == (until if what == "silence" else None)
    assert (told["acknowledged"] is None) == (what == "silence")
    # Nothing else is another.
    same = ("summary", "reach", "cause", "chain", "pins", "next_steps", "started_at", "state")
    assert {name: told[name] for name in same} == {name: alert[name] for name in same}


async def test_who_slept_through_the_end_of_its_lease_writes_nothing(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.site.pool.execute("UPDATE watcher_lease SET holder = 'another', epoch = epoch + 1")
    await story.look()
    assert await story.alerts() == []
    assert story.heard() == []


async def test_an_office_behind_a_proxy_pages_nobody(story: Story) -> None:
    root = issue("Office Root", ca=True, days=3650)
    leaf = issue(HOST, root, sans=(HOST,))
    pems = [ios_pem(one.der) for one in (leaf, root)]
    for _ in range(4):
        story.clock.now += MINUTE
        await story.fail(10, validated_certificate_chain=pems)
        await story.look()
    await story.wait(5)
    assert not any(kind == "pin_failure_spike" for kind, _ in story.heard())
    assert all(alert["severity"] == "ticket" for alert in await story.alerts())


@pytest.mark.parametrize("what", ["acknowledge", "resolve"])
async def test_what_people_did_is_taken_in(story: Story, what: str) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    (alert,) = await story.alerts()
    await story.site.pool.execute(
        "INSERT INTO alert_order (alert, what, who, at) VALUES ($1, $2, 'ada', $3)",
        alert["id"], what, story.clock.now,
    )  # fmt: skip
    await story.wait(2)
    assert not await story.site.pool.fetch("SELECT FROM alert_order")
    (row,) = await story.site.pool.fetch("SELECT state FROM alert")
    assert row["state"] == ("resolved" if what == "resolve" else "firing")
    assert (story.heard()[-1][1] == "resolved") == (what == "resolve")


async def test_a_silence_is_heard_when_it_ends(story: Story) -> None:
    until: datetime = NOON + 10 * MINUTE
    await story.site.pool.execute(
        "INSERT INTO silence (host, until, created_at, created_by) VALUES ('*.example.com', $1, $2, 'ada')",
        until, NOON,
    )  # fmt: skip
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.wait(5)
    assert story.heard() == []
    await story.fail(3)
    await story.wait(10)
    assert story.heard()[:1] == [("pin_failure_spike", "firing")]


async def test_a_rotation_that_does_not_happen_is_a_ticket(story: Story) -> None:
    answer = await story.site.call(
        "POST", "/api/v1/rotations",
        {"project": "default", "host": HOST, "at": NOON.isoformat(), "chain": chain()[0].pem},
    )  # fmt: skip
    assert answer.status == 201, answer.json
    await story.wait(115, 5)
    assert story.heard() == []
    await story.wait(10, 5)
    assert story.heard() == [("rotation_not_seen", "firing")]
    await story.rotate()
    await story.wait(2)
    assert story.heard()[-1] == ("rotation_not_seen", "resolved")


async def test_a_certificate_that_ends_soon_is_a_ticket_and_then_a_page(story: Story) -> None:
    await story.rotate()  # of 90 days, from the day before NOON on
    story.clock.now = NOON + timedelta(days=76)
    await story.probed()
    await story.look()
    assert story.heard() == [("certificate_expiring", "firing")]
    story.clock.now = NOON + timedelta(days=87)
    await story.probed()
    await story.wait(1)
    assert [one.json["severity"] for one in story.receiver.asked] == ["ticket", "page"]


async def test_a_host_that_cannot_be_judged_keeps_no_other_from_its_page(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story.site.call(
        "POST", "/api/v1/hosts", {"project": "default", "host": "a-bad.example.com"}
    )
    await tick(story.site, "hosts")
    real = rules.standing_rules

    def planted(place: Place, *rest: Any) -> list[Found]:
        if place.host == "a-bad.example.com":
            raise LookupError(place.host)
        return real(place, *rest)

    monkeypatch.setattr(rules, "standing_rules", planted)
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    assert ("pin_failure_spike", "firing") in story.heard()
    assert (await story.site.metrics())["pinfall_hosts_not_judged"] == 1
    monkeypatch.undo()
    monkeypatch.setenv("HOOK", story.receiver.url)
    await story.wait(1)
    assert (await story.site.metrics())["pinfall_hosts_not_judged"] == 0


async def test_a_watcher_that_always_fails_says_that_it_is_blind(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def planted(*_: Any) -> None:
        raise LookupError("counts")

    monkeypatch.setattr(minutes, "newest", planted)
    for _ in range(3):
        story.clock.now += MINUTE
        with pytest.raises(LookupError):
            await tick(story.site, "lease", "watch")
        await asyncio.sleep(0.3)
    assert (await story.site.metrics())["pinfall_watcher_blind"] == 1
    told = story.receiver.asked[0].json
    assert (told["kind"], told["state"]) == ("watcher_blind", "firing")
    assert "see the log" in told["summary"]
    assert len(story.receiver.asked) == 1  # once an hour


async def test_lost_reports_are_a_page_and_a_flood_is_none(story: Story) -> None:
    await story.look()

    async def shed(reason: str, items: int) -> None:
        await story.site.pool.execute(
            "INSERT INTO ledger_delta (hour, project, dialect, result, reason, items)"
            " SELECT date_trunc('hour', $1::timestamptz), id, '', 'shed', $2, $3 FROM project",
            story.clock.now, reason, items,
        )  # fmt: skip

    await shed("over_limit", 100_000)
    await story.wait(2)
    assert story.heard() == []
    await shed("not_durable", 7)
    await story.wait(1)
    assert story.heard() == [("collector_losing_reports", "firing")]
    assert "7 reports were shed" in story.receiver.asked[-1].json["summary"]
    await story.wait(12)
    assert story.heard()[-1] == ("collector_losing_reports", "resolved")


async def test_a_host_that_falls_silent_is_a_ticket(story: Story) -> None:
    project = await story.site.pool.fetchval("SELECT id FROM project")
    for day in range(20):
        await story.site.pool.execute(
            "INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,"
            " operator_network, signature, app, app_version, platform)"
            " SELECT $1, $2, 'interception', decode(lpad(to_hex(n), 32, '0'), 'hex'), false,"
            " $3::timestamptz - make_interval(days => $4) - make_interval(mins => n), true, '', '', '', '', '', ''"
            " FROM generate_series(1, 24) n",
            project, HOST, NOON, day,
        )  # fmt: skip
    await story.look()
    assert story.heard() == []
    await story.wait(36 * 60, 60)
    assert story.heard()[0] == ("reporting_silent", "firing")
    assert {kind for kind, _ in story.heard()} == {"reporting_silent"}


async def test_who_begins_after_an_outage_knows_the_gap(story: Story) -> None:
    pool = story.site.pool
    await story.fail(1)
    await story.look()
    story.clock.now += 20 * MINUTE
    await story.fail(1)  # somebody still collects
    story.clock.now += 120 * MINUTE
    for _ in range(2):  # whoever takes over from there does not find it again
        watcher = Watcher(pool, Metrics(), story.clock, Settling(pool))
        epoch = await pool.fetchval("SELECT epoch FROM watcher_lease")
        await watcher.look(epoch)
        (watched,) = [one for one in watcher._hosts.values() if one.host == HOST]
        assert [ended - begun for begun, ended in watched.kept.gaps] == [119]


async def test_after_a_long_look_there_is_one_a_minute(story: Story) -> None:
    pool = story.site.pool
    watcher = Watcher(pool, Metrics(), story.clock, Settling(pool))
    epoch = await pool.fetchval("SELECT epoch FROM watcher_lease")
    await story.rotate()
    await watcher.look(epoch)
    watcher._rests = asyncio.get_running_loop().time() + 1000
    await story.fail(8)
    await tick(story.site, "count")
    assert not await watcher.look(epoch)
    assert await story.page() is None
    story.clock.now += MINUTE
    assert await watcher.look(epoch)
    assert await story.page() is not None


async def test_within_a_minute_what_came_is_added_and_what_was_taken_back_is_gone(
    story: Story,
) -> None:
    pool = story.site.pool
    watcher = Watcher(pool, Metrics(), story.clock, Settling(pool))
    epoch = await pool.fetchval("SELECT epoch FROM watcher_lease")
    await story.rotate()

    async def seen() -> int:
        await tick(story.site, "count")
        assert await watcher.look(epoch)
        (told,) = watcher._counts.values()
        return sum(sum(operators.values()) for operators in told["self"].values())

    await story.fail(1)
    assert await seen() == 1
    await story.fail(1)
    assert await seen() == 2
    last = {"install": f"7C1B6F0E-6B5D-4A51-9E0C-{story.sent:012X}"}
    assert (await story.site.call("POST", "/api/v1/forget", last)).status == 200
    await story.fail(1)
    assert await seen() == 2
    story.clock.now += MINUTE
    assert await seen() == 2
    assert await story.page() is None
    await story.fail(4)
    assert await seen() == 6
    assert await story.page() is not None


async def test_new_pins_that_refuse_what_is_served_are_a_change(story: Story) -> None:
    """A release goes out with pins that nobody serves a key for, and its clients fail."""
    pool = story.site.pool
    project = ProjectId(await pool.fetchval("SELECT id FROM project"))
    await story.probed(story.old)
    broken = reported(story.old)
    for pins in ([story.old[0].pin], [PIN_A, PIN_B]):
        assert await story.page() is None
        async with pool.acquire() as connection:
            hashes = tuple(Hash.parse(f"sha256/{one}") for one in pins)
            one = ShippedPinSet(host=HOST, pins=hashes, app="com.example.wallet")
            await pin_sets.add(connection, project, one, now=story.clock.now, who="ci")
        story.clock.now += MINUTE
        await story.fail(3, **broken)
        await story.look()
    assert await story.page() is None
    await story.fail(6, **broken)
    await story.look()
    page = await story.page()
    assert page is not None
    assert "after new pins were pushed" in page["summary"]
