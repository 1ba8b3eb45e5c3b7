"""Which reports come from a silenced network."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from collector.intake.frames import Frame, packed, read_frame
from collector.intake.prepare import canonical
from collector.intake.silenced import Silenced, SilencedNetwork
from collector.store.rows import Row
from tests.make import NOON, row, trustkit_ios

LATER = NOON + timedelta(hours=1)


@pytest.mark.parametrize(("cidr", "address", "is_in"), [
    ("203.0.113.0/24", "203.0.113.255", True), ("203.0.113.0/24", "203.0.114.0", False),
    ("203.0.113.7/32", "203.0.113.7", True), ("203.0.113.7/32", "203.0.113.8", False),
    ("0.0.0.0/0", "203.0.113.7", True), ("0.0.0.0/0", "2001:db8::1", False),
    ("::/0", "203.0.113.7", False), ("2001:db8::/32", "2001:db8:ffff::1", True),
    ("203.0.113.0/24", "::ffff:203.0.113.7", True),
])  # fmt: skip
def test_an_address_lies_in_it_or_not(cidr: str, address: str, is_in: bool) -> None:
    silenced = Silenced()
    assert not silenced.told
    silenced.learn([SilencedNetwork(cidr, LATER)])
    assert silenced.told
    told = row(trustkit_ios())
    for _ in range(2):  # the second time from memory
        assert silenced.mark(told, canonical(address)).silenced is is_in


@pytest.mark.parametrize(("of", "is_in"), [
    ({}, True), ({"project": 1}, True), ({"project": 2}, False), ({"host": "api.example.com"}, True),
    ({"host": "*.example.com"}, True), ({"host": "*.other.example"}, False), ({"until": NOON}, False),
])  # fmt: skip
def test_it_is_of_whom_it_names_while_it_lasts(of: dict[str, object], is_in: bool) -> None:
    silenced = Silenced()
    silenced.learn([SilencedNetwork(**{"cidr": "10.0.0.0/8", "until": LATER, **of})])  # type: ignore[arg-type]
    told = msgspec.structs.replace(row(trustkit_ios()), project=1, received_at=NOON)
    assert silenced.mark(told, canonical("10.1.2.3")).silenced is is_in
    silenced.learn([])
    assert not silenced.told
    assert not silenced.mark(told, canonical("10.1.2.3")).silenced


def test_the_mark_outlives_the_spool_and_frames_of_the_version_before_are_read() -> None:
    told = msgspec.structs.replace(row(trustkit_ios()), silenced=True)
    payload = packed(Frame(UUID(int=1), [told], {}))
    (again,) = read_frame(payload).entries
    assert isinstance(again, Row)
    assert again.silenced is True
    parts = msgspec.msgpack.decode(payload)
    parts[-1] = [entry[:-1] for entry in parts[-1]]
    (before,) = read_frame(msgspec.msgpack.encode(parts)).entries
    assert isinstance(before, Row)
    assert before.silenced is False
