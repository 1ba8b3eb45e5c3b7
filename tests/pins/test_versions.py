"""Which version comes before which."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.pins.versions import is_between, version_key

_ORDERED = (
    "",
    "0.9",
    "1.0-alpha",
    "1.0-beta",
    "1.0-beta.2",
    "1",
    "1.0.1",
    "1.2",
    "1.10",
    "8.24.1",
    "8.100",
    "24",
)


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(_ORDERED)))
def test_versions_are_ordered(before: str, after: str) -> None:
    assert version_key(before) < version_key(after)


@pytest.mark.parametrize("same", ["8.24", "8.24.0", "v8.24", " 8.24 ", "8.24+1812", "8_24"])
def test_spellings_of_one_version_are_equal(same: str) -> None:
    assert version_key(same) == version_key("8.24")


def test_both_ends_are_in_the_range() -> None:
    assert is_between("8.24.0", "8.24", "8.24")
    assert is_between("9", "8.24", None)
    assert not is_between("8.23.9", "8.24", None)
    assert not is_between("8.24.1", None, "8.24")
    assert not is_between("8.24.0-rc1", "8.24", None)


@given(st.text(max_size=200))
def test_any_text_has_a_place(text: str) -> None:
    assert version_key(text) >= version_key("") or version_key(text) < version_key("")
    assert is_between(text, None, None)
