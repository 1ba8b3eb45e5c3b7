"""Who makes up failures for weeks, so that a real break looks usual, delays its page by minutes at most."""

from __future__ import annotations

import pytest

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts
from collector.detect.kinds import Severity
from collector.detect.spike_state import NOTHING_KNOWN, Known
from tests.detect.spikes import QUIET, START, Host

_DAYS, _STEP = 14, 15  # days of it; minutes between two looks
_NETWORKS = 300  # each of which counts three times a day


def made_up(day: float) -> float:
    """Installs a day: twice as many every other day, until all networks count as often as they may."""
    return float(min(3 * _NETWORKS, 7 * 2 ** (day / 2)))


def minutes_until_the_page(broken: int, facts: Facts, *, poisoned: bool) -> int:
    """After a rotation, from which on ``broken`` installs fail in ten minutes."""
    host, owed = Host(facts), 0.0
    rotated = START + 1440 * _DAYS
    known = Known(changes=(Change(at=rotated, source=Source.PROBED),))
    for at in range(1440 * _DAYS + 360):
        owed += made_up(at / 1440) / 1440 if poisoned else 0.0
        since = at - 1440 * _DAYS
        real = 0 if since < 0 else broken * (since + 1) // 10 - broken * since // 10
        if count := int(owed) + real:
            host.add(count, at=at)
        owed -= int(owed)
        if since >= 0 or at % _STEP == 0:
            host.now = START + at - 1
            verdict = host.minute(0, NOTHING_KNOWN if since < 0 else known)
            if since >= 0 and verdict.severity is Severity.PAGE:
                return since
            assert verdict.severity is not Severity.PAGE, "made-up ones alone page nobody"
    raise AssertionError("never")


@pytest.mark.parametrize("facts", [Facts(), Facts(registry=True)], ids=["probed", "registered"])
def test_two_weeks_of_slow_doubling_from_300_networks(facts: Facts) -> None:
    alone = minutes_until_the_page(10, facts, poisoned=False)
    assert minutes_until_the_page(10, facts, poisoned=True) <= alone + 5


def test_the_host_is_one_on_which_the_made_up_ones_are_seen() -> None:
    """Else the test would show nothing: in the end they are a hundred times what was usual."""
    assert made_up(_DAYS) > 100 * sum(QUIET[:24])
