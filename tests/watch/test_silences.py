"""Silences of a signature and of a network: what they hold back, and what they never hide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.make import NOON, Issued, authority, ios_pem, issue
from tests.watch.conftest import serve, tick
from tests.watch.story import HOST, MINUTE, Story, chosen, receiver, reported, site, story

__all__ = ["chosen", "receiver", "site", "story"]
SPIKE = "pin_failure_spike"


async def silence(story: Story, **told: Any) -> dict[str, Any]:
    answer = await story.site.call("POST", "/api/v1/silences", {"for": "10m", **told})
    assert answer.status == 201, answer.json
    await tick(story.site, "keys")
    return dict(answer.json)


async def signature(story: Story) -> str:
    """The one that was reported last."""
    await tick(story.site, "fold")
    found = await story.site.pool.fetchval(
        "SELECT encode(id, 'hex') FROM signature ORDER BY first_seen DESC LIMIT 1"
    )
    return str(found)


async def noisy(story: Story, length: str = "10m") -> None:
    """After a rotation one signature fails, and is silenced."""
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(3)
    await silence(story, signature=await signature(story), note="known", **{"for": length})
    await story.fail(12)
    await story.look()


async def other_path(story: Story) -> dict[str, Any]:
    """A second chain of ours, under an intermediate of its own: another signature."""
    between = issue("Pinfall Test Second Intermediate", authority()[0], ca=True, days=1800)
    served: tuple[Issued, Issued] = (issue(HOST, between, sans=(HOST,)), between)
    await serve(story.site.pool, HOST, served, first=story.clock.now, last=story.clock.now)
    return reported(served)


async def until(story: Story) -> Any:
    (told,) = (await story.site.call("GET", "/api/v1/alerts")).json["alerts"]
    return told["silenced_until"]


async def test_a_silenced_signature_is_judged_and_sent_when_its_silence_ends(story: Story) -> None:
    await noisy(story)
    await story.wait(5)
    (alert,) = await story.alerts()
    assert (alert["kind"], alert["state"], alert["severity"]) == (SPIKE, "firing", "page")
    assert alert["reach"]["installs"] == 15
    assert await until(story) == "2026-11-20T12:11:00Z"
    assert story.heard() == []
    await story.fail(90)  # however much: it is all of that signature
    await story.wait(4)
    assert story.heard() == []
    await story.wait(3)
    assert story.heard()[:1] == [(SPIKE, "firing")]
    assert await until(story) is None


async def test_ended_by_hand_it_is_heard_with_the_next_minute(story: Story) -> None:
    await noisy(story)
    (one,) = (await story.site.call("GET", "/api/v1/silences")).json["silences"]
    assert (one["host"], one["signature"]) == (HOST, await signature(story))
    assert (await story.site.call("DELETE", f"/api/v1/silences/{one['id']}")).status == 200
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]


@pytest.mark.parametrize("again", [False, True], ids=["other installs", "the same installs"])
async def test_it_hides_no_break_that_another_signature_shows(story: Story, again: bool) -> None:
    await noisy(story)
    await story.wait(2)
    assert story.heard() == []
    changes = await other_path(story)
    if again:
        story.sent = 0  # they are counted already, as those of the silenced signature
    await story.fail(9, **changes)
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]
    assert await until(story) is None
    told = story.receiver.asked[0].json
    assert told["reach"]["installs"] == 9  # it speaks of what nobody silenced
    # Once it was heard it stays so, also when the noise is most of what is left.
    await story.fail(20)
    await story.wait(5)
    assert await until(story) is None


async def test_it_hides_no_break_after_another_rotation(story: Story) -> None:
    await noisy(story, "2h")
    await story.wait(30, 5)
    assert story.heard() == []
    again = issue(HOST, authority()[1], sans=(HOST,)), authority()[1]
    await story.rotate(again)
    await story.fail(9, **reported(again))  # of the same issuers: the same signature
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]


async def test_what_was_told_before_is_told_again_only_by_another_signature(story: Story) -> None:
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.wait(2)
    before = story.heard()
    assert before[:1] == [(SPIKE, "firing")]
    await silence(story, signature=await signature(story), **{"for": "2h"})
    await story.fail(90)
    await story.wait(3)
    assert story.heard() == before
    await story.fail(9, **await other_path(story))
    await story.wait(2)
    assert story.heard() == [*before, (SPIKE, "firing")]


async def test_a_silenced_signature_elsewhere_changes_nothing_here(story: Story) -> None:
    await story.site.post({}, address="11.0.0.1")
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(1, **await other_path(story))
    await silence(story, signature=await signature(story), **{"for": "2h"})
    await story.fail(12)
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]


async def test_an_office_whose_proxy_is_known_opens_no_ticket(story: Story) -> None:
    root = issue("Office Root", ca=True, days=3650)
    pems = {"validated_certificate_chain": [ios_pem(one.der) for one in
                                            (issue(HOST, root, sans=(HOST,)), root)]}  # fmt: skip
    await story.fail(1, **pems)
    await silence(story, signature=await signature(story), **{"for": "2h"})
    for _ in range(4):
        story.clock.now += MINUTE
        await story.fail(15, **pems)
        await story.look()
    (alert,) = await story.alerts()
    assert (alert["kind"], alert["state"]) == ("interception_wave", "firing")
    assert story.heard() == []


async def expired(story: Story, by: Issued) -> dict[str, Any]:
    """A chain of ours whose leaf ended yesterday."""
    out = issue(HOST, by, sans=(HOST,), start=NOON - timedelta(days=91), days=90)
    await serve(story.site.pool, HOST, (out, by))
    return {"validation_result": 2, **reported((out, by))}


async def test_an_expired_certificate_is_heard_of_unless_all_its_signatures_are_silenced(
    story: Story,
) -> None:
    await story.fail(4, **await expired(story, authority()[1]))
    await silence(story, signature=await signature(story), **{"for": "2h"})
    await story.wait(3)
    (alert,) = await story.alerts()
    assert (alert["kind"], alert["severity"]) == ("own_certificate_expired", "page")
    assert story.heard() == []
    between = issue("Pinfall Test Second Intermediate", authority()[0], ca=True, days=1800)
    changes = await expired(story, between)
    await story.fail(2, **changes)
    await story.wait(2)
    assert story.heard() == []
    await story.fail(1, **changes)
    await story.wait(2)
    assert story.heard() == [("own_certificate_expired", "firing")]


async def test_an_expired_certificate_that_only_a_silenced_network_met_is_no_alert(
    story: Story,
) -> None:
    await silence(story, network="0.0.0.0/0", wide=True)
    await story.fail(40, **await expired(story, authority()[1]))
    await story.wait(3)
    assert await story.alerts() == []


async def counted(story: Story) -> dict[str, int]:
    await tick(story.site, "fold")
    row = await story.site.pool.fetchrow(
        "SELECT (SELECT count(*) FROM violation) AS violations,"
        " (SELECT count(*) FROM sighting) AS sightings,"
        " (SELECT count(*) FROM sighting WHERE silenced) AS silenced,"
        " (SELECT violations FROM signature) AS of_signature,"
        " (SELECT count(*) FROM counted_install) AS installs"
    )
    return dict(row or {})


async def test_a_silenced_network_is_counted_and_pages_nobody_until_it_ends(story: Story) -> None:
    await silence(story, network="0.0.0.0/0", wide=True, note="a test of ours")
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.wait(5)
    assert await story.alerts() == []
    assert await counted(story) == {
        "violations": 12, "sightings": 12, "silenced": 12, "of_signature": 12, "installs": 0,
    }  # fmt: skip
    story.clock.now += 5 * MINUTE
    story.sent = 0  # those installs still fail when it has ended
    await story.fail(12)
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]
    assert (await counted(story))["installs"] == 12


async def test_a_silenced_network_hides_nothing_of_the_others(story: Story) -> None:
    await silence(story, network="11.0.0.0/8", note="an office")
    await story.rotate()
    story.clock.now += MINUTE
    for n in range(8):
        story.sent = 180 * n - 1
        await story.fail(1)  # from 11.x.7.9
    await story.wait(3)
    assert story.heard() == []
    story.sent = 1
    await story.fail(9)
    await story.wait(2)
    assert story.heard()[:1] == [(SPIKE, "firing")]
    assert story.receiver.asked[0].json["reach"]["installs"] == 9
    assert (await counted(story))["silenced"] == 8


async def test_a_silence_of_a_network_ends_at_its_time_to_the_second(story: Story) -> None:
    await silence(story, network="0.0.0.0/0", wide=True)
    story.clock.now += timedelta(minutes=10)
    await story.fail(1)  # before anybody has read silences again
    assert (await counted(story))["silenced"] == 0


async def test_a_silence_of_a_network_is_of_the_hosts_that_it_names(story: Story) -> None:
    await silence(story, network="0.0.0.0/0", wide=True, host="*.other.example")
    await silence(story, network="2001:db8::/32", project="default")
    await story.fail(1)
    assert (await counted(story))["silenced"] == 0
    await silence(story, network="0.0.0.0/0", wide=True, host="*.example.com", project="default")
    await story.fail(1)
    assert (await counted(story))["silenced"] == 1
