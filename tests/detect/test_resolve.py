"""When a spike is over, and when the same one is not told twice."""

from __future__ import annotations

import msgspec

from collector.detect.cause_event import Change, Source
from collector.detect.kinds import Severity
from collector.detect.resolve import Rule
from collector.detect.spike import forged
from collector.detect.spike_state import Known, Verdict
from tests.detect.spikes import START, Host, rotated

PAGE = Severity.PAGE


def broken(own: int = 20, minutes: int = 60) -> Host:
    """A break that began with a rotation, and pages."""
    host = Host()
    verdicts = host.run(minutes, rotated(), own=lambda _: own)
    assert verdicts[-1].severity is PAGE
    return host


def ended(verdicts: list[Verdict]) -> list[tuple[int, Rule]]:
    return [(at, v.resolved) for at, v in enumerate(verdicts) if v.resolved is not None]


def with_fix(at: int) -> Known:
    return msgspec.structs.replace(rotated(), fix=START + at)


def test_r1_the_fix_is_known_and_half_an_hour_old() -> None:
    host = broken()
    verdicts = host.run(120, with_fix(60))
    [(at, rule)] = ended(verdicts)
    assert rule is Rule.FIXED
    # the last hour has to be quiet (under 2 % of the peak), for half an hour
    assert 60 + 25 <= at <= 60 + 35
    assert verdicts[-1].severity is None


def test_r1_reports_from_before_the_fix_are_late_and_not_counted() -> None:
    host = broken()
    for at in range(60, 240):
        host.add(3, at=at, late=3)
    assert [rule for _, rule in ended(host.run(120, with_fix(60)))] == [Rule.FIXED]
    still = broken()
    assert not ended(still.run(120, with_fix(60), own=lambda _: 3)), "they fail by their own clock"


def test_a_fix_is_none_of_one_that_goes_on() -> None:
    host = broken()
    assert not ended(host.run(300, with_fix(60), own=lambda _: 2))


def successes(share: float) -> Known:
    return msgspec.structs.replace(rotated(), successes=int(2000 * share), usual=2000.0)


def test_r2_successes_were_missing_and_are_back() -> None:
    host = broken()
    assert not ended(host.run(30, successes(0.6), own=lambda _: 20))
    assert not ended(host.run(60, successes(0.93), own=lambda _: 1)), "not quite"
    [(at, rule)] = ended(host.run(60, successes(1.0), own=lambda _: 1))
    assert (at, rule) == (30, Rule.SUCCESSES)


def test_r2_says_nothing_where_they_were_never_missing_or_clients_still_fail() -> None:
    host = broken()
    assert not ended(host.run(200, successes(1.0), own=lambda _: 1))
    failing = broken()
    failing.run(30, successes(0.6), own=lambda _: 20)
    assert not ended(failing.run(200, successes(1.0), own=lambda _: 20))


def retries(count: float) -> Known:
    return msgspec.structs.replace(rotated(), retries=count)


def test_r3_clients_that_tell_each_time_are_quiet_for_an_hour() -> None:
    host = broken()
    host.run(30, retries(1000.0), own=lambda _: 20)
    assert not ended(host.run(90, retries(60.0), own=lambda _: 1))
    assert ended(host.run(90, retries(50.0), own=lambda _: 1)) == [(60, Rule.RETRIES)]


def test_r3_says_nothing_while_others_still_fail() -> None:
    host = broken()
    host.run(30, retries(1000.0), own=lambda _: 20)
    assert not ended(host.run(200, retries(0.0), own=lambda _: 20))


def test_r3_says_nothing_of_a_few() -> None:
    host = broken()
    host.run(30, retries(99.0), own=lambda _: 20)
    assert not ended(host.run(90, retries(0.0), own=lambda _: 5))


def test_r4_a_day_of_quiet_and_no_less() -> None:
    """Clients that are still broken tell again a day later."""
    host = broken()
    verdicts = host.run(1400, rotated())
    assert not ended(verdicts)
    assert all(v.severity is PAGE for v in verdicts)
    [(at, rule)] = ended(host.run(800, rotated()))
    assert rule is Rule.QUIET
    assert 1400 + at >= 26 * 60 + 300, "since the last six hours were quiet"


def test_r4_a_small_host_whose_clients_are_still_broken_stays_open() -> None:
    """Four an hour are fewer than five, and yet a hundred a day where there were none."""
    host = broken()
    assert not ended(host.run(3000, rotated(), own=lambda at: 1 if at % 15 == 0 else 0))


def resolved() -> Host:
    host = broken()
    assert ended(host.run(120, with_fix(60)))
    return host


def test_the_same_again_is_not_told() -> None:
    host = resolved()
    verdicts = host.run(30, with_fix(60), own=lambda _: 2)
    opened = [v for v in verdicts if v.severity is not None]
    assert opened
    assert all(v.quiet for v in opened)


def test_a_fifth_of_the_peak_is_told() -> None:
    host = resolved()
    assert host.state.closed is not None
    loud = host.state.closed.peak // 5 // 4
    verdicts = host.run(15, with_fix(60), own=lambda _: loud)
    assert [v.quiet for v in verdicts if v.severity is PAGE][-1] is False


def test_another_change_or_another_leaf_is_told() -> None:
    host = resolved()
    other = Known(changes=(Change(at=host.now, source=Source.PROBED),), fix=START + 60)
    assert host.minute(8, other).quiet is False
    leaf = resolved()
    verdict = leaf.minute(8, msgspec.structs.replace(with_fix(60), lead="another leaf"))
    assert (verdict.severity, verdict.quiet) == (PAGE, False)


def test_closed_as_forged_leaves_nothing() -> None:
    host = broken()
    host.state = forged(host.state, host.now)
    assert host.minute(0, rotated()).severity is None
    verdict = host.minute(6, rotated())
    assert (verdict.severity, verdict.quiet) == (PAGE, False)


def test_a_quiet_return_does_not_get_loud_by_age() -> None:
    host = resolved()
    host.run(20, with_fix(60), own=lambda _: 2)
    verdicts = host.run(1500, rotated(), own=lambda at: 1 if at % 20 == 0 else 0)
    assert all(v.quiet for v in verdicts if v.severity is not None)
