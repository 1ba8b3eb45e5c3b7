"""What is remembered of counted installs changes nothing in what is counted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from collector.detect.classes import Class
from collector.detect.counted import Remembered
from collector.detect.counting import AGAIN, Before, Place, Sighting, capping, count
from tests.make import NOON

HOST = "api.example.com"
PLACE: Place = (1, HOST, Class.SELF)


def sighting(
    number: int, minutes: int, install: int, network: int = 0, kind: str = "pin_mismatch"
) -> tuple[Sighting, Class]:
    told = Sighting(
        id=number, project=1, host=HOST, kind=kind, install=b"%d" % install, estimated=False, leaf=None,
        signature=b"s", network=b"%d" % network, operator_network=b"o", environment="production",
        received_at=NOON + timedelta(minutes=minutes), app="a", app_version="1", platform="IOS", pin_set=None,
        chain=None,
    )  # fmt: skip
    return told, Class.SELF


@dataclass
class Table:
    """Counted installs, as they are stored. ``mark``: changes when some were taken back."""

    rows: dict[int, tuple[bytes, bytes, datetime, bool]] = field(default_factory=dict)
    mark: int = 0
    last: int = 0
    read: int = 0

    def before(self, classed: list[tuple[Sighting, Class]]) -> Before:
        told = Before()
        installs = {one.install for one, _ in classed}
        self.read += len(installs)
        for id_, (install, _, at, _) in self.rows.items():
            if install in installs:
                told.add(PLACE, install, b"", at, id_, within_cap=False)
        networks = capping(classed, told)
        for _, network, at, within in self.rows.values():
            if within and network in networks:
                told.networks.setdefault((PLACE, network), []).append(at)
        return told

    def count(
        self, classed: list[tuple[Sighting, Class]], remembered: Remembered, *, fails: bool = False
    ) -> None:
        remembered.until(self.mark)
        may = remembered.may_count(classed)
        before = self.before(may)
        told = count(may, before)
        if fails:
            return
        for one in told.counted:
            self.last += 1
            s = one.sighting
            self.rows[self.last] = s.install, s.network, s.received_at, one.within_cap
        for row in told.moved:
            del self.rows[row]
            self.mark += 1
        remembered.learn(before)

    def forget(self, install: bytes) -> None:
        self.rows = {id_: row for id_, row in self.rows.items() if row[0] != install}
        self.mark += 1


@pytest.mark.parametrize("seed", range(40))
def test_the_same_is_counted_as_if_nothing_were_remembered(seed: int) -> None:
    """Reports in turn and replayed late, steps that fail and come again, installs that are forgotten."""
    chance = random.Random(seed)
    plain, quick = Table(), Table()
    kept = Remembered(most=chance.choice([3, 1000]))
    now = 0
    for turn in range(60):
        now += chance.randrange(90)
        some = [
            sighting(
                100 * turn + n,
                now - (chance.randrange(4000) if chance.random() < 0.05 else 0) + n,
                chance.randrange(12),
                chance.randrange(4),
                chance.choice(["pin_mismatch"] * 5 + ["no_pins"]),
            )
            for n in range(chance.randrange(1, 9))
        ]
        fails, forgotten = chance.random() < 0.1, chance.random() < 0.05
        for table, memory in ((plain, Remembered()), (quick, kept)):
            if fails:
                table.count(some, memory, fails=True)
            table.count(some, memory)
            if forgotten:
                table.forget(b"%d" % (turn % 12))
    assert sorted(plain.rows.values()) == sorted(quick.rows.values())
    assert quick.read < plain.read


def test_who_was_counted_within_the_day_is_not_looked_up() -> None:
    table, memory = Table(), Remembered()
    table.count([sighting(n, n, n) for n in range(3)], memory)
    assert memory.may_count([sighting(9, 60, 1), sighting(10, 61, 2)]) == []
    day = int(AGAIN.total_seconds() // 60)
    new, after, before = sighting(11, 60, 7), sighting(12, day + 1, 1), sighting(13, -1, 2)
    beside = sighting(14, 60, 2)  # of one that may move
    assert memory.may_count([new, after, before, beside]) == [new, after, before, beside]
    memory.until(table.mark + 1)
    assert memory.may_count([sighting(9, 60, 1)]) == [sighting(9, 60, 1)]


def test_what_is_remembered_has_an_end() -> None:
    table, memory = Table(), Remembered(most=10)
    for n in range(0, 40, 4):
        table.count([sighting(n + i, n + i, n + i) for i in range(4)], memory)
        assert len(memory._at) <= 14
