"""Certificate chains as servers and interceptors show them: made here, of usual sizes."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID as Access
from cryptography.x509.oid import NameOID

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
# Stands for signed timestamps, policies and the like: real leaves have about as many bytes.
_FILLER = x509.ObjectIdentifier("1.3.6.1.4.1.32473.1")
_FILLED = 140  # bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """A root with one intermediate: RSA above, P-256 below, as the largest public CA has it."""

    root: x509.Certificate
    intermediate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls, name: str) -> Authority:
        root_key = rsa.generate_private_key(65537, 4096)
        key = ec.generate_private_key(ec.SECP256R1())
        root_name, own_name = _name(f"{name} Root", name), _name(f"{name} CA 1", name)
        return cls(
            _sign(root_name, root_name, root_key, root_key, 3650, ca=True),
            _sign(own_name, root_name, key, root_key, 1800, ca=True),
            key,
        )

    def chain(
        self, host: str, days: float = 90, at: datetime | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """A new leaf with its path, as DER: leaf, intermediate, root."""
        return self.issued(host, days, at)[0]

    def issued(
        self, host: str, days: float = 90, at: datetime | None = None
    ) -> tuple[tuple[bytes, bytes, bytes], ec.EllipticCurvePrivateKey]:
        """The same with the leaf's key. at: when the leaf is two days old (default: now); days: until
        it expires, from its first day on."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.intermediate.subject
        leaf = _sign(_name(host, None), issuer, key, self.key, days, ca=False, host=host, at=at)
        chain = (
            leaf.public_bytes(Encoding.DER),
            self.intermediate.public_bytes(Encoding.DER),
            self.root.public_bytes(Encoding.DER),
        )
        return chain, key


def _name(common: str, organisation: str | None) -> x509.Name:
    """Organisation first, as authorities have it: written out, the common name comes first."""
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: _Key,
    by: _Key,
    days: float,
    *,
    ca: bool,
    host: str | None = None,
    at: datetime | None = None,
) -> x509.Certificate:
    start = (at or datetime.now(UTC)).replace(microsecond=0) - timedelta(days=2)
    url = x509.UniformResourceIdentifier
    about = [
        x509.AccessDescription(Access.OCSP, url("http://ocsp.ca.example")),
        x509.AccessDescription(Access.CA_ISSUERS, url("http://issuer.ca.example/1.crt")),
    ]
    builder = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.AuthorityInformationAccess(about), critical=False)
        .add_extension(x509.UnrecognizedExtension(_FILLER, os.urandom(_FILLED)), critical=False)
    )
    if host:
        names = [x509.DNSName(host), x509.DNSName(f"www.{host}")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256())


def pem(der: bytes, columns: int, newline: str, end: str = "") -> str:
    """PEM as some client wraps it."""
    text = base64.b64encode(der).decode()
    lines = newline.join(text[i : i + columns] for i in range(0, len(text), columns))
    return f"-----BEGIN CERTIFICATE-----{newline}{lines}{newline}-----END CERTIFICATE-----{end}"


def ios(der: bytes) -> str:
    return pem(der, 64, "\r\n")


def android(der: bytes) -> str:
    return pem(der, 76, "\n", "\n")
