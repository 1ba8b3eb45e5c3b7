from datetime import UTC, datetime
from typing import Any

import pytest

from collector.errors import Reason, ReportError
from collector.model import Dialect, Hash, Kind, TimeTrust
from collector.reports.body import read_body
from collector.reports.fields import Hints
from tests.make import (
    NOON,
    PIN_A,
    PIN_B,
    body,
    chain,
    ios_pem,
    read,
    trustkit_android,
    trustkit_ios,
)


def test_ios_report() -> None:
    violation = read(trustkit_ios())
    assert violation.dialect is Dialect.TRUSTKIT_IOS
    assert (violation.host, violation.noted_host, violation.port) == (
        "api.example.com",
        "example.com",
        None,
    )
    assert violation.kind is Kind.PIN_MISMATCH
    assert violation.blocked is True
    assert {str(pin) for pin in violation.known_pins} == {f"sha256/{PIN_A}", f"sha256/{PIN_B}"}
    assert [str(slot.pin) for slot in violation.validated_chain] == [
        f"sha256/{c.pin}" for c in chain()
    ]
    assert violation.served_chain == ()
    assert violation.client_time == datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
    assert violation.time_trust is TimeTrust.CLIENT_UTC
    assert (violation.sdk, violation.sdk_version, violation.os_version) == (
        "trustkit-ios",
        "3.0.0",
        "18.1.0",
    )
    assert violation.flags == ()
    assert dict(violation.extra) == {}


def test_android_report() -> None:
    agent = "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/UP1A.231105.003)"
    violation = read(trustkit_android(), agent=agent)
    assert violation.dialect is Dialect.TRUSTKIT_ANDROID
    assert violation.client_time == datetime(2026, 11, 20, 11, 59, 59, tzinfo=UTC)
    assert violation.time_trust is TimeTrust.CLIENT_LOCAL_LABELLED_UTC
    assert (violation.os_version, violation.device) == ("14", "Pixel 7")
    assert violation.served_chain == violation.validated_chain
    assert len(violation.served_chain) == 2


@pytest.mark.parametrize(
    ("result", "kind", "enforced", "blocked"),
    [
        pytest.param(1, Kind.PIN_MISMATCH, True, True, id="mismatch, enforced"),
        pytest.param(1, Kind.PIN_MISMATCH, False, False, id="mismatch, report only"),
        pytest.param(
            2, Kind.CHAIN_UNTRUSTED, False, True, id="untrusted blocks also in report only"
        ),
        pytest.param(3, Kind.INVALID_PARAMETERS, True, True, id="invalid parameters"),
        pytest.param(4, Kind.USER_ANCHOR, False, True, id="user anchor"),
        pytest.param(5, Kind.SPKI_ERROR, False, True, id="no hash could be made"),
        pytest.param("1", Kind.PIN_MISMATCH, True, True, id="a number as a text"),
        pytest.param(9, Kind.UNKNOWN, False, True, id="an ordinal of the future"),
        pytest.param(0, Kind.UNKNOWN, False, True, id="success is never sent"),
        pytest.param(..., Kind.PIN_MISMATCH, True, True, id="TrustKit before 1.1.0 sends none"),
    ],
)
def test_validation_result(result: Any, kind: Kind, enforced: bool, blocked: bool) -> None:
    violation = read(trustkit_ios(validation_result=result, enforce_pinning=enforced))
    assert violation.kind is kind
    assert violation.blocked is blocked


def test_old_versions_leave_fields_out() -> None:
    old = trustkit_ios(
        app_platform="OSX", app_vendor_id=..., trustkit_version=..., enforce_pinning=...,
        app_platform_version=..., known_pins_expiration_date=...,
    )  # fmt: skip
    violation = read(old)
    assert violation.platform == "OSX"
    assert (violation.install_id, violation.enforced, violation.blocked) == (None, None, None)
    assert violation.sdk == "trustkit-ios"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"app_bundle_id": "N/A"}, id="N/A"),
        pytest.param({"app_vendor_id": "unit-tests"}, id="unit-tests"),
    ],
)
def test_marks_of_a_test_suite(changes: dict[str, str]) -> None:
    assert read(trustkit_ios(**changes)).test is True


def test_optional_fields_never_reject() -> None:
    broken = {
        key: {"odd": [1]} for key in trustkit_ios() if key not in ("hostname", "validation-result")
    }
    violation = read({**broken, "hostname": "api.example.com", "validation-result": 1})
    assert violation.host == "api.example.com"
    assert "unreadable:known-pins" in violation.flags
    assert violation.validated_chain == ()


def test_noted_host_stands_in_for_a_missing_host() -> None:
    violation = read(trustkit_ios(hostname=...))
    assert violation.host == "example.com"
    assert "host_from:noted-hostname" in violation.flags


def test_no_host_is_refused() -> None:
    (item,) = read_body(body(trustkit_ios(hostname="", noted_hostname=None)), Hints(NOON))
    assert isinstance(item, ReportError)
    assert item.reason is Reason.NO_HOST


def test_home_made_types() -> None:
    leaf, intermediate, _ = chain()
    violation = read(
        trustkit_ios(
            app_version=824,
            port="443",
            include_subdomains="true",
            enforce_pinning=0,
            trustkit_version=...,
            known_pins=f'pin-sha256="{PIN_A}"; pin-sha256="{PIN_B}"',
            validated_certificate_chain=leaf.pem + intermediate.pem,
            date_time=int(NOON.timestamp()),
        )
    )
    assert (violation.app_version, violation.port, violation.enforced) == ("824", 443, False)
    assert violation.include_subdomains is True
    assert len(violation.known_pins) == 2
    assert [str(slot.pin) for slot in violation.validated_chain] == [
        f"sha256/{leaf.pin}",
        f"sha256/{intermediate.pin}",
    ]
    assert violation.client_time == NOON
    assert violation.sdk is None


def test_text_that_cannot_be_stored_is_scrubbed_and_told() -> None:
    violation = read(trustkit_ios(app_bundle_id="com.example\x00.wallet", app_version="1.0\ud800"))
    assert (violation.app_id, violation.app_version) == (None, None)
    assert {"scrubbed:app-bundle-id", "scrubbed:app-version"} <= set(violation.flags)
    assert violation.extra["app-bundle-id"] == "com.example\ufffd.wallet"


def test_a_certificate_that_cannot_be_read_keeps_its_place() -> None:
    leaf, intermediate, _ = chain()
    garbage = ios_pem(b"\x30\x03\x02\x01\x01")
    violation = read(
        trustkit_ios(
            validated_certificate_chain=[ios_pem(leaf.der), garbage, ios_pem(intermediate.der)]
        )
    )
    assert [slot.pin for slot in violation.validated_chain] == [
        Hash.parse(f"sha256/{leaf.pin}"),
        None,
        Hash.parse(f"sha256/{intermediate.pin}"),
    ]
    assert "unparseable_cert:validated:1" in violation.flags


def test_a_long_chain_is_cut_not_refused() -> None:
    violation = read(trustkit_ios(validated_certificate_chain=[ios_pem(chain()[0].der)] * 20))
    assert len(violation.validated_chain) == 12
    assert "truncated_chain:validated" in violation.flags


def test_unknown_keys_are_kept_without_personal_data() -> None:
    report = trustkit_ios(
        **{"build-flavour": "beta", "user-email": "eve@example.org", "note": f"id {INSTALL_TOLD}"}
    )
    violation = read(report)
    assert dict(violation.extra) == {"build-flavour": "beta", "note": "id [id]"}
    assert "private:extra" in violation.flags


INSTALL_TOLD = trustkit_ios()["app-vendor-id"]
