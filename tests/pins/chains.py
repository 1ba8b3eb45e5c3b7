"""Chains of authorities with names of one's choice, made here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from collector.model import Certificate, Hash
from collector.reports.certificates import certificate_from_der
from tests.make import NOON, name


@dataclass(frozen=True)
class Made:
    certificate: Certificate
    key: ec.EllipticCurvePrivateKey
    subject: x509.Name

    @property
    def pin(self) -> Hash:
        return Hash("sha256", self.certificate.spki_sha256)

    @property
    def sha1(self) -> Hash:
        return Hash("sha1", self.certificate.spki_sha1)


def make(
    common: str, organisation: str | None = None, by: Made | None = None, *, ca: bool = True
) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = name(common, organisation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON - timedelta(days=1))
        .not_valid_after(NOON + timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    signed = builder.sign(by.key if by else key, hashes.SHA256())
    return Made(certificate_from_der(signed.public_bytes(Encoding.DER)), key, subject)


@dataclass(frozen=True)
class Path:
    """What one authority issued for a host."""

    leaf: Made
    intermediate: Made
    root: Made

    def served(self, host: str = "api.example.com", at: datetime = NOON) -> Seen:
        """As servers send it: without the root."""
        return Seen(host, (self.leaf.certificate, self.intermediate.certificate), at)


@dataclass(frozen=True)
class Seen:
    host: str
    chain: tuple[Certificate, ...]
    last_seen: datetime


def path(organisation: str, host: str = "api.example.com") -> Path:
    root = make(f"{organisation} Root", organisation)
    intermediate = make(f"{organisation} CA 1", organisation, root)
    return Path(make(host, None, intermediate, ca=False), intermediate, root)
