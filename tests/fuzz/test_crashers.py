"""Each target on its seeds, and on every input that `./pinfall fuzz` ever found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from collector.model import Violation
from collector.reports import body
from tests import make
from tests.fuzz import targets
from tests.fuzz.mutate import mutated
from tests.fuzz.run import CRASHERS

KEPT = sorted(path for path in CRASHERS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_the_seeds_of_a_target(name: str) -> None:
    seeds = targets.TARGETS[name].seeds()
    assert seeds
    for seed in seeds:
        targets.run(name, seed)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_once_broke_a_reader(path: Path) -> None:
    targets.run(path.parent.name, path.read_bytes())


def test_seeds_changed_as_json() -> None:
    """A little of what the fuzzer does, in every run of the tests; the seed of chance is fixed."""
    chance = random.Random(1)
    seeds = targets.TARGETS["bodies"].seeds()
    for _ in range(400):
        raw = mutated(chance.choice(seeds), chance)
        if raw is not None:
            targets.run("bodies", raw)


def test_a_fault_of_a_reader_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Violation:
        raise ZeroDivisionError

    monkeypatch.setattr(body, "read_object", broken)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        targets.run("bodies", make.body(make.rn_ssl_manager()))
