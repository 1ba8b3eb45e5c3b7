from __future__ import annotations

import pytest

from collector.errors import PinfallError
from collector.workers.cores import share_out


@pytest.mark.parametrize(
    ("cores", "workers", "own", "others"),
    [
        ({0, 1}, 1, [1], {0}),
        ({7, 2, 5, 3}, 2, [5, 7], {2, 3}),
        (range(64), 63, [*range(1, 64)], {0}),
    ],
)
def test_each_worker_has_one_and_others_the_rest(
    cores: set[int], workers: int, own: list[int], others: set[int]
) -> None:
    assert share_out(cores, workers) == (own, others)


@pytest.mark.parametrize(("cores", "workers"), [({3}, 1), ({0, 1}, 2), ({0, 1}, 64)])
def test_somebody_has_to_do_the_rest(cores: set[int], workers: int) -> None:
    with pytest.raises(PinfallError, match=f"there are {len(cores)} for {workers}"):
        share_out(cores, workers)
