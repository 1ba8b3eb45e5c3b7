"""Dialects beside TrustKit, OkHttp and HPKP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Reason, ReportError
from collector.intake.prepare import Sender, canonical, prepare_window
from collector.model import Dialect, Ignored, Kind, Skip, TimeTrust, Violation, Window
from collector.reports.body import Item, read_body
from collector.reports.fields import Hints
from tests.make import (
    CALLBACKS,
    INSTALL,
    KEY,
    NOON,
    PIN_A,
    PIN_B,
    body,
    chain,
    expect,
    nel,
    neutral,
    okhttp_text,
    read,
    rn_ssl_manager,
    sentry,
    trustkit_ios,
    window,
)

LEAF, INTERMEDIATE, ROOT = (issued.pin for issued in chain())


def one(report: object, hints: Hints | None = None) -> Item:
    (item,) = read_body(body(report), hints or Hints(NOON))
    return item


def pins(hashes: tuple[Any, ...]) -> set[str]:
    return {str(pin) for pin in hashes}


def test_rn_ssl_manager_posts_from_android() -> None:
    got = read(rn_ssl_manager(), agent="okhttp/4.12.0")
    assert (got.dialect, got.host, got.kind) == (
        Dialect.RN_SSL_MANAGER,
        "api.example.com",
        Kind.PIN_MISMATCH,
    )
    assert (got.platform, got.enforced, got.blocked) == ("ANDROID", True, True)
    assert pins(got.known_pins) == {f"sha256/{PIN_A}", f"sha256/{PIN_B}"}
    assert str(got.leaf) == f"sha256/{LEAF}"
    assert got.client_time == datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
    assert got.validated_chain == ()  # it is the chain as received


def test_rn_ssl_manager_posts_trustkits_own_reports_from_ios() -> None:
    assert read(trustkit_ios()).dialect is Dialect.TRUSTKIT_IOS


@pytest.mark.parametrize("platform", ["ios", "android", None])
def test_rn_ssl_managers_event(platform: str | None) -> None:
    event = {"host": "api.example.com", "enforced": False, "servedPins": [f"sha256/{LEAF}"],
             "message": "Audit: would have blocked", "timestamp": 1795175970000}  # fmt: skip
    got = read({**event, **({"platform": platform} if platform else {})})
    assert got.dialect is Dialect.RN_SSL_MANAGER
    assert (got.enforced, got.blocked) == (False, False)
    assert got.platform == (platform.upper() if platform else None)
    assert str(got.leaf) == f"sha256/{LEAF}"


def test_expect_ct() -> None:
    got = read(expect(failure_mode="report-only"))
    assert (got.dialect, got.kind, got.host, got.enforced) == (
        Dialect.EXPECT_CT,
        Kind.CT_FAILURE,
        "www.example.com",
        False,
    )
    assert str(got.leaf) == f"sha256/{LEAF}"
    assert got.extra["scts"] == [
        {"version": 1, "status": "invalid", "source": "embedded", "sct": "QUJD"}
    ]
    assert not got.test
    assert read(expect(test_report=True)).test


def test_expect_staple() -> None:
    got = read(expect("expect-staple-report"))
    assert (got.dialect, got.kind) == (Dialect.EXPECT_STAPLE, Kind.OCSP_FAILURE)
    assert (got.extra["response-status"], got.extra["cert-status"]) == ("MISSING", "UNKNOWN")
    assert len(got.served_chain) == 2


@pytest.mark.parametrize("name", ["expect-ct-report", "expect-staple-report"])
@pytest.mark.parametrize("value", [{}, {"hostname": "no host!"}])
def test_an_expect_report_without_a_host(name: str, value: object) -> None:
    item = one({name: value})
    assert isinstance(item, ReportError)
    assert item.reason is Reason.NO_HOST


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("tls.cert.pinned_key_not_in_cert_chain", Kind.PIN_MISMATCH),
        ("tls.cert.name_invalid", Kind.NAME_MISMATCH),
        ("tls.cert.date_invalid", Kind.EXPIRED),
        ("tls.cert.authority_invalid", Kind.CHAIN_UNTRUSTED),
        ("tls.cert.invalid", Kind.CHAIN_UNTRUSTED),
        ("tls.cert.something_new", Kind.CHAIN_UNTRUSTED),
        ("tls.cert.revoked", Kind.REVOKED),
        ("tls.version_or_cipher_mismatch", Kind.TLS_OTHER),
        ("tls.unrecognized_name_alert", Kind.TLS_OTHER),
        ("tls.failed", Kind.TLS_OTHER),
    ],
)
def test_nel(type_: str, kind: Kind) -> None:
    got = read(nel(type_))
    assert (got.dialect, got.kind, got.host, got.port) == (
        Dialect.NEL,
        kind,
        "api.example.com",
        443,
    )
    assert (got.client_time, got.time_trust) == (
        NOON - timedelta(seconds=2),
        TimeTrust.SERVER_MINUS_AGE,
    )
    assert (got.blocked, got.enforced, got.server_ip) == (True, None, "198.51.100.1")
    assert got.extra == {"elapsed_time": 87, "method": "GET", "phase": "connection", "protocol": "h2",
                         "status_code": 0}  # fmt: skip


@pytest.mark.parametrize(
    ("fraction", "weight"),
    [(1.0, 1), (0.25, 4), (0.01, 100), (1e-9, 10_000), (0, 1), (-1, 1), (2, 1), ("x", 1), (None, 1), (True, 1)],
)  # fmt: skip
def test_a_success_is_a_sample_with_a_weight(fraction: object, weight: float) -> None:
    got = read(nel("ok", phase="application", sampling_fraction=fraction))
    assert (got.kind, got.blocked) == (Kind.OK, False)
    assert got.weight == pytest.approx(weight)


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, 0), (-5000, 0), (1500, 1.5), (10**15, 7 * 86400), ("x", 0), (None, 0)]
)
def test_age_is_clamped(age: object, seconds: float) -> None:
    got = read({**nel(), "age": age})
    assert got.client_time == NOON - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("item", "dialect", "why"),
    [
        (nel("tcp.refused"), Dialect.NEL, Skip.NOT_TLS),
        (nel("http.protocol.error"), Dialect.NEL, Skip.NOT_TLS),
        (nel("dns.address_changed", phase="dns"), Dialect.NEL, Skip.ADDRESS_CHANGED),
        ({**nel("ok"), "url": "http://api.example.com/"}, Dialect.NEL, Skip.NOT_TLS),
        ({**nel(), "url": None}, Dialect.NEL, Skip.NOT_TLS),
        ({"type": "csp-violation", "age": 1, "url": "https://a.example/", "body": {"a": 1}},
         Dialect.REPORTING, Skip.OTHER_TYPE),
        (sentry("NullPointerException"), Dialect.SENTRY, Skip.NO_EXCEPTION),
    ],
)  # fmt: skip
def test_what_says_nothing_about_certificates_is_ignored(
    item: object, dialect: Dialect, why: Skip
) -> None:
    assert one(item) == Ignored(dialect, why)


def test_hpkp_in_an_envelope() -> None:
    inner = {"hostname": "api.example.com", "known-pins": [f'pin-sha256="{PIN_A}"'],
             "date-time": "2026-11-20T11:59:30Z"}  # fmt: skip
    got = read({"type": "hpkp", "age": 32, "url": "https://api.example.com/", "body": inner})
    assert (got.dialect, got.kind) == (Dialect.REPORTING, Kind.PIN_MISMATCH)
    assert pins(got.known_pins) == {f"sha256/{PIN_A}"}


def test_sentry() -> None:
    got = read(sentry())
    assert (got.dialect, got.kind, got.host) == (
        Dialect.SENTRY,
        Kind.PIN_MISMATCH,
        "api.example.com",
    )
    assert [str(slot.pin) for slot in got.validated_chain] == [
        f"sha256/{pin}" for pin in (LEAF, INTERMEDIATE, ROOT)
    ]
    assert (got.app_id, got.app_version, got.app_build) == ("com.example.wallet", "8.24.1", "77")
    assert (got.platform, got.os_version, got.device) == ("ANDROID", "14", "Pixel 7")
    assert got.install_id == INSTALL
    assert got.event_id
    assert got.extra == {}
    assert got.error_message is None


def test_sentry_takes_app_and_version_of_the_release() -> None:
    report = sentry()
    del report["data"]["event"]["contexts"]
    got = read(report)
    assert (got.app_id, got.app_version) == ("com.example.wallet", "8.24.1+77")


def test_sentry_without_a_host() -> None:
    item = one(sentry("Pin verification failed"))
    assert isinstance(item, ReportError)
    assert item.reason is Reason.NO_HOST


@pytest.mark.parametrize(
    ("name", "kind", "confirmed", "sdk"),
    [
        ("frw", Kind.PIN_MISMATCH, True, "react-native-ssl-public-key-pinning"),
        ("flutter", Kind.PIN_MISMATCH, True, "http_certificate_pinning"),
        ("wultra", Kind.NO_PINS, True, "wultra-ssl-pinning"),
        ("alamofire", Kind.PIN_MISMATCH, True, "alamofire"),
        ("foundation", Kind.SUSPECTED, False, "foundation"),
        ("android", Kind.PIN_MISMATCH, True, None),
    ],
)
def test_callbacks(name: str, kind: Kind, confirmed: bool, sdk: str | None) -> None:
    got = read({**CALLBACKS[name], "appVersion": "8.24.1", "installId": INSTALL})
    assert got.name == "api.example.com"
    assert (got.kind, got.confirmed, got.sdk) == (kind, confirmed, sdk)
    assert got.dialect is (Dialect.SDK_CALLBACK if sdk else Dialect.GENERIC)
    assert (got.app_version, got.install_id, got.blocked) == ("8.24.1", INSTALL, True)
    assert "y=z" not in repr(got)


def test_flutter_on_ios_is_only_suspected() -> None:
    got = read({**CALLBACKS["flutter"], "platform": "ios"})
    assert (got.kind, got.confirmed) == (Kind.SUSPECTED, False)
    assert [pin.kind for pin in got.known_pins] == ["cert-sha256"]


def test_frw_with_the_text_of_okhttp() -> None:
    got = read({"serverHostname": "api.example.com", "message": okhttp_text()})
    assert (got.dialect, got.sdk) == (Dialect.SDK_CALLBACK, "react-native-ssl-public-key-pinning")
    assert got.enforced is None
    assert str(got.leaf) == f"sha256/{LEAF}"


def test_wultra_knows_only_a_common_name() -> None:
    got = read(CALLBACKS["wultra"])
    assert (got.host, got.common_name) == (None, "api.example.com")


@pytest.mark.parametrize(
    ("text", "kind", "host"),
    [
        ("Certificate pinning failed for host api.example.com.", Kind.PIN_MISMATCH, "api.example.com"),
        ("Host validation failed for host api.example.com.", Kind.NAME_MISMATCH, "api.example.com"),
        ("Default evaluation failed for host api.example.com.", Kind.CHAIN_UNTRUSTED, "api.example.com"),
        ("Revocation check failed for host api.example.com.", Kind.REVOKED, "api.example.com"),
        ("A server that is pretending to be \u201capi.example.com\u201d which could put your information at risk.",
         Kind.SUSPECTED, "api.example.com"),
        ('Error Domain=NSURLErrorDomain Code=-1201 "The certificate has expired"', Kind.EXPIRED, None),
    ],
)  # fmt: skip
def test_texts_of_apple(text: str, kind: Kind, host: str | None) -> None:
    got = read({"message": text, "url": "https://api.example.com/"})
    assert (got.kind, got.host, got.dialect) == (kind, "api.example.com", Dialect.SDK_CALLBACK)
    if host is not None:
        assert read({"message": text}).host == host


@pytest.mark.parametrize("report", [
    {"domain": "NSURLErrorDomain", "code": -1009, "url": "https://a.example"},
    {"domain": "NSURLErrorDomain", "code": -999, "url": "https://a.example"},
    {"commonName": "a.example", "result": "MAYBE"},
    {"message": "The network connection was lost", "host": "a.example"},
])  # fmt: skip
def test_other_failures_are_not_ours(report: object) -> None:
    item = one(report)
    assert isinstance(item, ReportError)
    assert item.reason is Reason.UNRECOGNISED


@pytest.mark.parametrize(
    ("weight", "fraction"),
    [(1, None), (4, 0.25), (0.5, None), (-2, None), (1e9, None), ("4", None), (None, None)],
)
def test_a_client_that_samples_says_its_weight(weight: object, fraction: float | None) -> None:
    got = read(neutral(weight=weight))
    assert got.sampling_fraction == fraction
    assert got.occurrences == 1


def test_a_window() -> None:
    got = one(window(install_id=INSTALL))
    assert isinstance(got, Window)
    assert got == Window(
        id="w-1", host="api.example.com", successes=97, pin_failures=3, app_id="com.example.wallet",
        app_version="8.24.1", platform="ANDROID", install_id=INSTALL,
        start=NOON - timedelta(hours=1), end=NOON,
    )  # fmt: skip


def test_a_window_without_an_id_is_known_by_what_it_says() -> None:
    first, again, other = (
        one(window(id=..., successes=n, app={"id": "a", "version": "1"})) for n in (5, 5, 6)
    )
    assert isinstance(first, Window)
    assert isinstance(other, Window)
    assert first == again
    assert first.id is None
    keys = [
        prepare_window(w, KEY, Sender(canonical(address), None), NOON, b"d" * 32).delivery.key
        for w, address in ((first, "198.51.100.7"), (first, "198.51.100.7"), (other, "198.51.100.7"),
                           (first, "198.51.100.8"))
    ]  # fmt: skip
    assert keys[0] == keys[1]
    assert len({*keys}) == 3  # another count, or another phone that counted the same
    assert (first.app_id, first.app_version) == ("a", "1")


@pytest.mark.parametrize("changes", [
    {"successes": -1}, {"successes": "many"}, {"successes": 1e300}, {"successes": 10**13}, {"successes": True},
    {"pin_failures": -1}, {"pin_failures": []}, {"window_start": "yesterday"}, {"window_end": {}},
    {"window_start": "2026-11-20T12:00:01Z"}, {"id": ..., "window_start": ...},
])  # fmt: skip
def test_a_window_is_never_repaired(changes: dict[str, Any]) -> None:
    item = one(window(**changes))
    assert isinstance(item, ReportError)
    assert item.reason is Reason.UNRECOGNISED


def test_a_batch_of_everything_keeps_its_order() -> None:
    items = read_body(body([nel(), nel("ok"), window(), {"x": 1}, nel("tcp.refused")]), Hints(NOON))
    assert [type(item) for item in items] == [Violation, Violation, Window, ReportError, Ignored]


@pytest.mark.parametrize(
    ("report", "kind", "host"),
    [
        ({"domain": "NSURLErrorDomain", "code": "-1202", "url": "https://a.example"}, Kind.SUSPECTED, "a.example"),
        ({"domain": "NSURLErrorDomain", "code": -1202, "userInfo": {"NSErrorFailingURLKey": "https://a.example/x"}},
         Kind.SUSPECTED, "a.example"),
        ({"error": {"domain": "NSURLErrorDomain", "code": -1203}, "host": "a.example"},
         Kind.CHAIN_UNTRUSTED, "a.example"),
        ({"domain": "com.example.Net", "url": "https://a.example", "error": "Pin verification failed"},
         Kind.PIN_MISMATCH, "a.example"),
        ({"message": 'serverTrustEvaluationFailed(reason: Alamofire.X.publicKeyPinningFailed(host: "a.example", trust'},
         Kind.PIN_MISMATCH, "a.example"),
        ({"message": "Error Domain=NSURLErrorDomain Code=-1200 {NSErrorFailingURLStringKey=https://a.example/x, "},
         Kind.SUSPECTED, "a.example"),
        ({"type": "CertificateCouldNotBeVerifiedException", "message": "NO_INTERNET", "platform": "android",
          "url": "https://a.example"}, Kind.SUSPECTED, "a.example"),
        ({"commonName": "a.example", "result": "ValidationResult.UNTRUSTED"}, Kind.PIN_MISMATCH, "a.example"),
        ({"nativeEvent": {"serverHostname": "a.example"}}, Kind.PIN_MISMATCH, "a.example"),
        ({"data": {"error": sentry()["data"]["event"]}}, Kind.PIN_MISMATCH, "api.example.com"),
        ({"type": "SSLPeerUnverifiedException", "url": "https://a.example", "body": {"message": okhttp_text()}},
         None, None),
        ({**trustkit_ios(), "type": "x-y", "url": "https://b.example", "body": {}},
         Kind.PIN_MISMATCH, "api.example.com"),
        ({**nel(), "age": 10**18}, Kind.PIN_MISMATCH, "api.example.com"),
    ],
)  # fmt: skip
def test_shapes_from_the_field(report: object, kind: Kind | None, host: str | None) -> None:
    item = one(report)
    if kind is None:  # a body that no reader knows is refused, and not swallowed
        assert isinstance(item, ReportError)
        return
    assert isinstance(item, Violation), item
    assert (item.kind, item.name) == (kind, host)


@pytest.mark.parametrize("report", [
    {"serverHostname": "db1", "error": "SocketTimeoutException"},
    {"commonName": "x\ny <b>", "result": "UNTRUSTED"},
])  # fmt: skip
def test_what_only_looks_like_a_callback(report: object) -> None:
    assert isinstance(one(report), ReportError)


@pytest.mark.parametrize("text", ["A\x00B", "Pin verification failed \ud800"])
def test_sentrys_texts_can_be_stored(text: str) -> None:
    report = sentry(text + " Pin verification failed")
    report["data"]["event"]["request"] = {"url": "https://a.example"}
    report["data"]["event"]["exception"]["values"][1]["type"] = text
    got = read(report)
    for told in (got.error_type, got.error_message):
        assert told is not None
        assert "\x00" not in told
        told.encode()


def test_a_body_of_brackets_is_refused_early() -> None:
    raw = b"[[" + b"[]," * 400_000 + b"1]]"
    with pytest.raises(ReportError, match="too_large"):
        read_body(raw, Hints(NOON))


@given(st.text(max_size=400))
def test_any_text_of_apple(text: str) -> None:
    for words in (
        text,
        f"Public key pinning failed for host {text}",
        f"pretending to be {text} which",
    ):
        item = one({"message": words, "url": "https://a.example"})
        assert isinstance(item, Violation | ReportError)
