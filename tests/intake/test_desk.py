"""The desk takes what is one item and known; the rest goes the long way, untouched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import ReportError
from collector.intake.desk import is_one
from collector.reports.body import read_body
from collector.reports.fields import Hints
from tests.make import EVERY_DIALECT, NOON, okhttp_text, trustkit_ios

HINTS = Hints(NOON)
BODIES = [json.dumps(report) if not isinstance(report, str) else report for report in EVERY_DIALECT]


def items(body: bytes) -> int:
    try:
        return len(read_body(body, HINTS))
    except ReportError:
        return 1  # refused as a whole, which counts as one


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | st.sampled_from(BODIES).map(str.encode)
)
def test_what_is_called_one_item_is_one(body: bytes) -> None:
    if is_one(body):
        assert items(body) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[{},{}]", b" [{},{}]", b'"[{},{}]"', b"{}\n{}", b"\xef\xbb\xbf[{},{}]", b"", b"\n", b"\x1f\x8b\x08",
        b"\t{}\n{}", b"\xff\xfe[\x00",
    ],
)  # fmt: skip
def test_what_may_be_several_is_not_called_one(body: bytes) -> None:
    assert not is_one(body)


@pytest.mark.parametrize("body", [json.dumps(trustkit_ios()).encode(), okhttp_text().encode()])
def test_what_clients_send_is_called_one(body: bytes) -> None:
    assert is_one(body)
