import pytest

from collector.errors import Reason, ReportError
from collector.model import Dialect, Kind
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.reports.okhttp import read_text
from tests.make import PIN_A, PIN_B, body, chain, okhttp_text, read

PEERS = [f"sha256/{issued.pin}" for issued in chain()]
SHA1_A, SHA1_B = "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "LHspp8BlMzJeqfRrY/MmhzxEa3Q="


def peers(text: str) -> list[str]:
    return [str(slot.pin) for slot in read(text).validated_chain]


def test_message() -> None:
    violation = read(okhttp_text(pins=(PIN_A, PIN_B)))
    assert violation.dialect is Dialect.OKHTTP_MESSAGE
    assert (violation.host, violation.kind) == ("api.example.com", Kind.PIN_MISMATCH)
    assert (violation.enforced, violation.blocked) == (True, True)
    assert {str(pin) for pin in violation.known_pins} == {f"sha256/{PIN_A}", f"sha256/{PIN_B}"}
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS
    assert [slot.subject for slot in violation.validated_chain][
        1
    ] == "O=Pinfall Test,CN=Pinfall Test Intermediate"
    assert violation.flags == ()


TEXT = okhttp_text()
LOGCAT = "\n".join(
    f"11-20 06:14:12.123  1234  5678 E OkHttp  : {line}" for line in TEXT.splitlines()
)
STACK = (
    f"javax.net.ssl.SSLPeerUnverifiedException: {TEXT}\n"
    "\tat okhttp3.CertificatePinner.check$okhttp(CertificatePinner.kt:199)\n"
    "\tat okhttp3.internal.connection.RealConnection.connectTls(RealConnection.kt:411)\n"
    f"\tSuppressed: javax.net.ssl.SSLPeerUnverifiedException: {okhttp_text('other.example.com', (PIN_B,))}\n"
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="as it is"),
        pytest.param(STACK, id="in a stack trace, with another one suppressed"),
        pytest.param(f"java.io.IOException: x\nCaused by: {STACK}", id="as a cause"),
        pytest.param(LOGCAT, id="from logcat"),
        pytest.param(TEXT.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(TEXT.replace("\n", "\\n"), id="newlines spelt out"),
        pytest.param(" ".join(TEXT.split()), id="all blanks folded"),
        pytest.param(TEXT.replace("\n", " " * 40), id="newlines became runs of blanks"),
        pytest.param(TEXT.replace("    ", "\t").replace("  ", ""), id="tabs"),
        pytest.param(TEXT.replace("/", "\\/"), id="slashes escaped"),
        pytest.param("\ufeff\n\n  " + TEXT + "\n\n", id="BOM and blanks round it"),
        pytest.param(f"[ERROR] {TEXT}", id="a prefix that looks like an array"),
        pytest.param(TEXT.replace("!", ""), id="without the exclamation mark"),
    ],
)
def test_mangled(text: str) -> None:
    violation = read(text)
    assert violation.host == "api.example.com"
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS
    assert [str(pin) for pin in violation.known_pins] == [f"sha256/{PIN_A}"]


def test_sha1_of_okhttp_2_and_3() -> None:
    text = (
        f"Certificate pinning failure!\n  Peer certificate chain:\n    sha1/{SHA1_B}: CN=a\n"
        f"  Pinned certificates for api.example.com:\n    sha1/{SHA1_A}\n    sha256/{PIN_A}"
    )
    violation = read(text)
    assert {pin.kind for pin in violation.known_pins} == {"sha1", "sha256"}
    assert peers(text) == [f"sha1/{SHA1_B}"]


def test_no_chain_means_that_none_could_be_trusted() -> None:
    lines = TEXT.splitlines()
    violation = read("\n".join([*lines[:2], *lines[5:]]))
    assert violation.validated_chain == ()
    assert violation.suspect == "chain_untrusted"


@pytest.mark.parametrize(
    ("host", "read_as"),
    [
        pytest.param("::1", "::1", id="IPv6 has no brackets and ends in a colon"),
        pytest.param("2001:db8:0:0::1", "2001:db8::1", id="IPv6, one spelling"),
        pytest.param("127.0.0.1", "127.0.0.1", id="IPv4"),
        pytest.param("xn--bcher-kva.example", "xn--bcher-kva.example", id="punycode"),
        pytest.param("localhost", "localhost", id="one label"),
    ],
)
def test_hosts(host: str, read_as: str) -> None:
    assert read(okhttp_text(host)).host == read_as


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param("", id="empty"),
        pytest.param(
            'CN="we\\"ird, CN=evil\\\\ name", O="Ünïcode, \\"Inc.\\" + Co"', id="quotes and escapes"
        ),
        pytest.param(f"CN=sha256/{PIN_B}: CN=fake", id="a hash with a colon"),
        pytest.param("CN=Pinned certificates for evil.example.org:", id="the marker, as a name"),
        pytest.param("CN=a: b: c", id="colons"),
    ],
)
def test_subjects_are_opaque(subject: str) -> None:
    leaf, intermediate, root = chain()
    text = (
        "Certificate pinning failure!\n  Peer certificate chain:\n"
        f"    sha256/{leaf.pin}: {subject}\n    sha256/{intermediate.pin}: CN=b\n    sha256/{root.pin}: CN=c\n"
        f"  Pinned certificates for api.example.com:\n    sha256/{PIN_A}"
    )
    violation = read(text)
    assert violation.host == "api.example.com"
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS
    assert violation.validated_chain[0].subject == subject


def test_name_mismatch_is_no_pin_failure() -> None:
    text = (
        "javax.net.ssl.SSLPeerUnverifiedException: Hostname api.example.com not verified:\n"
        f"    certificate: sha256/{PIN_A}\n    DN: CN=other.example.com, O=X\n    subjectAltNames: [other.example.com]"
    )
    violation = read(text)
    assert (violation.kind, violation.host, violation.known_pins) == (
        Kind.NAME_MISMATCH,
        "api.example.com",
        (),
    )
    assert violation.validated_chain[0].subject == "CN=other.example.com, O=X"
    assert read("Hostname ::1 not verified (no certificates)").host == "::1"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SSLHandshakeException: PKIX path building failed: x", Kind.CHAIN_UNTRUSTED),
        (
            "CertPathValidatorException: Trust anchor for certification path not found.",
            Kind.CHAIN_UNTRUSTED,
        ),
        ("SSLHandshakeException: Pin verification failed", Kind.PIN_MISMATCH),
        ("java.security.cert.CertificateExpiredException: NotAfter", Kind.EXPIRED),
    ],
)
def test_texts_without_a_host_need_one_beside_them(text: str, kind: Kind) -> None:
    (alone,) = read_body(text.encode(), Hints())
    assert isinstance(alone, ReportError)
    assert alone.reason is Reason.NO_HOST
    beside = read({"host": "api.example.com", "message": text})
    assert (beside.host, beside.kind) == ("api.example.com", kind)


def test_trustkits_own_exception() -> None:
    text = (
        f"Pin verification failed\n  Configured pins: {PIN_A} {PIN_B} \n  Peer certificate chain: \n"
        f"    {chain()[0].pin} - CN=api.example.com\n    {chain()[1].pin} - CN=x"
    )
    violation = read({"host": "api.example.com", "message": text})
    assert len(violation.known_pins) == 2
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS[:2]


def test_a_text_that_was_cut() -> None:
    cut = TEXT[: TEXT.index("Pinned")]
    (alone,) = read_body(cut.encode(), Hints())
    assert isinstance(alone, ReportError)
    assert alone.reason is Reason.NO_HOST
    assert read({"host": "api.example.com", "message": cut}).flags == ("cut:text",)
    half = TEXT[:-10]
    assert read(half).known_pins == ()


def test_natural_json() -> None:
    report = {
        "url": "https://api.example.com:8443/v1/session?token=hunter2",
        "exception": "javax.net.ssl.SSLPeerUnverifiedException",
        "errorMessage": TEXT,
        "timestamp": 1795155252123,
        "appId": "com.example.wallet",
        "appVersion": "8.24.1",
        "versionCode": 824010,
        "sdkInt": 34,
        "device": {"model": "Pixel 7", "manufacturer": "Google"},
        "installId": "3d8f0a52-0f2e-4d1c-a2c8-2f5a1b0d9e77",
    }
    violation = read(report)
    assert violation.dialect is Dialect.GENERIC
    assert (violation.host, violation.port, violation.platform) == (
        "api.example.com",
        8443,
        "ANDROID",
    )
    assert (violation.app_id, violation.app_version, violation.app_build) == (
        "com.example.wallet",
        "8.24.1",
        "824010",
    )
    assert violation.device == "Pixel 7"
    assert violation.client_time_raw == 1795155252123
    assert violation.error_type == "javax.net.ssl.SSLPeerUnverifiedException"
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS
    assert "hunter2" not in repr(violation)


@pytest.mark.parametrize(
    "report",
    [
        {
            "host": "api.example.com",
            "error": {"message": TEXT, "type": "x"},
            "app": {"id": "com.example.wallet"},
        },
        {"hostname": "api.example.com", "stack_trace": STACK, "package_name": "com.example.wallet"},
        {"msg": TEXT, "app.package": "com.example.wallet"},
        {"exception": TEXT, "bundle-id": "com.example.wallet"},
    ],
)
def test_aliases(report: dict[str, object]) -> None:
    violation = read(report)
    assert (violation.host, violation.app_id) == ("api.example.com", "com.example.wallet")
    assert [str(slot.pin) for slot in violation.validated_chain] == PEERS


def test_other_json_is_not_taken_for_a_report() -> None:
    (item,) = read_body(body({"host": "api.example.com", "message": "out of memory"}), Hints())
    assert isinstance(item, ReportError)
    assert item.reason is Reason.UNRECOGNISED


def test_a_text_about_something_else() -> None:
    assert read_text("java.lang.NullPointerException") is None
