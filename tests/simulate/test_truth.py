"""What should be found of a fleet."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collector.detect.counting import AGAIN, WITHIN_CAP
from collector.simulate import truth
from collector.simulate.clients import DIALECTS
from collector.simulate.fleet import Fleet
from collector.simulate.scenarios import BY_NAME
from collector.simulate.truth import Shown, affected
from tests.make import NOON

DAY = timedelta(days=1).total_seconds()
WEEK = 7 * DAY


def test_an_install_is_newly_affected_once_a_day_and_class() -> None:
    told = affected(
        Shown(at, 1, 1, class_)
        for at, class_ in ((0.0, "self"), (60.0, "self"), (60.0, "unknown"), (DAY, "self"), (DAY + 1, None))
    )  # fmt: skip
    assert told.all == {"self": 2, "unknown": 1}
    assert told.forged.total() == 0


def test_of_one_network_three_a_day_are_within_caps() -> None:
    told = affected(Shown(float(n), n, n // 5, "self", forged=n < 2) for n in range(10))
    assert (told.all["self"], told.within["self"], told.forged["self"]) == (10, 6, 2)


def test_it_speaks_of_the_same_day_and_caps_as_counting_does() -> None:
    assert timedelta(seconds=truth._DAY) == AGAIN
    assert truth._CAP == WITHIN_CAP


@pytest.mark.parametrize("seed", [1, 2])
def test_a_proxy_is_told_where_the_report_shows_its_root_or_a_products_name(seed: int) -> None:
    fleet = Fleet(BY_NAME["office-proxy"], "api.example.com", 400, 600.0, seed, NOON)
    sent = {one.install: one.class_ for one in fleet.reports()}
    is_product = fleet._products[0]
    assert is_product == (seed == 1)
    for dialect in DIALECTS:
        classes = {sent[i.number] for i in fleet.fleet if i.dialect == dialect and i.number in sent}
        told = dialect.root or (dialect.issuers and is_product)
        assert classes == {"interception" if told else "unknown"}


def test_ios_is_late_by_up_to_a_week_and_all_else_plays_the_same() -> None:
    prompt = Fleet(BY_NAME["bad-rotation"], "api.example.com", 400, 600.0, 1, NOON)
    late = Fleet(BY_NAME["bad-rotation"], "api.example.com", 400, 600.0, 1, NOON, late=WEEK)
    on_time, told = list(prompt.reports()), list(late.reports())
    times = [one.at for one in told]
    assert times == sorted(times)
    assert DAY < max(times) < 600 + WEEK
    assert {one.install for one in told} == {one.install for one in on_time}
    was = {one.install: one.at for one in on_time}
    moved = [one for one in told if one.at > was[one.install]]
    some = [one for one in moved if late.fleet[one.install].dialect.late]
    assert some
    for one in some:
        wrote = one.make(NOON + timedelta(seconds=one.at)).body
        failed = NOON + timedelta(seconds=was[one.install] - 1)
        assert failed.strftime("%Y-%m-%dT%H:%M:") in wrote


def test_a_chain_that_expired_is_told_by_those_alone_who_look_at_it_before_their_pins() -> None:
    fleet = Fleet(BY_NAME["expired"], "api.example.com", 300, 600.0, 1, NOON)
    sent = [one for one in fleet.reports() if one.network < 10_000]
    assert sent
    assert {fleet.fleet[one.install].dialect.untrusted for one in sent} == {True}
    assert {one.class_ for one in sent} == {None}
