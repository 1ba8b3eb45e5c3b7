"""A break is over soon after it was mended, in whichever way it was; and not before."""

from __future__ import annotations

import pytest

from tests.watch.conftest import tick
from tests.watch.story import HOST, MINUTE, Story, chosen, receiver, site, story

__all__ = ["chosen", "receiver", "site", "story"]


async def five_minutes(story: Story) -> None:
    """In which probes see what they saw before."""
    await story.site.pool.execute("UPDATE probe_state SET at = $1", story.clock.now + 5 * MINUTE)
    await story.wait(5, 5)


async def resolved_after(story: Story, within: int) -> int:
    """Minutes until the page is over."""
    for waited in range(5, within + 5, 5):
        await five_minutes(story)
        if ("pin_failure_spike", "resolved") in story.heard():
            return waited
    raise AssertionError(f"it is open after {within} minutes")


async def broken(story: Story) -> None:
    """For an hour."""
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    await story.wait(60, 5)
    assert ("pin_failure_spike", "firing") in story.heard()
    assert ("pin_failure_spike", "resolved") not in story.heard()


async def test_old_keys_served_again_are_the_fix(story: Story) -> None:
    await broken(story)
    await story.probed(story.old)
    assert await resolved_after(story, 100) <= 40
    assert len(await story.alerts()) == 1


async def test_keys_that_went_from_half_of_the_addresses_are_no_fix(story: Story) -> None:
    await broken(story)
    await story.probed(story.old)
    await story.probed(address="198.51.100.2")
    for _ in range(20):
        await five_minutes(story)
    assert ("pin_failure_spike", "resolved") not in story.heard()


async def test_an_operator_tells_of_the_fix(story: Story) -> None:
    await broken(story)
    answer = await story.site.call("GET", f"/api/v1/rotations?host={HOST}")
    (rotation,) = answer.json["rotations"]
    await story.site.pool.execute("DELETE FROM probe_state")  # nobody can see it any more
    answer = await story.site.call("POST", f"/api/v1/rotations/{rotation['id']}/end")
    assert answer.status == 200, answer.json
    assert await resolved_after(story, 100) <= 40


async def test_a_declaration_that_names_the_old_chain_is_the_fix(story: Story) -> None:
    await broken(story)
    await story.site.pool.execute("DELETE FROM probe_state")
    answer = await story.site.call(
        "POST", "/api/v1/rotations",
        {"project": "default", "host": HOST, "at": story.clock.now.isoformat(), "chain": story.old[0].pem},
    )  # fmt: skip
    assert answer.status == 201, answer.json
    await tick(story.site, "rotations")
    assert await resolved_after(story, 100) <= 40


@pytest.mark.parametrize("late", [True, False])
async def test_who_failed_before_the_fix_does_not_hold_back_its_end(
    story: Story, late: bool
) -> None:
    # Whether they are stored whole or not.
    story.site.collector.ingest.taking.intake.known.budget.most = 1
    await broken(story)
    await story.probed(story.old)
    told = story.clock.now - 10 * MINUTE
    for _ in range(10):  # they were offline, and tell now
        changes = {"date_time": told.strftime("%Y-%m-%dT%H:%M:%SZ")} if late else {}
        await five_minutes(story)
        await story.fail(2, **changes)
    assert (("pin_failure_spike", "resolved") in story.heard()) == late
