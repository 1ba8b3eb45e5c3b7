from hashlib import sha256

import pytest

from collector.errors import Reason, ReportError
from collector.model import Kind
from collector.reports.body import read_body
from collector.reports.fields import Hints
from tests.make import NOON, PIN_A, PIN_B, body, chain, neutral, okhttp_text, read


def test_report() -> None:
    violation = read(
        neutral(
            observed_at="2026-11-20T17:29:59.123456789+05:30",
            event_id="e-1",
            install_id="i-1",
            os={"name": "iPadOS", "version": "18.1"},
            sdk={"name": "Alamofire", "version": "5.10.2"},
            policy={"pattern": "example.com", "include_subdomains": True, "expires": "2027-01-01"},
            counts={"occurrences": 3},
            error={"type": "x", "code": -1200, "message": "see https://a.example/b?c=d"},
        )
    )
    assert (violation.host, violation.kind, violation.platform) == (
        "api.example.com",
        Kind.PIN_MISMATCH,
        "IOS",
    )
    assert (violation.event_id, violation.install_id, violation.occurrences) == ("e-1", "i-1", 3)
    assert [str(pin) for pin in violation.known_pins] == [f"sha256/{PIN_A}"]
    assert [str(slot.pin) for slot in violation.served_chain] == [f"sha256/{chain()[0].pin}"]
    assert violation.client_time is not None
    assert violation.client_time.isoformat() == "2026-11-20T11:59:59.123456+00:00"
    assert (violation.noted_host, violation.pins_expire) == ("example.com", "2027-01-01")
    assert (violation.error_code, violation.error_message) == ("-1200", "see a.example")


def test_hashes_of_certificates_are_another_kind() -> None:
    digest = sha256(b"x").hexdigest().upper()
    colons = ":".join(digest[i : i + 2] for i in range(0, 64, 2))
    for spelling in (digest, colons):
        violation = read(
            neutral(pins={"kind": "cert-sha256", "encoding": "hex", "expected": [spelling]})
        )
        assert [pin.kind for pin in violation.known_pins] == ["cert-sha256"]
        assert violation.known_pins[0].digest.hex().upper() == digest


def test_a_bare_hash_without_a_kind_is_not_guessed() -> None:
    violation = read(neutral(pins={"expected": [PIN_A, f"sha256/{PIN_B}"]}))
    assert [str(pin) for pin in violation.known_pins] == [f"sha256/{PIN_B}"]
    assert "no_pin_kind:expected" in violation.flags


def test_bare_der_in_base64() -> None:
    leaf = chain()[0]
    bare = "".join(leaf.pem.splitlines()[1:-1])
    violation = read(neutral(served_chain=[bare], pins=...))
    assert str(violation.served_chain[0].pin) == f"sha256/{leaf.pin}"


def test_common_name_stands_in_for_a_host() -> None:
    violation = read(neutral(host=None, common_name="github.com", outcome="no_pins_for_host"))
    assert (violation.host, violation.name, violation.kind) == (None, "github.com", Kind.NO_PINS)


def test_an_okhttp_text_in_the_message() -> None:
    violation = read(neutral(pins=..., error={"message": okhttp_text()}))
    assert len(violation.validated_chain) == 3
    assert len(violation.known_pins) == 1
    assert violation.error_message is None


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        pytest.param(neutral(schema="pin-report/2"), Reason.UNRECOGNISED, id="another version"),
        pytest.param(neutral(outcome=...), Reason.UNRECOGNISED, id="no outcome"),
        pytest.param(neutral(host="no host!"), Reason.NO_HOST, id="no host"),
    ],
)
def test_refused(report: dict[str, object], reason: Reason) -> None:
    (item,) = read_body(body(report), Hints(NOON))
    assert isinstance(item, ReportError)
    assert item.reason is reason


def test_an_outcome_of_the_future() -> None:
    violation = read(neutral(outcome="quantum_break"))
    assert violation.kind is Kind.UNKNOWN
    assert "unknown_enum:outcome" in violation.flags
