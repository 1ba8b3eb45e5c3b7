"""What one source may send, and what it cannot take from others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.intake.buckets import Buckets
from collector.intake.limits import BURST, RATE, Limits, Source, source_of
from collector.intake.prepare import canonical


def source(address: str) -> Source:
    found = source_of(canonical(address))
    assert found is not None
    return found


PHONE = source("198.51.100.7")


def flood(limits: Limits, sender: Source, requests: int, now: float = 0.0) -> int:
    """Reports that were taken."""
    taken = 0
    for _ in range(requests):
        if not limits.is_flood(sender, now):
            taken += limits.admit(sender, 1, 0, now, "key", None)
    return taken


def test_a_burst_is_taken_and_what_is_over_it_is_not() -> None:
    limits = Limits()
    assert flood(limits, PHONE, 5000) == BURST
    assert flood(limits, PHONE, 5000, now=10.0) == 10 * RATE


def test_a_flood_is_not_read_any_more_and_a_while_later_it_is() -> None:
    limits = Limits()
    flood(limits, PHONE, 30_000)
    assert limits.is_flood(PHONE, 0.0)
    assert not limits.is_flood(PHONE, 1.0)
    assert flood(limits, PHONE, 10_000, now=60.0) == BURST


def test_a_network_is_limited_whatever_its_addresses_are() -> None:
    limits = Limits()
    taken = sum(flood(limits, source(f"198.51.100.{n}"), 2500) for n in range(200))
    assert taken == 10 * BURST
    assert flood(limits, source("198.51.101.1"), 100) == 100


def test_an_ipv6_sender_is_its_64() -> None:
    assert source("2001:db8:1:2::1").address == source("2001:db8:1:2:ffff::9").address
    assert source("2001:db8:1:2::1") != source("2001:db8:1:3::1")
    assert source("2001:db8:1:2::1").network == source("2001:db8:1:3::1").network


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.1.1", "::1", "fd00::1"]
)
def test_a_proxy_that_nobody_declared_is_not_one_client(address: str) -> None:
    assert source_of(canonical(address)) is None


def test_the_first_items_of_a_body_are_taken() -> None:
    limits = Limits(rate=1, burst=10)
    assert limits.admit(PHONE, 25, 0, 0.0, "key", None) == 10
    assert limits.admit(PHONE, 25, 0, 0.0, "key", None) == 0


def test_bytes_cost_as_items_do() -> None:
    limits = Limits(rate=1, burst=10)
    assert limits.admit(PHONE, 1, 128 * 1024, 0.0, "key", None) == 1
    assert limits.admit(PHONE, 5, 0, 0.0, "key", None) == 1


def test_a_quota_never_sheds_who_sends_little() -> None:
    limits = Limits()
    quota = 1.0
    taken = sum(
        limits.admit(source(f"203.0.{n // 250}.{n % 250}"), 100, 0, 0.0, "key", quota)
        for n in range(500)
    )
    assert taken < 500 * 100
    for n in range(200):  # each of another network
        assert limits.admit(source(f"198.18.{n}.1"), 1, 0, 0.0, "key", quota) == 1
    assert limits.admit(source("198.18.0.1"), 100, 0, 0.0, "other key", None) == 100


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.floats(0, 100), st.floats(0, 50)), min_size=1, max_size=60
    )
)
def test_no_source_gets_more_than_its_rate_and_burst(told: list[tuple[int, float, float]]) -> None:
    buckets = Buckets(2.0, 30.0)
    now = 0.0
    taken: dict[int, float] = {}
    for key, wait, tokens in told:
        now += wait
        if buckets.take(key, tokens, now):
            taken[key] = taken.get(key, 0) + tokens
    assert all(total <= 30 + 2 * now + 1e-6 for total in taken.values())


def test_memory_is_bounded_and_who_came_last_is_remembered() -> None:
    buckets = Buckets(1.0, 5.0, most=100)
    for key in range(1000):
        buckets.take(key, 5, 0.0)
    assert len(buckets) == 100
    assert buckets.level(999, 0.0) == 0
