"""Cases with the cause that each should be judged to have; certificates are made here."""

from __future__ import annotations

from functools import cache

from bench.case_world import Named
from bench.cases_other import inspection, no_word_of_a_client, public_keys
from bench.cases_own import clocks, environments, issuers, paths, releases, rotations

__all__ = ["Named", "every_case"]


@cache
def every_case() -> tuple[Named, ...]:
    groups = (
        rotations, issuers, paths, releases, environments, clocks, inspection, public_keys, no_word_of_a_client,
    )  # fmt: skip
    return tuple(case for group in groups for case in group())
