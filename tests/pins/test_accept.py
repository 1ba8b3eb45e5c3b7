"""What a client does with a chain, and which set it goes by."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.pins.accept import Why, accepts
from collector.pins.covering import covering
from collector.pins.model import Match, ShippedPinSet
from collector.pins.placeholders import placeholder
from tests.make import NOON
from tests.pins.chains import path
from tests.pins.samples import PINS, pin

SERVED = path("Example")
CHAIN = (SERVED.leaf.certificate, SERVED.intermediate.certificate, SERVED.root.certificate)
DAY = timedelta(days=1)
FITS = ShippedPinSet(host="api.example.com", pins=(SERVED.intermediate.pin,), enforced=True)
FITS_NOT = replace(FITS, pins=PINS)


@pytest.mark.parametrize(("shipped", "accepted", "why"), [
    (FITS, True, Why.PIN),
    (replace(FITS, enforced=None), True, Why.PIN),
    (replace(FITS, enforced=False), True, Why.PIN),
    (FITS_NOT, False, Why.NO_PIN),
    (replace(FITS_NOT, enforced=None), False, Why.NO_PIN),
    (replace(FITS_NOT, enforced=False), None, Why.NOT_ENFORCED),
    (replace(FITS_NOT, expires=NOON), None, Why.EXPIRED),
    (replace(FITS_NOT, expires=NOON, enforced=False), None, Why.EXPIRED),
    (replace(FITS_NOT, expires=NOON + DAY), False, Why.NO_PIN),
    (replace(FITS_NOT, starts=NOON + DAY), None, Why.NOT_STARTED),
    (replace(FITS_NOT, starts=NOON), False, Why.NO_PIN),
    (replace(FITS, pins=()), None, Why.NOT_PINNED),
])  # fmt: skip
def test_whether_a_chain_passes(shipped: ShippedPinSet, accepted: bool | None, why: Why) -> None:
    told = accepts(shipped, CHAIN, NOON)
    assert (told.accepted, told.why) == (accepted, why)


def test_by_which_pin_and_where() -> None:
    both = replace(FITS, pins=tuple(sorted((SERVED.root.pin, SERVED.intermediate.pin))))
    told = accepts(both, CHAIN, NOON)
    assert told.by == Match(SERVED.intermediate.pin, 1)
    assert [match.place for match in told.matched] == [1, 2]
    sha1 = accepts(replace(FITS, pins=(SERVED.leaf.sha1,)), CHAIN, NOON)
    assert sha1.by == Match(SERVED.leaf.sha1, 0)


def test_what_an_expired_set_would_have_said() -> None:
    told = accepts(replace(FITS, expires=NOON), CHAIN, NOON)
    assert (told.accepted, told.by) == (None, Match(SERVED.intermediate.pin, 1))


@pytest.mark.parametrize(("pattern", "under", "covered"), [
    ("example.com", False, {"example.com"}),
    ("example.com", True, {"example.com", "a.example.com", "b.a.example.com"}),
    ("*.example.com", False, {"a.example.com"}),
])  # fmt: skip
def test_hosts_that_a_set_covers(pattern: str, under: bool, covered: set[str]) -> None:
    one = ShippedPinSet(host=pattern, pins=PINS, include_subdomains=under)
    hosts = {"example.com", "a.example.com", "b.a.example.com", "notexample.com", "com"}
    assert {host for host in hosts if one.covers_host(host)} == covered


@given(st.permutations([
    ShippedPinSet(host="example.com", pins=PINS, include_subdomains=True),
    ShippedPinSet(host="a.example.com", pins=(pin("three"),), include_subdomains=True),
    ShippedPinSet(host="b.a.example.com", pins=()),
]))  # fmt: skip
def test_the_nearest_set_counts_in_any_order(sets: list[ShippedPinSet]) -> None:
    assert [one.host for one in covering(sets, "x.a.example.com")] == ["a.example.com"]
    assert [one.host for one in covering(sets, "c.example.com")] == ["example.com"]
    assert covering(sets, "b.a.example.com") == []


@given(st.binary(min_size=1))
def test_hashes_of_something_are_no_placeholders(data: bytes) -> None:
    assert placeholder(pin(data.hex())) is None
