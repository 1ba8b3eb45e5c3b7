"""When a spike pages, is a ticket, or is nothing."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts, Held
from collector.detect.kinds import Severity
from collector.detect.spike import look
from collector.detect.spike_state import Known, State
from collector.detect.windows import Minute
from tests.detect.spikes import QUIET, START, Host, rotated

SILENT = [0] * 504
PAGE, TICKET = Severity.PAGE, Severity.TICKET
CHECKED, BLIND = Facts(registry=True), Facts(probed=False)
CHAINLESS = Facts(chains=False)
HASHES = Facts(chains=False, registry=True)
DARK = Facts(chains=False, probed=False, registry=True)
UNCOVERED = Facts(uncovered=True)


@pytest.mark.parametrize(
    ("facts", "hours", "known", "own", "severity", "held"),
    [
        pytest.param(Facts(), QUIET, rotated(), 5, PAGE, Held.NOTHING, id="five after a change"),
        pytest.param(Facts(), [0, 1] * 252, rotated(), 4, None, Held.FEW, id="four"),
        pytest.param(Facts(), QUIET, rotated(), 4, PAGE, Held.NOTHING, id="four where fewer are usual"),
        pytest.param(Facts(), SILENT, rotated(), 3, None, Held.FEW, id="three where none are"),
        pytest.param(Facts(), QUIET[:100], rotated(), 7, TICKET, Held.FEW, id="seven, not a week known"),
        pytest.param(Facts(), QUIET[:100], rotated(), 8, PAGE, Held.NOTHING, id="eight"),
        pytest.param(Facts(), QUIET[:100], Known(), 900, TICKET, Held.COLD, id="cold without change"),
        pytest.param(CHAINLESS, QUIET, rotated(), 11, TICKET, Held.FEW, id="eleven without chains"),
        pytest.param(CHAINLESS, QUIET, rotated(), 12, PAGE, Held.NOTHING, id="twelve without chains"),
        pytest.param(UNCOVERED, QUIET, rotated(), 11, TICKET, Held.FEW, id="a version of no import"),
        pytest.param(Facts(), QUIET, Known(), 900, TICKET, Held.NO_CHANGE, id="no change, probed"),
        pytest.param(CHECKED, QUIET, Known(), 29, None, Held.FEW, id="29 without change"),
        pytest.param(CHECKED, QUIET, Known(), 40, PAGE, Held.NOTHING, id="40 that agree with pins"),
        pytest.param(BLIND, QUIET, Known(), 40, PAGE, Held.NOTHING, id="nobody can tell"),
        pytest.param(HASHES, QUIET, Known(), 900, TICKET, Held.NO_CHANGE, id="pins are no proof"),
        pytest.param(DARK, QUIET, Known(), 99, TICKET, Held.FEW, id="nobody can tell, no chains"),
        pytest.param(DARK, QUIET, Known(), 120, PAGE, Held.NOTHING, id="a hundred without chains"),
        pytest.param(Facts(pages=False), QUIET, rotated(), 29, None, Held.CLASS, id="a wave of 29"),
        pytest.param(Facts(pages=False), QUIET, rotated(), 30, TICKET, Held.CLASS, id="a wave of 30"),
        pytest.param(Facts(), [60] * 504, rotated(), 6, None, Held.USUAL, id="a busy host"),
    ],
)  # fmt: skip
def test_gates(
    facts: Facts,
    hours: list[int],
    known: Known,
    own: int,
    severity: Severity | None,
    held: Held,
) -> None:
    host = Host(facts, hours)
    host.run(3, known)
    verdict = host.minute(own, known)
    assert (verdict.severity, verdict.held) == (severity, held)


def test_an_observed_rotation_opens_the_window_without_a_bonus() -> None:
    known = Known(changes=(Change(at=START, source=Source.OBSERVED, confirmed=False),))
    seen, agreed = Host(), Host()
    assert agreed.minute(5, rotated()).score - seen.minute(5, known).score == pytest.approx(2.0)


def test_the_bonus_goes_with_time_and_stays_while_chains_are_mixed() -> None:
    change = Change(at=START, source=Source.PROBED)
    mixed = Change(at=START, source=Source.PROBED, mixed_until=START + 2000)
    scores = {}
    for name, known in {"old": Known(changes=(change,)), "mixed": Known(changes=(mixed,))}.items():
        host = Host()
        host.run(400, known)
        scores[name] = host.minute(3, known).score
    assert scores["mixed"] - scores["old"] == pytest.approx(1.0, abs=0.2)
    assert change.age(START + 1440) == 1440
    assert mixed.age(START + 1500) == 0


def test_one_operator_network_never_pages_alone() -> None:
    host = Host()
    host.add(500, by_operator={b"one": 500})
    assert host.minute(0, rotated()).severity is None
    host.add(4, by_operator={})
    assert host.minute(0, rotated()).severity is PAGE, "and counts for half of what is spread"


def test_four_are_enough_only_where_each_is_of_another_network() -> None:
    alone, shared = Host(hours=SILENT), Host(hours=SILENT)
    alone.add(4, by_operator={b"one": 1, b"two": 1, b"three": 1, b"four": 1})
    assert alone.minute(0, rotated()).severity is PAGE
    shared.add(4, by_operator={b"one": 2, b"two": 1, b"three": 1})
    assert shared.minute(0, rotated()).held is Held.FEW
    two = Host(hours=SILENT)
    two.add(6, by_operator={b"one": 3, b"two": 3})
    assert two.minute(0, rotated()).held is Held.FEW, (
        "two networks, each with all that one counts for"
    )


def test_other_classes_raise_what_is_expected() -> None:
    """Of a wave of interception a few in a hundred are taken for our own chain."""
    alone, within = Host(), Host()
    within.add(0, beside=1000)
    assert alone.minute(15, rotated()).severity is PAGE
    verdict = within.minute(15, rotated())
    assert verdict.severity is None
    assert verdict.expected > 20


def test_few_against_what_connects_well() -> None:
    known = msgspec.structs.replace(rotated(), successes_60=1_000_000)
    host = Host()
    host.run(3, known)
    assert host.minute(15, known).held is Held.SUCCESSES, "under 0.02 % of those of five minutes"
    assert host.minute(20, known).severity is PAGE


def test_a_gap_is_no_spike() -> None:
    """A busy host: an hour of the collector away, then what clients kept."""
    hours = [600] * 504
    gap = ((START + 120, START + 180),)
    known = msgspec.structs.replace(rotated(), gaps=gap)

    def own(at: int) -> int:
        return 0 if 120 <= at < 180 else 10 + (40 if 180 <= at < 190 else 0)

    assert all(v.severity is None for v in Host(hours=hours).run(400, known, own))
    assert any(v.severity for v in Host(hours=hours).run(400, rotated(), own)), "else it is one"


def test_drift_follows_growth_but_not_a_break() -> None:
    grown = Host(hours=[6] * 504)
    grown.run(4000, own=lambda at: 1 if at % 5 == 0 else 0)  # 12 an hour
    assert (2 + grown.state.seen) / (2 + grown.state.expected) > 1.5
    broken = Host(hours=[6] * 504)
    broken.run(60, rotated())
    before = (broken.state.seen, broken.state.expected)
    broken.run(600, rotated(), own=lambda _: 20)
    assert (broken.state.seen, broken.state.expected) == before


@given(
    own=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    changed=st.booleans(),
    checked=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_one_more_in_the_newest_minute_never_lowers_it(
    own: list[int], changed: bool, checked: bool
) -> None:
    known = rotated() if changed else Known()
    ranks, scores = [], []
    for more in (0, 1, 7):
        host = Host(Facts(registry=checked))
        for count in own[:-1]:
            host.minute(count, known)
        verdict = host.minute(own[-1] + more, known)
        ranks.append(0 if verdict.severity is None else verdict.severity.rank)
        scores.append(verdict.score)
    assert ranks == sorted(ranks)
    if len(set(ranks)) == 1:
        assert scores == sorted(scores)


@given(own=st.lists(st.integers(0, 30), min_size=5, max_size=30), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_parts_and_their_order_say_the_same(own: list[int], seed: int) -> None:
    whole, parts = Host(), Host()
    chance = random.Random(seed)
    for count in own:
        told = whole.minute(count, rotated())
        split = [1] * count
        for part in split:
            parts.add(part)
        assert parts.minute(0, rotated()) == told
    late = list(parts.minutes)
    chance.shuffle(late)
    parts.minutes = late
    parts.state = whole.state
    assert parts.remembered().windows.last(60, parts.now) == whole.memory.windows.last(
        60, whole.now
    )


def test_state_goes_through_json_and_a_restart_changes_nothing() -> None:
    going, restarted = Host(), Host()
    for at in range(200):
        count = 9 if 100 <= at < 130 else 0
        told = going.minute(count, rotated(95))
        if at % 7 == 0:
            restarted.state = State.from_json(restarted.state.to_json())
        assert restarted.minute(count, rotated(95)) == told
    assert going.state.incident is not None
    assert State.from_json(going.state.to_json()) == going.state


def test_memory_that_is_read_again_judges_alike() -> None:
    host = Host()
    host.run(50)
    host.run(5, rotated(40), own=lambda _: 3)
    again = host.remembered()
    state = msgspec.structs.replace(host.state, evaluated_to=host.now - 1)
    now = host.now
    one, _ = look(host.memory, state, host.facts, now, rotated(40))
    two, _ = look(again, state, host.facts, now, rotated(40))
    assert one == two


def test_a_minute_may_be_looked_at_again_when_more_comes() -> None:
    host = Host()
    assert host.minute(2, rotated()).severity is None
    host.memory.windows.add(Minute(at=host.now, own=4))
    before = host.state
    verdict, state = look(host.memory, host.state, host.facts, host.now, rotated())
    assert verdict.severity is PAGE
    assert (state.seen, state.expected) == (before.seen, before.expected)


def test_a_host_gets_known_after_a_week() -> None:
    host = Host(hours=QUIET[:167])
    host.run(30)
    assert host.memory.baseline.cold
    host.run(60)
    assert not host.memory.baseline.cold
