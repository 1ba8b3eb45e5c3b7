"""A spike ends when those who broke connect again, as servers of ours count it; by nobody else's word."""

from __future__ import annotations

from typing import Any

from tests.make import NOON
from tests.watch.story import HOST, MINUTE, Story, chosen, receiver, site, story

__all__ = ["chosen", "receiver", "site", "story"]
_WINDOWS = """
INSERT INTO connection_window (delivery, received_at, project, app_key, environment, trusted, counted, host,
    platform, app_version, starts, ends, successes, pin_failures, install, network)
SELECT substr(sha256((n::text || $2::text || ($7::float8)::text)::bytea), 1, 16), at, p.id, 'edge',
    'production', $1, true, $3, $4, $2, at - interval '1 minute', at, $7::float8, $8::float8, '', ''
FROM project p, generate_series(0, $6::int - 1) n, LATERAL (SELECT $5::timestamptz + n * interval '1 minute') t(at)
"""


async def connect(
    story: Story, start: int, minutes: int, successes: float, *, trusted: bool = True,
    version: str | None = "8.24.1", platform: str | None = "ios", failures: float = 0.0,
) -> None:  # fmt: skip
    """start: minutes after NOON; successes, failures: of each minute."""
    await story.site.pool.execute(
        _WINDOWS, trusted, version or "", HOST, platform, NOON + start * MINUTE, minutes, successes,
        failures,
    )  # fmt: skip


async def told(story: Story, **more: Any) -> None:
    """Broken for an hour and a half, in which four of five do not connect; then nobody says that it was
    mended."""
    for day in range(1, 8):
        await connect(story, -1440 * day - 120, 420, 200.0 + day, **more)
    await connect(story, -120, 120, 200.0, **more)
    await connect(story, -120, 420, 400.0, version="9.0.0", **more)
    await connect(story, 0, 90, 40.0, **more)
    await connect(story, 90, 210, 200.5, **more)
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    await story.wait(90)


async def test_those_who_broke_connect_again(story: Story) -> None:
    await told(story)
    assert story.heard() == [("pin_failure_spike", "firing")]
    await story.wait(60)
    assert story.heard()[-1] == ("pin_failure_spike", "resolved")
    assert len(story.heard()) == 2


async def test_public_counts_end_nothing(story: Story) -> None:
    await told(story, trusted=False)
    await story.wait(60, 5)
    assert story.heard() == [("pin_failure_spike", "firing")]


async def test_counts_that_stay_away_are_no_recovery_and_no_break(story: Story) -> None:
    """What counts is away for an hour while it is broken, and back as before."""
    for day in range(1, 8):
        await connect(story, -1440 * day - 120, 420, 200.0)
    await connect(story, -120, 150, 200.0)
    await connect(story, 90, 210, 200.5)
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    await story.wait(150)
    assert story.heard() == [("pin_failure_spike", "firing")]


async def failing(story: Story, *, mended: bool) -> None:
    """Half of the fleet fails for 90 minutes, and each failure is told; of those that then connect again, so
    few tell that successes alone say nothing: a quarter never comes back."""
    for day in range(1, 8):
        await connect(story, -1440 * day - 120, 420, 200.0)
    await connect(story, -120, 120, 200.0)
    await connect(story, 0, 90, 100.0, failures=400.0)
    await connect(story, 90, 210, 150.0, failures=2.0 if mended else 200.0)
    await story.rotate()
    story.clock.now += MINUTE
    await story.fail(12)
    await story.look()
    await story.wait(90)
    assert story.heard() == [("pin_failure_spike", "firing")]
    await story.wait(100)


async def test_those_who_tell_each_failure_are_quiet(story: Story) -> None:
    await failing(story, mended=True)
    assert story.heard()[1:] == [("pin_failure_spike", "resolved")]


async def test_those_who_tell_each_failure_still_fail(story: Story) -> None:
    await failing(story, mended=False)
    assert story.heard()[1:] == []
