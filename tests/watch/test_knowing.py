"""Which registered pin sets are of a host."""

from __future__ import annotations

from datetime import timedelta

from collector.detect.cause_event import Change, Source
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.reports.certificates import certificate_from_der
from collector.watch.knowing import World, minute
from tests.make import NOON, chain
from tests.watch.story import HOST


def test_a_host_has_the_sets_of_its_name_and_of_names_above() -> None:
    sets = [
        ShippedPinSet(host=name, pins=(), include_subdomains=below)
        for name in ("api.example.com", "*.example.com", "example.com", "com", "other.example.com")
        for below in (False, True)
    ]
    known = World(shipped={(1, one.host): [s for s in sets if s.host == one.host] for one in sets})
    for host in ("api.example.com", "a.api.example.com", "example.com", "com", "localhost"):
        found = known.registered(1, host)
        assert len(found) == len({id(one) for one in found})
        assert {id(one) for one in found} == {id(one) for one in sets if one.covers_host(host)}
        assert known.registered(2, host) == []


def test_new_pins_are_a_change_where_they_refuse_what_is_served() -> None:
    served = tuple(certificate_from_der(one.der) for one in chain())
    pinned = ShippedPinSet(host=HOST, pins=(Hash("sha256", bytes.fromhex(chain()[0].pin_hex)),))
    other = ShippedPinSet(host=HOST, pins=(Hash("sha256", b"o" * 32),))
    at = NOON - timedelta(hours=1)

    def changes(
        one: ShippedPinSet, *, probed: bool, project: int = 1, host: str = HOST
    ) -> list[Change]:
        known = World(pushed={1: [(one, at)]}, probed={HOST: [served]} if probed else {})
        return [*known.changes(project, host)]

    pushed = [Change(at=minute(at), source=Source.PIN_PUSH)]
    assert changes(other, probed=True) == pushed
    assert changes(pinned, probed=True) == []
    assert changes(pinned, probed=False) == pushed, "nobody knows what is served"
    assert changes(other, probed=True, project=2) == []
    assert changes(other, probed=True, host="other.example.com") == []
