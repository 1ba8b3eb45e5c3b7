"""Windows against a count of everything, in any order and in any parts."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.detect.windows import WIDTHS, Minute, Windows

START = 29_000_000

parts = st.lists(
    st.builds(
        lambda at, spread, one, other, beside, late: Minute(
            at=START + at,
            own=spread + one + other,
            beside=beside,
            late=min(late, spread),
            by_operator={b"one": one, b"other": other},
        ),
        at=st.integers(0, 900),
        spread=st.integers(0, 5),
        one=st.integers(0, 5),
        other=st.integers(0, 5),
        beside=st.integers(0, 5),
        late=st.integers(0, 5),
    ),
    max_size=30,
)


def counted(minutes: list[Minute], start: int, now: int) -> tuple[int, int, int]:
    within = [minute for minute in minutes if start <= minute.at <= now]
    own = sum(minute.own for minute in within)
    top = max(sum(m.by_operator[name] for m in within) for name in (b"one", b"other"))
    capped = min(own, 2 * (own - top))
    late = sum(minute.late for minute in within)
    return capped, sum(minute.beside for minute in within), max(0, min(capped, own - late))


@given(minutes=parts, seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_any_order_and_any_parts(minutes: list[Minute], seed: int) -> None:
    now = START + 900
    shuffled = minutes[:]
    random.Random(seed).shuffle(shuffled)
    windows = Windows(shuffled)
    for width in WIDTHS:
        told = windows.last(width, now)
        wanted = counted(minutes, now - width + 1, now) if minutes else (0, 0, 0)
        assert (told.own, told.beside, told.fresh) == wanted


@given(minutes=parts)
@settings(max_examples=50, deadline=None)
def test_minute_by_minute_is_the_same_as_all_at_once(minutes: list[Minute]) -> None:
    windows = Windows()
    ordered = sorted(minutes, key=lambda minute: minute.at)
    for now in range(START, START + 901, 7):
        while ordered and ordered[0].at <= now:
            windows.add(ordered.pop(0))
        so_far = [minute for minute in minutes if minute.at <= now]
        for width in WIDTHS:
            told = windows.last(width, now)
            wanted = counted(so_far, now - width + 1, now) if so_far else (0, 0, 0)
            assert (told.own, told.beside, told.fresh) == wanted


def test_one_operator_network_is_half_at_most() -> None:
    windows = Windows([Minute(at=5, own=100, by_operator={b"one": 97})])
    assert windows.last(5, 5).own == 6


def test_a_restart_hides_what_came_before() -> None:
    windows = Windows([Minute(at=5, own=9), Minute(at=8, own=1)])
    assert windows.last(15, 8).own == 10
    windows.restart(6)
    assert windows.last(15, 8).own == 1
    assert windows.from_minute(0).own == 1


def test_late_ones_of_one_network_do_not_stand_for_fresh_ones_of_others() -> None:
    windows = Windows(
        [
            Minute(at=START, own=100, late=100, by_operator={b"one": 100}),
            Minute(at=START + 1, own=20, by_operator={bytes([n]): 1 for n in range(20)}),
        ]
    )
    told = windows.last(60, START + 1)
    assert (told.own, told.fresh) == (40, 20)
