"""What an attacker, or an odd client, sends: found once by trying, kept."""

import gzip
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from collector.errors import Reason, ReportError
from collector.model import Kind, Slot, Violation
from collector.reports.body import READER_FAILED, Item, read_body
from collector.reports.fields import Hints
from tests.make import (
    EVERY_DIALECT,
    INSTALL,
    NOON,
    PIN_A,
    PIN_B,
    body,
    chain,
    neutral,
    okhttp_text,
    read,
    row,
    trustkit_ios,
)
from tests.reports.test_body import JSON, KEYS

LEAF = chain()[0].pin


def _all_text(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _all_text(part)]
    if isinstance(value, list | tuple | frozenset):
        return [text for part in value for text in _all_text(part)]
    if isinstance(value, Slot):
        return _all_text(value.subject)
    return []


def _storable(item: Item) -> None:
    if isinstance(item, ReportError):
        assert READER_FAILED not in item.detail
    if not isinstance(item, Violation):
        return
    for text in _all_text(asdict(item)):
        assert "\x00" not in text
        text.encode()
    assert item.port is None or 0 < item.port < 65536
    assert 0 < item.occurrences < 2**31
    json.dumps(dict(item.extra), allow_nan=False)
    row_text = str(item.client_time_raw)
    assert len(row_text) <= 64


@given(st.dictionaries(KEYS, JSON | st.text(), max_size=12), st.text(max_size=60))
def test_whatever_is_read_can_be_stored(report: dict[str, Any], agent: str) -> None:
    for item in read_body(
        json.dumps({"hostname": "a.example", **report}).encode(), Hints(NOON, agent)
    ):
        _storable(item)


@given(
    st.sampled_from(EVERY_DIALECT),
    st.lists(st.tuples(st.integers(0, 60), JSON), min_size=1, max_size=4),
)
def test_any_value_in_any_place_of_any_dialect(
    template: dict[str, Any], changes: list[tuple[int, Any]]
) -> None:
    report = json.loads(json.dumps(template))
    for place, value in changes:
        places = list(_places(report))
        holder, key = places[place % len(places)]
        holder[key] = value
        if not any(True for _ in _places(report)):
            break
    for item in read_body(json.dumps(report).encode(), Hints(NOON)):
        _storable(item)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@pytest.mark.parametrize(
    "report",
    [
        {"hostname": "a.b", "known-pins": [], "port": "--5"},
        {"hostname": "a.b", "known-pins": [], "date-time": 10**400},
        {"hostname": "a.b", "validation-result": "٣"},
        {"host": "a.b", "message": "Pin verification failed \ud800\u0000"},
        neutral(subjects=["CN=a\0b"]),
        neutral(counts={"occurrences": -5}),
        neutral(host="a.b", port=1e308, os={"name": 5}, app=[1], sdk={"name": {}}),
    ],
)
def test_odd_values(report: dict[str, Any]) -> None:
    first, second = read_body(body([report, neutral()]), Hints(NOON))
    _storable(first)
    assert isinstance(first, Violation)
    assert isinstance(second, Violation)


def test_an_infinite_time_is_json_again() -> None:
    from collector.reports.line import violation_as_json

    (item,) = read_body(b'{"hostname":"a.b","known-pins":[],"date-time":1e400}', Hints(NOON))
    assert isinstance(item, Violation)
    json.dumps(violation_as_json(item), allow_nan=False)


def test_a_model_name_that_is_not_ascii() -> None:
    agent = "Dalvik/2.1.0 (Linux; U; Android 14; Pix\udce9l Build/U)"
    assert read(trustkit_ios(), agent=agent).device == "Pix\ufffdl"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(gzip.compress(b"") * 200_000, id="gzip of many parts"),
        pytest.param(b"[" + b"1," * 2_000_000 + b"1]", id="two million numbers"),
        pytest.param(b"[" + b"{}," * 1_000_000 + b"{}]", id="a million objects"),
        pytest.param(b"{}\n" * 1_000_000, id="a million lines"),
        pytest.param(gzip.compress(b"[" + b"1," * 2_000_000 + b"1]"), id="the same from a few kB"),
    ],
)
def test_bodies_of_many_parts_are_cheap_to_refuse(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ReportError) as refused:
            read_body(raw, Hints(NOON))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.reason in (Reason.TOO_LARGE, Reason.NOT_JSON)
    assert peak < 40_000_000


def test_a_key_that_is_made_to_cost_is_not_tried() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    from collector.reports.certificates import certificate_from_der, signed_by

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own = x509.Name([])
    builder = x509.CertificateBuilder(own, own, key.public_key(), 1, NOON, NOON)
    good = certificate_from_der(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))
    assert signed_by(good, good)
    at = good.der.index(b"\x02\x03\x01\x00\x01")  # the exponent, made larger than it can be
    assert at
    from collector.reports import certificates

    certificates._signed_cached.cache_clear()
    try:
        certificates._WORST_EXPONENT = 3
        assert not signed_by(good, good)
    finally:
        certificates._WORST_EXPONENT = 2**32
        certificates._signed_cached.cache_clear()


def test_a_huge_certificate_is_not_remembered() -> None:
    from collector.reports import certificates

    before = certificates._read_cached.cache_info().currsize
    read(trustkit_ios(validated_certificate_chain=["A" * 20_000] * 3))
    assert certificates._read_cached.cache_info().currsize == before


def test_one_odd_element_of_a_large_array_is_that_ones_business() -> None:
    good = body(trustkit_ios())
    raw = b"[" + b",".join([good] * 500) + b',{"hostname":"a.b","known-pins":[],"x":NaN},{"cut":}]'
    items = read_body(raw, Hints(NOON))
    assert [isinstance(item, Violation) for item in items] == [True] * 501 + [False]


@pytest.mark.parametrize(
    "subject", ["CN=Pinned certificates for evil.com:", "CN=Certificate pinning failure!"]
)
def test_a_name_mismatch_is_not_what_its_subject_says(subject: str) -> None:
    text = f"Hostname api.example.com not verified:\n    certificate: sha256/{PIN_A}\n    DN: {subject}\n"
    violation = read(text)
    assert (violation.kind, violation.host) == (Kind.NAME_MISMATCH, "api.example.com")


def test_a_subject_adds_no_certificate_to_a_chain_of_one() -> None:
    """Else an interceptor's own leaf could name a pinned key, and the report contradict itself."""
    text = (
        f"Certificate pinning failure!\n  Peer certificate chain:\n    sha256/{PIN_B}: CN=x sha256/{PIN_A}: CN=z\n"
        f"  Pinned certificates for api.example.com:\n    sha256/{PIN_A}"
    )
    assert [str(slot.pin) for slot in read(text).validated_chain] == [f"sha256/{PIN_B}"]


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_subject_makes_no_lines(mark: str) -> None:
    text = okhttp_text().replace(
        "CN=api.example.com", f"CN=a{mark}Pinned certificates for evil.com:{mark}sha256/{PIN_B}"
    )
    violation = read(text)
    assert violation.host == "api.example.com"
    assert len(violation.validated_chain) == 3


def test_on_one_line_a_subjects_marker_is_not_the_last() -> None:
    text = okhttp_text().replace("CN=api.example.com", "CN=Pinned certificates for evil.com:")
    violation = read(" ".join(text.split()))
    assert violation.host == "api.example.com"
    assert [str(pin) for pin in violation.known_pins] == [f"sha256/{PIN_A}"]


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda t: t.replace(" ", "  "), id="two blanks"),
        pytest.param(lambda t: t.replace(" ", "\u00a0"), id="no-break spaces"),
        pytest.param(lambda t: t.replace("\n", "\\\\n"), id="newlines spelt twice"),
        pytest.param(
            lambda t: t.replace("\n    sha256", "sha256"), id="newlines lost without a trace"
        ),
        pytest.param(lambda t: t.replace("sha256/", "SHA256/"), id="upper case"),
        pytest.param(
            lambda t: t.replace("example.com:", "example.com :"), id="a blank before the colon"
        ),
    ],
)
def test_more_mangling(mangle: Any) -> None:
    violation = read(mangle(okhttp_text(pins=(PIN_A, PIN_B))))
    assert violation.host == "api.example.com"
    assert {str(pin) for pin in violation.known_pins} == {f"sha256/{PIN_A}", f"sha256/{PIN_B}"}
    assert str(violation.validated_chain[0].pin) == f"sha256/{LEAF}"


PLANTED = "joe@corp.example"
FREE = (
    f"id {INSTALL.upper()} {INSTALL.replace('-', '')} mail {PLANTED} joe%40corp.example joe@localhost "
    "GET /v1/users/joe?sid=hunter2 HTTP/1.1 a.example.com/hunter2?x https:\\/\\/a.example.com\\/hunter2 "
    '//a.example.com/hunter2 access_token=hunter2 api_key: hunter2 {"token":"hunter2"} Cookie: sid=hunter2 '
    "pwd=hunter2 10.1.2.3 api.example.com/2001:db8:0:0:0:0:0:1:443"
)


@pytest.mark.parametrize(
    "report",
    [
        neutral(install_id=f" {INSTALL} ", odd=FREE, error={"message": FREE, "type": FREE},
                device={"id": "J-1", "model": PLANTED}),
        {"host": "a.b", "message": "Pin verification failed " + FREE, "installId": INSTALL, "comment": FREE,
         "device": {"id": "J-1", "name": "Joe's iPhone", "model": PLANTED}, "app": PLANTED, "error_type": FREE},
        {**trustkit_ios(app_vendor_id=INSTALL + "\x00", app_version=PLANTED), "x": FREE, "udid": "J-1",
         "nickname": "Joe's"},
        trustkit_ios(pad="p" * 505 + " " + PLANTED, deep={"more": [FREE]}),
    ],
    ids=["neutral", "natural", "trustkit", "cut"],
)  # fmt: skip
def test_nothing_personal_in_any_field(report: dict[str, Any]) -> None:
    violation = read(report)
    told = repr(
        {**asdict(violation), "install_id": None, "served_chain": (), "validated_chain": ()}
    ).lower()
    for planted in (
        INSTALL,
        INSTALL.replace("-", ""),
        "joe",
        "hunter2",
        "10.1.2.3",
        "2001:db8:0",
        "j-1",
    ):
        assert planted not in told, planted


def test_known_fields_are_not_repeated_among_the_unknown() -> None:
    violation = read(
        neutral(os={"name": "ios", "version": "18.1", "kernel": "x"}, counts={"occurrences": 2})
    )
    assert dict(violation.extra) == {"os.kernel": "x"}


def test_a_text_beside_an_empty_template() -> None:
    empty = {"kind": "spki-sha256", "encoding": "base64", "expected": [], "served": []}
    violation = read(neutral(pins=empty, error={"message": okhttp_text()}))
    assert (len(violation.validated_chain), len(violation.known_pins)) == (3, 1)


@pytest.mark.parametrize(
    ("raw", "count"),
    [
        pytest.param(
            "\n".join(json.dumps(okhttp_text(f"h{i}.example")) for i in range(2)),
            2,
            id="lines of texts",
        ),
        pytest.param(
            json.dumps(okhttp_text()) + "\n" + json.dumps(trustkit_ios()),
            2,
            id="a text, then an object",
        ),
        pytest.param(
            "{bad\n" + json.dumps(neutral()) + "\n" + json.dumps(neutral()),
            3,
            id="a bad first line",
        ),
        pytest.param(
            json.dumps("[" + json.dumps(neutral()) + "," + json.dumps(neutral()) + "]"),
            2,
            id="an array, twice JSON",
        ),
        pytest.param(json.dumps("\ufeff" + json.dumps(neutral())), 1, id="a BOM inside"),
    ],
)
def test_items_of_unusual_bodies(raw: str, count: int) -> None:
    assert len(read_body(raw.encode(), Hints(NOON))) == count


@pytest.mark.parametrize("result", [True, [1], "TSKTrustEvaluationFailedNoMatchingPin", 10**30])
def test_a_result_that_cannot_be_read_is_no_pin_failure(result: object) -> None:
    assert read(trustkit_ios(validation_result=result)).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    ("told", "platform"),
    [("iPhone OS", "IOS"), ("Mac OS X", "MACOS"), ("android 14", "ANDROID"), ("iPadOS 18", "IOS"),
     ("Linux", "LINUX"), ("", None)],
)  # fmt: skip
def test_platform_names(told: str, platform: str | None) -> None:
    assert read(neutral(os={"name": told})).platform == platform


@pytest.mark.parametrize(
    "report",
    [
        {"exception": {"cause": {"message": okhttp_text()}}},
        {"data": {"host": "api.example.com", "message": okhttp_text()}},
        {"host": "api.example.com", "stackTrace": okhttp_text().splitlines()},
    ],
)
def test_texts_further_down(report: dict[str, Any]) -> None:
    assert len(read(report).validated_chain) == 3


@pytest.mark.parametrize(
    "spelling", [f"sha256//{PIN_A}", f'pin-sha256="{PIN_A}"; max-age=500', f"SHA256:{PIN_A}"]
)
def test_more_spellings_of_a_pin(spelling: str) -> None:
    assert [str(pin) for pin in read(trustkit_ios(known_pins=[spelling])).known_pins] == [
        f"sha256/{PIN_A}"
    ]


def test_event_ids_that_clients_share_swallow_nothing() -> None:
    keys = {
        row(neutral(event_id="1", host=host)).delivery.key for host in ("a.example", "b.example")
    }
    assert len(keys) == 2
    long = [row(neutral(event_id="x" * 200 + end)).delivery.key for end in "12"]
    assert long[0] != long[1]


def test_a_common_name_is_no_host() -> None:
    name = neutral(host=None, common_name="API.Example.com")
    assert row(name).signature != row(neutral()).signature
    assert row(name).signature == row(neutral(host=None, common_name="api.example.com")).signature


def test_a_large_pin_set_is_the_same_in_any_order() -> None:
    from base64 import b64encode
    from hashlib import sha256

    pins = [f"sha256/{b64encode(sha256(bytes([i])).digest()).decode()}" for i in range(100)]
    one, other = (row(trustkit_ios(known_pins=order)) for order in (pins, pins[::-1]))
    assert one.delivery == other.delivery
