import codecs
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Reason, ReportError
from collector.model import Violation
from collector.reports.body import Item, Limits, read_body
from collector.reports.fields import Hints
from tests.make import NOON, body, neutral, okhttp_text, trustkit_ios

ONE = body(neutral())
SMALL = Limits(body_bytes=4096, item_bytes=1024, items=5)


def items(raw: bytes, limits: Limits | None = None) -> list[Item]:
    return read_body(raw, Hints(NOON), limits) if limits else read_body(raw, Hints(NOON))


def reasons(raw: bytes, limits: Limits | None = None) -> list[str]:
    try:
        return [i.reason if isinstance(i, ReportError) else "ok" for i in items(raw, limits)]
    except ReportError as error:
        return [f"body:{error.reason}"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        pytest.param(ONE, ["ok"], id="one object"),
        pytest.param(codecs.BOM_UTF8 + ONE, ["ok"], id="BOM"),
        pytest.param(ONE.decode().encode("utf-16"), ["ok"], id="UTF-16 with BOM"),
        pytest.param(b" \r\n" + ONE + b"\n", ["ok"], id="blanks"),
        pytest.param(b"[" + ONE + b"," + ONE + b"]", ["ok", "ok"], id="array"),
        pytest.param(ONE + b"\n" + ONE + b"\n\n" + ONE, ["ok"] * 3, id="NDJSON"),
        pytest.param(ONE + b"\r\n" + ONE, ["ok", "ok"], id="NDJSON with CRLF"),
        pytest.param(json.dumps(neutral(), indent=2).encode(), ["ok"], id="pretty-printed"),
        pytest.param(json.dumps(ONE.decode()).encode(), ["ok"], id="JSON in JSON"),
        pytest.param(
            json.dumps([ONE.decode(), okhttp_text()]).encode(), ["ok", "ok"], id="array of texts"
        ),
        pytest.param(json.dumps(okhttp_text()).encode(), ["ok"], id="a text as JSON"),
        pytest.param(okhttp_text().encode(), ["ok"], id="a text"),
        pytest.param(gzip.compress(ONE), ["ok"], id="gzip"),
        pytest.param(
            gzip.compress(ONE[:50]) + gzip.compress(ONE[50:]), ["ok"], id="gzip in two members"
        ),
        pytest.param(ONE.replace(b"8.24.1", b"8.\xff"), ["ok"], id="not UTF-8"),
        pytest.param(
            b"[" + ONE + b",7,null,[],{}]", ["ok"] + ["unrecognised"] * 4, id="good and bad"
        ),
        pytest.param(ONE + b'\n{"cut', ["ok", "not_json"], id="NDJSON with a cut line"),
        pytest.param(b"", ["body:not_json"], id="empty"),
        pytest.param(b"  \n", ["body:not_json"], id="blank"),
        pytest.param(b"[]", ["unrecognised"], id="an empty array"),
        pytest.param(b"<html>captive portal</html>", ["not_json"], id="HTML"),
        pytest.param(ONE[:-20], ["not_json"], id="cut"),
        pytest.param(b'{"a": 1,}', ["not_json"], id="a comma too many"),
        pytest.param(b'"hello"', ["not_json"], id="some text"),
        pytest.param(b"123", ["unrecognised"], id="a number"),
        pytest.param(b"{}", ["unrecognised"], id="an empty object"),
        pytest.param(gzip.compress(ONE)[:-12], ["body:not_json"], id="cut gzip"),
        pytest.param(b"\x1f\x8b\x08garbage", ["body:not_json"], id="broken gzip"),
        pytest.param(b"[" * 100_000, ["too_deep"], id="a hundred thousand brackets"),
        pytest.param(b'{"a":' * 3000 + b"1" + b"}" * 3000, ["too_deep"], id="3,000 objects deep"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, ["too_deep"], id="40 deep"),
    ],
)
def test_shapes(raw: bytes, told: list[str]) -> None:
    assert [str(reason) for reason in reasons(raw)] in (told, [f"body:{told[0]}"])


def test_an_extra_key_may_be_as_deep_as_the_limit() -> None:
    def deep(levels: int) -> bytes:
        return body(neutral(odd=json.loads("[" * levels + "]" * levels)))

    assert reasons(deep(31)) == ["ok"]
    assert reasons(deep(32)) == [Reason.TOO_DEEP]


def test_sizes() -> None:
    assert reasons(body(neutral(odd="x" * 2000)), SMALL) == [Reason.TOO_LARGE]
    assert reasons(b" " * 5000, SMALL) == ["body:too_large"]
    assert reasons(gzip.compress(b" " * 1_000_000), SMALL) == ["body:too_large"]
    assert reasons(b"[" + b",".join([b"1"] * 6) + b"]", SMALL) == ["body:too_large"]
    assert reasons(b"\n".join([b'{"a":1}'] * 6), SMALL) == ["body:too_large"]
    assert reasons(b"[" + ONE + b"," + body(neutral(odd="x" * 2000)) + b"]", SMALL) == [
        "ok",
        Reason.TOO_LARGE,
    ]


def test_numbers_that_nothing_can_store() -> None:
    raw = body(neutral()).replace(
        b'"enforced": true', b'"enforced": true, "a": NaN, "b": 1e400, "c": ' + b"9" * 5000
    )
    (item,) = items(raw)
    assert isinstance(item, Violation)
    json.dumps(dict(item.extra), allow_nan=False)


def test_the_place_of_a_mistake_is_told() -> None:
    (item,) = items(b'{"a": 1,\n "b" 2}')
    assert isinstance(item, ReportError)
    assert "line 2 column 6" in item.detail


@given(st.binary(max_size=2000))
def test_any_bytes_are_a_violation_or_a_refusal(raw: bytes) -> None:
    assert reasons(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(
    sorted({*trustkit_ios(), *neutral(), "message", "host", "url", "app", "timestamp", "device"})
)


@given(st.dictionaries(KEYS, JSON | st.text(), max_size=12))
def test_any_values_under_known_keys(report: dict[str, object]) -> None:
    assert reasons(json.dumps(report).encode())


@given(st.data())
def test_any_one_field_of_a_good_report_may_be_anything(data: st.DataObject) -> None:
    report = data.draw(st.sampled_from([trustkit_ios(), neutral()]))
    report[data.draw(st.sampled_from(sorted(report)))] = data.draw(JSON)
    assert reasons(json.dumps(report).encode())
