"""Certificates, reports and rows for tests: all made here, none copied from anywhere."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from collector.fingerprint import IPAddress
from collector.intake.keyring import Key
from collector.intake.prepare import Sender, canonical, looked_into, prepare
from collector.model import ProjectId, Violation
from collector.reports.body import read_body
from collector.reports.fields import Hints
from collector.store.rows import Row

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
INSTALL = "7c1b6f0e-6b5d-4a51-9e0c-0b2a3c0f9d11"
PIN_A = base64.b64encode(sha256(b"pin a").digest()).decode()
PIN_B = base64.b64encode(sha256(b"pin b").digest()).decode()


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def pin(self) -> str:
        """SPKI SHA-256 in base64, by the library's own encoding: another way than the product's."""
        spki = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(sha256(spki).digest()).decode()

    @property
    def pin_hex(self) -> str:
        return base64.b64decode(self.pin).hex()


def name(common: str | None, organisation: str | None = "Pinfall Test") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    if organisation and common:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def issue(
    common: str | None,
    by: Issued | None = None,
    *,
    ca: bool = False,
    sans: tuple[str, ...] = (),
    days: int = 90,
    start: datetime = NOON - timedelta(days=1),
    extension: bytes | None = None,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common))
        .issuer_name(by.certificate.subject if by else name(common))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if sans:
        names = [x509.DNSName(san) for san in sans]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if extension is not None:
        unknown = x509.UnrecognizedExtension(
            x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), extension
        )
        builder = builder.add_extension(unknown, critical=False)
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


@cache
def authority() -> tuple[Issued, Issued]:
    """(root, intermediate)"""
    root = issue("Pinfall Test Root", ca=True, days=3650)
    return root, issue("Pinfall Test Intermediate", root, ca=True, days=1800)


@cache
def chain(host: str = "api.example.com") -> tuple[Issued, Issued, Issued]:
    """(leaf, intermediate, root), as a client that builds the whole path has it."""
    root, intermediate = authority()
    return issue(host, intermediate, sans=(host,)), intermediate, root


def wrapped(der: bytes, columns: int, newline: str, *, end: str = "") -> str:
    """PEM as some client wraps it."""
    text = base64.b64encode(der).decode()
    lines = newline.join(text[i : i + columns] for i in range(0, len(text), columns))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----{end}"


def ios_pem(der: bytes) -> str:
    """64 columns, CRLF between lines, no newline at the end."""
    return wrapped(der, 64, "\r\n")


def android_pem(der: bytes) -> str:
    """76 columns, LF, a newline at the end."""
    return wrapped(der, 76, "\n", end="\n")


def trustkit_ios(**changes: Any) -> dict[str, Any]:
    leaf, intermediate, root = chain()
    report = {
        "app-bundle-id": "com.example.wallet",
        "app-version": "8.24.1",
        "app-platform": "IOS",
        "app-platform-version": "18.1.0",
        "app-vendor-id": INSTALL.upper(),
        "trustkit-version": "3.0.0",
        "date-time": "2026-11-20T11:59:30Z",
        "hostname": "api.example.com",
        "port": 0,
        "noted-hostname": "example.com",
        "include-subdomains": True,
        "enforce-pinning": True,
        "validated-certificate-chain": [ios_pem(c.der) for c in (leaf, intermediate, root)],
        "known-pins": [f'pin-sha256="{PIN_A}"', f'pin-sha256="{PIN_B}"'],
        "validation-result": 1,
        "known-pins-expiration-date": None,
    }
    return _changed(report, changes)


def trustkit_android(**changes: Any) -> dict[str, Any]:
    leaf, intermediate, _ = chain()
    pems = [android_pem(c.der) for c in (leaf, intermediate)]
    report = {
        "app-bundle-id": "com.example.wallet",
        "app-version": "8.24.1",
        "app-vendor-id": "3d8f0a52-0f2e-4d1c-a2c8-2f5a1b0d9e77",
        "app-platform": "ANDROID",
        "trustkit-version": "1.1.5",
        "hostname": "api.example.com",
        "port": 0,
        "noted-hostname": "example.com",
        "include-subdomains": True,
        "enforce-pinning": True,
        "validation-result": 1,
        "date-time": "2026-11-20T17:29:59Z",  # Asia/Kolkata, labelled Z
        "validated-certificate-chain": pems,
        "served-certificate-chain": pems,
        "known-pins": [f'pin-sha256="{PIN_A}"', f'pin-sha256="{PIN_B}"'],
    }
    return _changed(report, changes)


def neutral(**changes: Any) -> dict[str, Any]:
    report = {
        "schema": "pin-report/1",
        "host": "api.example.com",
        "outcome": "pin_mismatch",
        "enforced": True,
        "pins": {"kind": "spki-sha256", "expected": [PIN_A], "served": [chain()[0].pin]},
        "app": {"id": "com.example.wallet", "version": "8.24.1"},
    }
    return _changed(report, changes, dashes=False)


def _changed(
    report: dict[str, Any], changes: dict[str, Any], *, dashes: bool = True
) -> dict[str, Any]:
    """`...` takes a key out; TrustKit's dashes are written as underscores."""
    for key, value in changes.items():
        name = key.replace("_", "-") if dashes else key
        if value is ...:
            report.pop(name, None)
        else:
            report[name] = value
    return report


def rn_ssl_manager(**changes: Any) -> dict[str, Any]:
    report = {
        "hostname": "api.example.com",
        "enforced": True,
        "known-pins": [f"sha256/{PIN_A}", f"sha256/{PIN_B}"],
        "served-pins": [f"sha256/{issued.pin}" for issued in chain()[:2]],
        "message": "Blocked connection to api.example.com",
        "date-time": "2026-11-20T11:59:30Z",
    }
    return _changed(report, changes)


def nel(type_: str = "tls.cert.pinned_key_not_in_cert_chain", **changes: Any) -> dict[str, Any]:
    """One report of Network Error Logging in its envelope; ``changes`` are of its body."""
    body_ = {
        "elapsed_time": 87, "method": "GET", "phase": "connection", "protocol": "h2", "referrer": "",
        "sampling_fraction": 1.0, "server_ip": "198.51.100.1", "status_code": 0, "type": type_,
    }  # fmt: skip
    return {
        "age": 2000,
        "type": "network-error",
        "url": "https://api.example.com/",
        "user_agent": "Mozilla/5.0",
        "body": {**body_, **changes},
    }


def sentry(text: str | None = None) -> dict[str, Any]:
    values = [
        {"type": "IllegalStateException", "value": "could not load"},
        {"type": "SSLPeerUnverifiedException", "module": "javax.net.ssl", "value": text or okhttp_text()},
    ]  # fmt: skip
    event = {
        "event_id": "5f0f5a8e6d5c4b3a9e0c0b2a3c0f9d11",
        "datetime": "2026-11-20T11:59:30.250000Z",
        "release": "com.example.wallet@8.24.1+77",
        "environment": "production",
        "user": {"id": INSTALL, "email": "a@b.example", "ip_address": "203.0.113.5"},
        "contexts": {
            "os": {"name": "Android", "version": "14"},
            "device": {"model": "Pixel 7"},
            "app": {"app_identifier": "com.example.wallet", "app_version": "8.24.1", "app_build": "77"},
        },
        "exception": {"values": values},
    }  # fmt: skip
    return {"action": "triggered", "data": {"event": event, "triggered_rule": "pinning"}}


def expect(name: str = "expect-ct-report", **changes: Any) -> dict[str, Any]:
    pems = [issued.pem for issued in chain()]
    report = {
        "date-time": "2026-11-20T11:59:30Z",
        "hostname": "www.example.com",
        "port": 443,
        "effective-expiration-date": "2026-12-20T11:59:30Z",
        "served-certificate-chain": pems[:2],
        "validated-certificate-chain": pems,
    }
    if name == "expect-ct-report":
        report["scts"] = [
            {"version": 1, "status": "invalid", "source": "embedded", "serialized_sct": "QUJD"}
        ]
    else:
        report |= {"response-status": "MISSING", "cert-status": "UNKNOWN"}
    return {name: _changed(report, changes)}


def window(**changes: Any) -> dict[str, Any]:
    report = {
        "id": "w-1",
        "host": "api.example.com",
        "app": "com.example.wallet",
        "app_version": "8.24.1",
        "platform": "ANDROID",
        "window_start": "2026-11-20T11:00:00Z",
        "window_end": "2026-11-20T12:00:00Z",
        "successes": 97,
        "pin_failures": 3,
    }
    return _changed(report, changes, dashes=False)


CALLBACKS: dict[str, dict[str, Any]] = {
    "frw": {"serverHostname": "api.example.com"},
    "flutter": {
        "url": "https://api.example.com/v1", "code": "CONNECTION_NOT_SECURE", "platform": "android",
        "fingerprints": ["AB" * 32], "sha": "SHA256",
    },
    "wultra": {"commonName": "api.example.com", "result": "EMPTY"},
    "alamofire": {
        "message": "Server trust evaluation failed due to reason: Public key pinning failed for host api.example.com.",
    },
    "foundation": {
        "domain": "NSURLErrorDomain", "code": -1202, "NSErrorFailingURLStringKey": "https://api.example.com/x?y=z",
    },
    "android": {
        "host": "api.example.com",
        "error": "javax.net.ssl.SSLHandshakeException: Pin verification failed",
    },
}  # fmt: skip


def okhttp_text(host: str = "api.example.com", pins: tuple[str, ...] = (PIN_A,)) -> str:
    """As OkHttp 3.2 to 5.x writes it: the trust anchor is in the list."""
    leaf, intermediate, root = chain()
    lines = ["Certificate pinning failure!", "  Peer certificate chain:"]
    for issued in (leaf, intermediate, root):
        subject = issued.certificate.subject.rfc4514_string()
        lines.append(f"    sha256/{issued.pin}: {subject}")
    lines.append(f"  Pinned certificates for {host}:")
    lines += [f"    sha256/{pin}" for pin in pins]
    return "\n".join(lines)


def body(report: object) -> bytes:
    return json.dumps(report).encode()


def read(
    report: object, *, received_at: datetime | None = NOON, agent: str | None = None
) -> Violation:
    """The one violation of a report (bytes, text or JSON). Fails if it is refused."""
    if isinstance(report, bytes):
        raw = report
    else:
        raw = report.encode() if isinstance(report, str) else body(report)
    (item,) = read_body(raw, Hints(received_at, agent))
    assert isinstance(item, Violation), item
    return item


EVERY_DIALECT: list[Any] = [
    trustkit_ios(), trustkit_android(), neutral(install_id=INSTALL, error={"message": okhttp_text()}),
    rn_ssl_manager(), nel(), nel("ok", sampling_fraction=0.1), nel("tcp.refused"), sentry(), expect(),
    expect("expect-staple-report"), window(), *CALLBACKS.values(),
    {"type": "hpkp", "age": 1, "body": {"hostname": "api.example.com", "known-pins": [PIN_A]}},
    {"url": "https://api.example.com/x", "message": okhttp_text(), "installId": INSTALL},
]  # fmt: skip
KEY = Key(
    project=ProjectId(1),
    project_name="default",
    app="wallet",
    environment="production",
    trusted=False,
    hosts=(),
    secret=b"k" * 32,
)


def row(
    report: object,
    *,
    received_at: datetime = NOON,
    address: str | IPAddress = "198.51.100.7",
    agent: str | None = None,
    key: Key = KEY,
) -> Row:
    sender = Sender(canonical(str(address)), agent)
    made = prepare(
        read(report, received_at=received_at, agent=agent), key, sender, received_at, b"d" * 32
    )
    return looked_into(made) if made.deferred else made
