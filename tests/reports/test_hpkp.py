from collector.model import Dialect, Kind, TimeTrust
from tests.make import PIN_A, PIN_B, android_pem, chain, read


def test_report_of_rfc_7469() -> None:
    report = {
        "date-time": "2026-11-20T11:58:02.345Z",
        "hostname": "WWW.Example.COM.",
        "port": 443,
        "effective-expiration-date": "2027-01-01T12:40:50Z",
        "include-subdomains": False,
        "served-certificate-chain": [android_pem(chain()[0].der)],
        "validated-certificate-chain": [android_pem(issued.der) for issued in chain()],
        "known-pins": [f'pin-sha256="{PIN_A}"', f"pin-sha256='{PIN_B}'", 'pin-sha256="short"', 7],
    }
    violation = read(report)
    assert (violation.dialect, violation.kind) == (Dialect.HPKP, Kind.PIN_MISMATCH)
    assert (violation.host, violation.port, violation.noted_host) == ("www.example.com", 443, None)
    assert (violation.enforced, violation.sdk, violation.platform) == (None, None, None)
    assert len(violation.known_pins) == 2
    assert violation.flags == ("bad_pin:known-pins:2", "bad_pin:known-pins:3")
    assert (len(violation.served_chain), len(violation.validated_chain)) == (1, 3)
    assert violation.time_trust is TimeTrust.CLIENT_UTC
