"""What a scenario does, in numbers."""

from __future__ import annotations

import ipaddress

import pytest

from collector.model import Violation
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.simulate.fleet import Fleet, address
from collector.simulate.scenarios import BY_NAME, SCENARIOS
from tests.make import NOON

HOST = "api.example.com"
SECONDS = 600.0


def played(name: str, installs: int = 300, seed: int = 1) -> tuple[Fleet, list[float]]:
    fleet = Fleet(BY_NAME[name], HOST, installs, SECONDS, seed, NOON)
    return fleet, [sent.at for sent in fleet.reports()]


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
def test_reports_come_in_order_within_the_time(name: str) -> None:
    fleet, times = played(name)
    assert times == sorted(times)
    assert all(0 <= at < SECONDS for at in times)
    assert sum(fleet.truth.reports.values()) == len(times)


@pytest.mark.parametrize("name", ["quiet", "office-proxy", "retry-loop", "spoof", "misissuance"])
def test_nothing_of_our_own_breaks(name: str) -> None:
    fleet, _ = played(name)
    assert not fleet.truth.installs["self"]


def test_a_bad_rotation_reaches_most_of_the_fleet_after_it() -> None:
    fleet, _ = played("bad-rotation", 1000)
    assert fleet.rotated_at == 240
    assert 700 < len(fleet.truth.installs["self"]) < 900  # a tenth is safe, and some do not connect


def test_a_canary_reaches_few_and_a_good_rotation_nobody() -> None:
    few, _ = played("canary", 1000)
    assert 20 < len(few.truth.installs["self"]) < 250
    none, _ = played("wave-at-rotation", 1000)
    assert not none.truth.installs["self"]
    assert len(none.truth.installs["interception"]) > 200


def test_a_rollback_ends_it() -> None:
    fleet = Fleet(BY_NAME["rollback"], HOST, 500, SECONDS, 1, NOON)
    late = [s for s in fleet.reports() if s.at > 0.6 * SECONDS and s.network < 10_000]
    assert late == []


def test_one_release_fails_alone() -> None:
    fleet, _ = played("one-version", 500)
    broken = {install.number for install in fleet.fleet if install.version == "8.25.0"}
    assert fleet.truth.installs["self"] <= broken
    assert len(fleet.truth.installs["self"]) > 0.8 * len(broken)


def test_the_same_seed_plays_the_same() -> None:
    assert played("decoy", seed=5)[1] == played("decoy", seed=5)[1]
    assert played("decoy", seed=5)[1] != played("decoy", seed=6)[1]


def test_every_report_is_read_as_a_violation_of_the_host() -> None:
    fleet = Fleet(BY_NAME["decoy"], HOST, 300, SECONDS, 1, NOON)
    seen = set()
    for sent in fleet.reports():
        message = sent.make(NOON)
        (item,) = read_body(message.body.encode(), Hints(NOON, message.agent))
        assert isinstance(item, Violation)
        assert item.host == HOST
        seen.add(item.dialect)
    assert len(seen) == 5


def test_networks_are_networks_of_their_own() -> None:
    for loopback in (True, False):
        numbers = (0, 5, 100, 399, 9_999, 10_000, 10_059, 20_000, 30_001, 40_000)
        found = {
            ipaddress.ip_network(f"{address(n, 7, loopback=loopback)}/24", strict=False)
            for n in numbers
        }
        assert len(found) == len(numbers)
        assert all(network.is_loopback == loopback for network in found)


def test_even_a_small_fleet_is_with_many_operators_and_no_carrier_with_another() -> None:
    fleet, _ = played("quiet", installs=60)
    operators = [
        {
            address(n, 7, loopback=loopback).rsplit(".", 2)[0]
            for n in sorted({i.network for i in fleet.fleet})
        }
        for loopback in (True, False)
    ]
    assert min(map(len, operators)) > 30
    carriers = {address(n, 7, loopback=False).rsplit(".", 2)[0] for n in range(6)}
    assert len(carriers) == 6
