"""Which registered pin sets are of a host."""

from __future__ import annotations

from collector.pins.model import ShippedPinSet
from collector.watch.knowing import World


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
