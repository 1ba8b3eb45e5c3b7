"""Authorities and chains as public ones make them: with every extension that the rules ask for."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector.model import Certificate
from collector.probing.roots import Roots, private_roots, roots_of
from collector.reports.certificates import certificate_from_der
from tests.make import NOON

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
HOST = "api.example.com"


@dataclass(frozen=True)
class Made:
    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def noun(self) -> Certificate:
        return certificate_from_der(self.der)

    def write(self, place: Path, *chain: Made) -> Path:
        """Key, certificate, and what is sent after it, in a file."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        place.write_bytes(key + self.pem + b"".join(each.pem for each in chain))
        return place


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:
    """Seconds go into making these: a few are enough."""
    return rsa.generate_private_key(65537, 2048)


def make(
    common: str,
    by: Made | None = None,
    *,
    ca: bool = False,
    key: Key | None = None,
    sans: tuple[str, ...] = (),
    start: datetime = NOON - timedelta(days=10),
    days: int = 90,
    bare: bool = False,
) -> Made:
    """bare: with BasicConstraints and names only, as authorities of one's own do."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    signer = by.key if by else own
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if sans:
        names: list[x509.GeneralName] = []
        for san in sans:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(san)))
            except ValueError:
                names.append(x509.DNSName(san))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if not bare:
        keyid = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(keyid, critical=False)
        if ca:
            own_id = x509.SubjectKeyIdentifier.from_public_key(own.public_key())
            builder = builder.add_extension(own_id, critical=False)
            builder = builder.add_extension(_usage(sign=True), critical=True)
        else:
            server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
            builder = builder.add_extension(server, critical=False)
    return Made(builder.sign(signer, hashes.SHA256()), own)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=sign, crl_sign=sign, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Family:
    root: Made
    intermediate: Made

    def leaf(self, host: str = HOST, **more: object) -> Made:
        more.setdefault("sans", (host,))
        return make(host, self.intermediate, **more)  # type: ignore[arg-type]

    @property
    def roots(self) -> Roots:
        """As if it were a public one."""
        return roots_of(self.root.pem, is_public=True)

    @property
    def own_roots(self) -> Roots:
        return private_roots(self.root.pem)


@cache
def family(name: str = "Test") -> Family:
    root = make(f"{name} Root", ca=True, days=3650)
    return Family(root, make(f"{name} CA 1", root, ca=True, days=1800))
