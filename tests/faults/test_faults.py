"""Each fault once, in its short form. `./pinfall test --faults ROUNDS` is the long one."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.driver import order, summary
from tests.faults.hurt import Database
from tests.faults.kinds import FAULTS
from tests.faults.places import Skipped
from tests.faults.rounds import Told, run_round


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_acknowledged_is_there_once(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fault = FAULTS[name]
    place = tmp_path_factory.getbasetemp() / "faults"

    async def run() -> Told:
        if fault.own_disk:
            return await run_round(place, None, fault, "short", brief=True)
        async with Database(place / "postgres") as shared:
            return await run_round(place, shared, fault, "short", brief=True)

    try:
        told = asyncio.run(run())
    except Skipped as why:
        pytest.skip(str(why))
    assert told.wrong == []
    assert told.figures["acknowledged"] == told.figures["found"] > 0
    assert told.statuses.get("200", 0) > 0


def test_a_lost_item_fails_the_rounds() -> None:
    good = Told("stop_postgres", "1", 1, True, figures={"acknowledged": 3, "found": 3})
    bad = Told(
        "read_only", "1", 1, True, figures={"acknowledged": 3, "found": 2, "lost": 1}, wrong=["m-1: 0 times"]
    )  # fmt: skip
    told = summary([good, bad], {}, 1)
    assert (told["acknowledged"], told["found"], told["lost"], told["rounds_wrong"]) == (6, 5, 1, 1)


def test_rounds_take_all_faults_in_turn_and_a_seed_repeats_them() -> None:
    names = order(2 * len(FAULTS), (), seed=7)
    assert sorted(names[: len(FAULTS)]) == sorted(names[len(FAULTS) :]) == sorted(FAULTS)
    assert names == order(2 * len(FAULTS), (), seed=7) != order(2 * len(FAULTS), (), seed=8)
    assert set(order(5, ("read_only",), seed=7)) == {"read_only"}
