"""Hosts, times, pins, certificates: the values that reports are made of."""

import base64
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.model import Hash, TimeTrust
from collector.reports.certificates import (
    certificate_from_der,
    facts,
    read_certificate,
    role,
    signed_by,
)
from collector.reports.extra import keep
from collector.reports.hosts import matches, read_host, read_pattern
from collector.reports.personal import without_personal
from collector.reports.pins import digest, parse_pin
from collector.reports.times import client_time, parse_time
from tests.make import NOON, PIN_A, android_pem, authority, chain, ios_pem, issue, wrapped


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("API.Example.COM.", "api.example.com", None),
        ("api.example.com:8443", "api.example.com", 8443),
        ("https://user:pw@api.example.com:8443/a?b=c#d", "api.example.com", 8443),
        ("api.example.com/path", "api.example.com", None),
        ("bücher.example", "xn--bcher-kva.example", None),
        ("BÜCHER.example", "xn--bcher-kva.example", None),
        ("_dmarc.example.com", "_dmarc.example.com", None),
        ("192.0.2.1", "192.0.2.1", None),
        ("192.0.2.1:443", "192.0.2.1", 443),
        ("[2001:DB8::1]:443", "2001:db8::1", 443),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1", None),
        ("fe80::1%eth0", "fe80::1", None),
        ("api.v2", "api.v2", None),
        ("localhost", "localhost", None),
        ("api.example.com:99999", "api.example.com", None),
    ],
)
def test_host(text: str, host: str, port: int | None) -> None:
    assert read_host(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ".", "a..b", "*.example.com", "-a.example", "a b", "<script>", "a" * 64 + ".example",
     "a." * 127 + "toolong", "https://", "\u202eevil", "x" * 5000, "a\x00b", "[::1", "1:2:3"],
)  # fmt: skip
def test_no_host(text: str) -> None:
    if text == "[::1":  # a bracket that nobody closed is still one address
        assert read_host(text) == ("::1", None)
        return
    with pytest.raises(ValueError, match=r".+"):
        read_host(text)


@given(st.text(max_size=300))
def test_a_host_is_canonical_or_refused(text: str) -> None:
    try:
        host, _ = read_host(text)
    except ValueError:
        return
    assert host == host.lower()
    assert len(host) <= 253
    again = f"[{host}]" if ":" in host else host
    assert read_host(again) == (host, None)


def test_patterns() -> None:
    assert matches("*.example.com", "a.b.example.com")
    assert not matches("*.example.com", "example.com")
    assert not matches("*.example.com", "badexample.com")
    assert matches(read_pattern("API.example.com"), "api.example.com")
    for bad in (
        "*",
        "*.com",
        "*.*.example.com",
        "a*.example.com",
        "example.com:1",
        "https://example.com/x",
    ):
        with pytest.raises(ValueError, match=r".+"):
            read_pattern(bad)


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("2026-11-20T12:00:00Z", NOON),
        ("2026-11-20T12:00:00+0000", NOON),
        ("2026-11-20T17:30:00+05:30", NOON),
        ("2026-11-20 12:00:00", NOON),
        ("2026-11-20T12:00Z", NOON),
        ("2026-11-20T12:00:00.000000000Z", NOON),
        ("2026-11-20T12:00:00.5Z", NOON + timedelta(milliseconds=500)),
        ("٢٠٢٦-١١-٢٠T١٢:٠٠:٠٠Z", NOON),
        ("۲۰۲۶-۱۱-۲۰T۱۲:۰۰:۰۰Z", NOON),
        (1795176000, NOON),
        (1795176000000, NOON),
        ("1795176000", NOON),
        (1795176000000000, NOON),
        ("2016-11-06T2午前2:52:28Z", None),
        ("2017-05-04THH:31:07Z", None),
        ("2026-13-20T12:00:00Z", None),
        ("294277-01-01T00:00:00Z", None),
        ("yesterday", None),
        (True, None),
        (float("nan"), None),
        (1e300, None),
        ([], None),
    ],
)
def test_time(raw: object, read: datetime | None) -> None:
    assert parse_time(raw) == read


@pytest.mark.parametrize(
    ("raw", "at", "trust"),
    [
        pytest.param(
            "2026-11-20T11:59:00Z",
            NOON - timedelta(minutes=1),
            TimeTrust.CLIENT_UTC,
            id="a minute ago",
        ),
        pytest.param(
            "2026-11-13T12:00:00Z",
            NOON - timedelta(days=7),
            TimeTrust.CLIENT_UTC,
            id="waited for Wi-Fi",
        ),
        pytest.param("2026-10-01T12:00:00Z", None, TimeTrust.IMPLAUSIBLE, id="50 days"),
        pytest.param("2569-11-20T12:00:00Z", None, TimeTrust.IMPLAUSIBLE, id="Buddhist year"),
        pytest.param("2026-11-22T12:00:00Z", None, TimeTrust.IMPLAUSIBLE, id="from the future"),
        pytest.param("2016-11-06T2午前2:52:28Z", None, TimeTrust.UNPARSEABLE, id="12-hour locale"),
        pytest.param("", None, None, id="empty"),
        pytest.param(None, None, None, id="none"),
    ],
)
def test_client_time(raw: object, at: datetime | None, trust: TimeTrust | None) -> None:
    assert client_time(raw, NOON) == (at, trust)


@pytest.mark.parametrize("quarters", range(-48, 57))
def test_local_time_labelled_utc_is_corrected_for_every_zone(quarters: int) -> None:
    sent = NOON - timedelta(seconds=3)
    local = sent + timedelta(minutes=15 * quarters)
    raw = local.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert client_time(raw, NOON, local_labelled_utc=True) == (
        sent,
        TimeTrust.CLIENT_LOCAL_LABELLED_UTC,
    )


def test_a_local_clock_that_is_wrong_is_not_used() -> None:
    raw = (NOON + timedelta(minutes=7)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert client_time(raw, NOON, local_labelled_utc=True) == (
        None,
        TimeTrust.CLIENT_LOCAL_LABELLED_UTC,
    )
    assert client_time(raw, None, local_labelled_utc=True) == (
        None,
        TimeTrust.CLIENT_LOCAL_LABELLED_UTC,
    )


@pytest.mark.parametrize(
    "text",
    [f'pin-sha256="{PIN_A}"', f"pin-sha256='{PIN_A}'", f"sha256/{PIN_A}", PIN_A, f"SHA256/{PIN_A}",
     f" sha256/{PIN_A} ", PIN_A.rstrip("="), f"sha256/{PIN_A.replace('+', '-').replace('/', '_')}"],
)  # fmt: skip
def test_pin(text: str) -> None:
    assert str(parse_pin(text)) == f"sha256/{PIN_A}"


@pytest.mark.parametrize(
    "text", ["", "sha256/", "sha256/AAAA", "md5/" + PIN_A, PIN_A + PIN_A, "x" * 100_000]
)
def test_no_pin(text: str) -> None:
    assert parse_pin(text) is None


@pytest.mark.parametrize(
    "prefix", ["sha256/", "sha256//", "pin-sha256=", 'pin-sha256="', "sha256:", ""]
)
@given(st.binary(min_size=32, max_size=32))
def test_every_hash_is_read_with_every_prefix(prefix: str, digest: bytes) -> None:
    for first in (digest, b"\xff" + digest[1:], b"\xff\xff\xff" + digest[3:], b"\xfb" + digest[1:]):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = prefix + encode(first).decode() + ('"' if prefix.endswith('"') else "")
            pin = parse_pin(text)
            assert pin is not None, text
            assert pin.digest == first


def test_the_spelling_of_a_made_up_pin_survives_and_does_not_count() -> None:
    odd = parse_pin("sha256/" + "B" * 43 + "=")
    assert odd is not None
    assert odd.spelling == "B" * 43 + "="
    assert odd == Hash.parse(str(odd))
    assert digest("sha256", odd.digest.hex()) == odd


@pytest.mark.parametrize("columns", [64, 76, 1000])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n   ", "\\n"])
def test_pem_wrapping_says_nothing(columns: int, newline: str) -> None:
    leaf = chain()[0]
    certificate = read_certificate(wrapped(leaf.der, columns, newline))
    assert certificate is not None
    assert certificate.der == leaf.der
    assert base64.b64encode(certificate.spki_sha256).decode() == leaf.pin


def test_bytes_behind_a_certificate_are_not_part_of_it() -> None:
    leaf = chain()[0]
    assert certificate_from_der(leaf.der + b"trailing").der == leaf.der


@given(st.binary(max_size=300))
def test_any_der(data: bytes) -> None:
    assert read_certificate(ios_pem(data)) is None or data[0] == 0x30


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_a_damaged_certificate_never_raises(place: int, damage: bytes) -> None:
    der = bytearray(chain()[0].der)
    start = place % len(der)
    der[start : start + len(damage)] = damage
    certificate = read_certificate(android_pem(bytes(der)))
    if certificate is not None:
        facts(certificate.der)


def test_a_certificate_of_no_known_version_still_has_its_pin() -> None:
    der = chain()[0].der
    odd = certificate_from_der(der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x3e", 1))
    assert base64.b64encode(odd.spki_sha256).decode() == chain()[0].pin
    assert facts(odd.der).subject is None
    assert not signed_by(odd, odd)


def test_facts_and_roles() -> None:
    leaf, intermediate, root = (certificate_from_der(c.der) for c in chain())
    assert facts(leaf.der).sans == ("api.example.com",)
    assert facts(leaf.der).subject == "O=Pinfall Test,CN=api.example.com"
    assert facts(leaf.der).not_after == NOON - timedelta(days=1) + timedelta(days=90)
    assert facts(leaf.der).key == "ECDSA secp256r1"
    assert [role(i, c) for i, c in enumerate((leaf, intermediate, root))] == [
        "leaf",
        "intermediate",
        "root",
    ]
    assert signed_by(leaf, intermediate)
    assert not signed_by(leaf, root)
    assert facts(certificate_from_der(issue(None, authority()[1]).der).der).subject == ""


def test_extra_is_small_and_without_personal_data() -> None:
    flags: list[str] = []
    planted = {
        "user": {"name": "Eve"}, "auth_token": "s3cr3t", "Cookie": "a=b", "ip": "203.0.113.9",
        "note": "mail eve@example.org from 203.0.113.9 or 2001:db8::7, see https://a.example/b?token=c",
        "nested": {"session-id": "x", "colour": "red", "list": ["Bearer abcdef123456", 1]},
        "big": "x" * 10_000, "install": "id is ABCD-1234",
    }  # fmt: skip
    kept = keep(planted, flags, known="abcd-1234")
    assert kept == {
        "note": "mail [email] from [address] or [address], see a.example",
        "nested": {"colour": "red", "list": ["[token]", 1]},
        "big": "x" * 512,
        "install": "id is [id]",
    }
    assert flags == ["private:extra"]
    assert keep({f"k{i}": "x" * 500 for i in range(50)}, flags) != {}
    assert "cut:extra" in flags


@pytest.mark.parametrize("text", [
    "Authorization: Basic s3cr3tv4lue", "Proxy-Authorization: Basic s3cr3tv4lue", "token: Token s3cr3tv4lue",
    '{"Authorization":"Bearer s3cr3tv4lue"}', "Authorization=[Bearer s3cr3tv4lue]", "refreshToken=s3cr3tv4lue",
    "Cookie: a=1111; csrf=s3cr3tv4lue; SID=s3cr3tv4lue", "pass=s3cr3tv4lue", "idToken: s3cr3tv4lue",
    "Failed to connect to 203.0.113.77.", "peer 203.0.113.77, 203.0.113.77:443",
])  # fmt: skip
def test_secrets_in_their_usual_dress(text: str) -> None:
    told = without_personal(f"x {text} y")
    assert "s3cr3tv4lue" not in told
    assert "203.0.113.77" not in told


@pytest.mark.parametrize("text", [
    "Public key pinning failed for host api.example.com.", "the key of the leaf", "no key matched",
])  # fmt: skip
def test_a_key_that_is_spoken_of_is_no_secret(text: str) -> None:
    assert without_personal(text) == text
    for secret in (
        "key=s3cr3tvalue",
        "key: s3cr3tvalue",
        "api_key = s3cr3tvalue",
        "API-KEY:s3cr3tvalue",
    ):
        assert "s3cr3t" not in without_personal(f"{text} {secret}")


def test_a_version_number_is_no_address() -> None:
    assert without_personal("at 12:30:45 v1.2.3") == "at 12:30:45 v1.2.3"
