"""Each target on bytes that hypothesis makes up, and on its seeds with some of them replaced."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import targets


@settings(max_examples=60)
@given(data=st.data())
@pytest.mark.parametrize("name", targets.TARGETS)
def test_any_bytes(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from([b"", *targets.TARGETS[name].seeds()]))
    start = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(start, min(len(seed), start + 64)))
    targets.run(name, seed[:start] + data.draw(st.binary(max_size=64)) + seed[end:])


@settings(max_examples=60)
@given(text=st.text(max_size=300))
@pytest.mark.parametrize("name", ["texts", "values", "headers", "csv", "settings"])
def test_any_text(name: str, text: str) -> None:
    targets.run(name, text.encode("utf-8", "surrogatepass"))
