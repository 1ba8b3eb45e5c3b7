"""What is no file with pins, or one with a mistake: one line each, whatever the bytes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import PinfallError
from collector.pins.readers import FORMATS, LIMIT, read, read_file
from collector.pins.readers.document import opened
from collector.pins.readers.values import Notes
from tests.make import chain
from tests.pins.samples import (
    ONE,
    SAMPLES,
    TWO,
    android,
    domains,
    identities,
    ns_pinned,
    own,
    own_set,
    pin_set,
    plist,
    ssl_config,
    trustkit,
    trustkit_policy,
)

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPE = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>'
ZEROS = "A" * 43 + "="
SHA1 = base64.b64encode(b"x" * 20).decode()


def one(value: object) -> dict[str, bytes]:
    """A pin in each format."""
    text = str(value)
    kotlin = json.dumps(text)
    return {
        "trustkit": plist(
            trustkit({"api.example.com": trustkit_policy(TSKPublicKeyHashes=[ONE, text])})
        ),
        "ns": plist(
            ns_pinned({"api.example.com": {"NSPinnedLeafIdentities": identities(ONE, text)}})
        ),
        "android": android(
            f"<domain-config><domain>api.example.com</domain>{pin_set(ONE, text)}</domain-config>"
        ),
        "ssl_config": ssl_config(sha256Keys={"api.example.com": [f"sha256/{ONE}", text]}),
        "own": own(own_set(pins=[f"sha256/{ONE}", text])),
        "okhttp": f'CertificatePinner.Builder().add("api.example.com", "sha256/{ONE}", {kotlin})'.encode(),
    }


def refused(data: bytes) -> str:
    with pytest.raises(PinfallError) as raised:
        read(data, "file")
    text = str(raised.value)
    assert text.startswith("file: ")
    assert len(text.splitlines()) == 1
    return text


@pytest.mark.parametrize(("data", "words"), [
    (b"", "is empty"),
    (b" \n\t ", "is empty"),
    (b"\x00\x01\x02", "neither text nor a property list"),
    (b"\xff\xfe\x00", "neither text nor a property list"),
    (b"bplist00 and no more", "no property list that can be read"),
    (b"PK\x03\x04....", "is an archive"),
    (b"\x03\x00\x08\x00....", "compiled XML of Android"),
    (b"hello", "no file with pins that is known"),
    (b"{", "is no JSON: line 1, column 2"),
    (b"[" * 100_000, "is no JSON that can be read"),
    (b"{}", "no file with pins that is known"),
    (b"[1, 2]", "no file with pins that is known"),
    (b'{"n": ' + b"9" * 5000 + b"}", "is no JSON that can be read"),
    (b"<a>", "is no XML: line 1, column 4"),
    (b"<manifest/>", "no file with pins that is known"),
    (b"<plist><dict>", "no property list that can be read"),
    (b"<plist><dict/></plist>", "no file with pins that is known"),
    (b"<?xml version='1.0'?><!-- <plist> --><network-security-config/>", "has no pin set"),
    (b"-----BEGIN CERTIFICATE-----", "no file with pins that is known"),
    (DOCTYPE.encode() + b"<network-security-config>&a9;</network-security-config>", "XML entities are refused"),
    (DOCTYPE.encode() + b"<plist><string>&a9;</string></plist>", "XML entities are refused"),
    (DOCTYPE.encode("utf-16") + "<plist/>".encode("utf-16-le"), "XML entities are refused"),
    (b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><network-security-config/>", "has no pin set"),
    (own(), "has no pin set"),
    (own(own_set(), schema="pinfall.pins/2"), "'pinfall.pins/2' should be pinfall.pins/1"),
    (b'{"sets": []}', "schema: 'None' should be"),
])  # fmt: skip
def test_what_is_no_file_with_pins(data: bytes, words: str) -> None:
    assert words in refused(data)


def test_a_large_file_is_refused_unread() -> None:
    for start in (b"", b"bplist00", b"<plist>", b"{"):
        assert "larger than 4 MiB" in refused(start + b" " * LIMIT + b" ")


@pytest.mark.parametrize(("value", "words"), [
    ("AAAA", "base64 of 3 bytes"),
    ("not base64 at all!", "is no base64"),
    (ONE[:-1], "is no base64"),
    (SHA1, "SHA-1 pin"),
    ("00" * 20, "SHA-1 pin"),
    ("ab" * 32, "is hexadecimal"),
    ("", ""),
])  # fmt: skip
def test_pins_that_are_none(value: str, words: str) -> None:
    for name, data in one(value).items():
        told = refused(data)
        assert "api.example.com: pin 2: " in told.replace("'", ""), name
        if name != "okhttp":  # it says first that pins begin with sha256/
            assert words in told, name
        prefixed = one(f"sha256/{value}")
        if value and name in ("okhttp", "ssl_config", "own") and words != "SHA-1 pin":
            assert words in refused(prefixed[name]), name


def test_the_prefix_that_an_sdk_wants() -> None:
    files = one(f"sha256/{TWO}")
    for name in ("trustkit", "ns", "android"):
        assert "without 'sha256/'" in refused(files[name])
    assert "begin with 'sha256/'" in refused(one(TWO)["okhttp"])
    for name in ("ssl_config", "own", "okhttp"):
        assert len(read(files[name], "file")[0].pins) == 2


def test_a_certificate_or_a_key_where_its_pin_should_be() -> None:
    issued = chain()[1]
    key = (
        issued.key.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    for name, data in one(issued.pem).items():
        assert (
            f"a certificate stands where a pin should: its pin is sha256/{issued.pin}"
            in refused(data)
        ), name
    for name, data in one(key).items():
        assert f"a public key stands where a pin should: its pin is sha256/{issued.pin}" in refused(
            data
        ), name
    assert "PEM stands where a pin" in refused(one("-----BEGIN PRIVATE KEY-----")["trustkit"])


def test_nothing_but_placeholders() -> None:
    for zeros in (ZEROS, "B" * 42 + "A=", base64.b64encode(bytes(range(4)) * 8).decode()):
        data = plist(trustkit({"api.example.com": trustkit_policy(TSKPublicKeyHashes=[zeros])}))
        assert "they are placeholders" in refused(data)
    of_nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert "got no key" in read_file(one(of_nothing)["trustkit"], "file").warnings[0]


TWICE = f'{{"sha256Keys": {{"a.example.com": ["sha256/{ONE}"], "a.example.com": []}}}}'
INNER = domains("A.example.com", inside="")
ALIKE = {"a.example.com": [f"sha256/{ONE}"], "A.example.com.": [f"sha256/{ONE}"]}
TWICE_PLIST = plist(
    trustkit({"a.example.com": trustkit_policy(), "b.example.com": trustkit_policy()})
)


@pytest.mark.parametrize(("data", "words"), [
    (TWICE.encode(), "'a.example.com' stands twice"),
    (TWICE_PLIST.replace(b"b.example.com", b"a.example.com"), "'a.example.com' stands twice"),
    (TWICE_PLIST.replace(b"b.example.com", b"A.example.com"), "a.example.com stands twice"),
    (ssl_config(sha256Keys=ALIKE), "a.example.com stands twice"),
    (android(domains("a.example.com", inside=pin_set(ONE) + INNER)), "a.example.com stands twice"),
    (plist(ns_pinned({"a.example.com": {"NSPinnedCAIdentities": identities(ONE)}, "A.example.com": {}})), "file: A"),
])  # fmt: skip
def test_a_domain_that_stands_twice(data: bytes, words: str) -> None:
    if words == "file: A":  # without pins it is left out, which is told
        assert "a.example.com: has no pin" in read_file(data, "file").warnings[0]
        return
    assert words in refused(data)


POLICY = trustkit_policy()


@pytest.mark.parametrize(("data", "words"), [
    (plist(trustkit({"*.example.com": POLICY})), "no wildcard in this format"),
    (plist(trustkit({"https://example.com/": POLICY})), "no port and no path"),
    (plist(trustkit({"a b": POLICY})), "'a b' is no host name"),
    (plist({"TSKPinnedDomains": ["example.com"]}), "should be a dictionary"),
    (plist(trustkit({"a.example.com": "x"})), "a.example.com: should be a dictionary"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKPublicKeyHashes=ONE)})), "pins should be a list"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKPublicKeyHashes=[5])})), "should be a text"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKPublicKeyHashes=[ONE] * 33)})), "more than 32 pins"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKEnforcePinning="perhaps")})), "neither true nor false"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKExpirationDate="01/03/2027")})), "no day such as"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKExpirationDate="2027-02-30")})), "no day such as"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKReportUris=["ftp://x"])})), "no http(s) URL"),
    (plist(trustkit({"a.example.com": trustkit_policy(TSKReportUris="https://x.example")})), "list of URLs"),
    (plist(ns_pinned({"a.example.com": {"NSPinnedCAIdentities": [{"SPKI": ONE}]}})), "should have SPKI-SHA256-BASE64"),
    (plist(ns_pinned({"a.example.com": {"NSPinnedCAIdentities": ONE}})), "should be a list"),
    (android(f"<domain-config><domain>*.example.com</domain>{pin_set(ONE)}</domain-config>"), "no wildcard"),
    (android(f"<domain-config><domain/>{pin_set(ONE)}</domain-config>"), "is no host name"),
    (android(domains("a.example", inside=pin_set(ONE) + pin_set(TWO))), "has 2 pin-sets"),
    (android(domains("a.example", inside=pin_set(ONE).replace("SHA-256", "SHA-1"))), "SHA-256 only"),
    (android(domains("a.example", inside=pin_set(ONE, expiration="soon"))), "expiration: 'soon' is no day"),
    (android("<domain-config>" * 30 + "</domain-config>" * 30), "deeper than 20"),
    (android("<domain-config>" + "<domain>a.example</domain>" * 2001 + "</domain-config>"), "more than 2000 domains"),
    (ssl_config(sha256Keys=[]), "should be an object"),
    (ssl_config(domains={"api.example.com": 5}), "object of objects"),
    (own(own_set(hosts="a.example")), "'hosts' is no field"),
    (own(own_set(), release="9"), "'release' is no field"),
    (own(own_set(host="*")), "no wildcard"),
    (own(own_set(host="*.")), "is no host name"),
    (own(own_set(host="**.example.com")), "no wildcard"),
    (own(own_set(host="*.example.com", include_subdomains=True)), "'*.' is one label"),
    (own(own_set(version_from="9", version_to="8")), "comes after version_to"),
    (own(own_set(platform="symbian")), "platform: 'symbian' should be"),
    (own(own_set(starts="soon")), "starts: should be a time"),
    (own(own_set(expires="2027-01-01Tnoon")), "is no time such as"),
    (own(own_set(app="\x1b[31m")), "printable"),
    (own(*[own_set(host=f"h{n}.example.com") for n in range(501)]), "more than 500 pin sets"),
    (b"CertificatePinner" + b"x" * 600_000, "source of more than 512 KiB"),
    (f'CertificatePinner.Builder().add("a.*.example.com", "sha256/{ONE}")'.encode(), "only *. and **."),
])  # fmt: skip
def test_mistakes_in_a_file(data: bytes, words: str) -> None:
    assert words in refused(data)


def _any_change(data: bytes) -> st.SearchStrategy[bytes]:
    """The sample with a piece cut out, doubled, or replaced."""
    places = st.integers(0, len(data))

    def changed(told: tuple[int, int, bytes, int]) -> bytes:
        a, b, new, times = told
        a, b = min(a, b), max(a, b)
        return data[:a] + new + data[a:b] * times + data[b:]

    return st.tuples(places, places, st.binary(max_size=8), st.integers(0, 2)).map(changed)


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_any_change_gives_sets_or_one_line(sample: str) -> None:
    @given(_any_change(SAMPLES[sample]))
    def check(data: bytes) -> None:
        _sets_or_one_line(data)

    check()


@pytest.mark.parametrize(
    "start", [b"", b"bplist00", b"<plist", b"<network-security-config", b"{", b"CertificatePinner"]
)
def test_any_bytes_give_sets_or_one_line(start: bytes) -> None:
    @given(st.binary(max_size=300))
    def check(data: bytes) -> None:
        _sets_or_one_line(start + data)

    check()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20)
    | st.sampled_from([ONE, f"sha256/{TWO}", "a.example.com"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from([
            "TSKConfiguration", "TSKPinnedDomains", "TSKPublicKeyHashes", "TSKReportUris", "sha256Keys", "domains",
            "schema", "sets", "host", "pins", "a.example.com", "TSKExpirationDate", "enforcePinning", "starts",
        ]) | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)  # fmt: skip


@given(_JSON)
def test_any_json_gives_sets_or_one_line(told: object) -> None:
    _sets_or_one_line(json.dumps(told).encode())


def _sets_or_one_line(data: bytes) -> None:
    try:
        sets = read(data, "file")
    except PinfallError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert sets
        assert all(one.pins == tuple(sorted({*one.pins})) for one in sets)
        assert all(one.host == one.host.lower() and one.host.isascii() for one in sets)


_LONG = 400_000  # characters


@pytest.mark.parametrize("made", [
    pytest.param(lambda: "/*" * (_LONG // 2), id="comments"),
    pytest.param(lambda: '"""' * (_LONG // 3), id="raw strings"),
    pytest.param(lambda: '"' + "\\" * _LONG, id="escapes"),
    pytest.param(lambda: "(" * _LONG, id="brackets"),
    pytest.param(lambda: "a=(" * (_LONG // 3), id="constants of brackets"),
    pytest.param(lambda: "a=b+" * (_LONG // 4), id="sums"),
    pytest.param(lambda: "".join(f'val a{n}="$a{n + 1}$a{n + 1}"\n' for n in range(_LONG // 25)), id="doubling"),
    pytest.param(lambda: "".join(f"val a{n}=a{n + 1}\n" for n in range(_LONG // 20)), id="one after the other"),
    pytest.param(lambda: "CertificatePinner.Builder().apply{" * (_LONG // 34), id="nested builders"),
    pytest.param(lambda: '.add("sha256/"' * (_LONG // 14), id="nested calls"),
    pytest.param(lambda: "x" + "{" * 100 + '"a"' + "}" * 100, id="nested lists"),
])  # fmt: skip
def test_source_takes_time_in_proportion(made: Callable[[], str]) -> None:
    """A reader that looks back for each token would take minutes here."""
    text = f'CertificatePinner.Builder().add(a0, "sha256/{ONE}")\n' + made()
    began = time.process_time()
    _sets_or_one_line(text.encode())
    assert time.process_time() - began < 20


def test_each_format_leaves_the_files_of_others_alone() -> None:
    for name, data in SAMPLES.items():
        document = opened(data, name)
        known = [format_ for format_, reader in FORMATS if reader(document, Notes()) is not None]
        assert len(known) == 1
        assert name.startswith(known[0])
