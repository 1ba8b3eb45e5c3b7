"""A burst long after a change, where nobody can check the reports, waits; a rollout does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts, Held
from collector.detect.kinds import Severity
from collector.detect.spike_state import Known
from tests.detect.spikes import START, Host, rotated


def canary(at: int) -> int:
    """1 % of the fleet, 10 % from half an hour on, half from two hours on, then all."""
    share = 1 if at < 30 else 10 if at < 120 else 50 if at < 360 else 100
    return share // 10 or (1 if at % 10 == 0 else 0)


def burst(at: int) -> int:
    return 20 if at >= 100 else 0


@pytest.mark.parametrize(
    ("own", "facts", "known", "held"),
    [
        pytest.param(burst, Facts(), rotated(), Held.SUDDEN, id="a burst"),
        pytest.param(
            burst, Facts(registry=True), rotated(), Held.NOTHING, id="reports are checked"
        ),
        pytest.param(burst, Facts(probed=False), rotated(), Held.NOTHING, id="no probe timed it"),
        pytest.param(
            burst,
            Facts(),
            Known(changes=(Change(at=START, source=Source.DECLARED),)),
            Held.NOTHING,
            id="declared, and perhaps done later",
        ),
        pytest.param(
            burst,
            Facts(),
            Known(changes=rotated().changes, gaps=((START + 5, START + 100),)),
            Held.NOTHING,
            id="the collector was away",
        ),
        pytest.param(canary, Facts(), rotated(), Held.NOTHING, id="a rollout in steps"),
        pytest.param(lambda at: at // 20, Facts(), rotated(), Held.NOTHING, id="a slow rollout"),
    ],
)
def test_what_began_long_after_a_change(
    own: Callable[[int], int], facts: Facts, known: Known, held: Held
) -> None:
    verdicts = Host(facts).run(125, known, own)
    assert verdicts[-1].held is held
    assert verdicts[-1].severity is (Severity.TICKET if held is Held.SUDDEN else Severity.PAGE)


def test_what_goes_on_for_two_hours_is_believed() -> None:
    verdicts = Host().run(260, rotated(), burst)
    first = next(at for at, verdict in enumerate(verdicts) if verdict.severity is Severity.PAGE)
    assert 218 <= first <= 224
