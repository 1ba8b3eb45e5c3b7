"""Files that show that a key is there: a certificate for it, or a request for one."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from collector.errors import PinfallError
from collector.model import Hash
from collector.reports.certificates import facts, read_certificate

# Bounded: a certificate or a request is no longer than this.
_PEM = re.compile(
    r"-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE|(?:NEW )?CERTIFICATE REQUEST)-----"
    r"[A-Za-z0-9+/=\s]{1,100000}-----END \1-----"
)
MOST = 20  # of one file


@dataclass(frozen=True, slots=True)
class Proof:
    """how: "csr" is signed by the key itself; a "certificate" says that an authority saw the key."""

    pin: Hash
    how: str
    subject: str | None


def public_parts(text: str) -> list[str]:
    """The certificates and requests in a text, and nothing else of it: never a private key."""
    return [match[0] for match in _PEM.finditer(text)]


def read_proofs(text: str, roots: Collection[bytes] = ()) -> list[Proof]:
    """Each certificate that is no authority's, and each request. Raises PinfallError.

    An authority's certificate is public and says nothing about whose key it is: it is passed over,
    as it stands in chains. One that signed itself is taken, since its key did so, unless it is one
    of the public roots (roots: SHA-256 of their SPKIs).
    """
    pems = [(match[1], match[0]) for match in _PEM.finditer(text)]
    if not pems:
        raise PinfallError("no certificate and no certificate request in PEM is in it")
    if len(pems) > MOST:
        raise PinfallError(f"more than {MOST} certificates and requests")
    found = [_request(pem) if "REQUEST" in kind else _certificate(pem, roots) for kind, pem in pems]
    proofs = [proof for proof in found if proof is not None]
    if not proofs:
        raise PinfallError(
            "only authorities' certificates are in it: they prove nothing about a key of yours"
        )
    return proofs


def _certificate(pem: str, roots: Collection[bytes]) -> Proof | None:
    certificate = read_certificate(pem)
    if certificate is None:
        raise PinfallError("a certificate in it cannot be read")
    fact = facts(certificate.der)
    if fact.is_ca and (not fact.self_signed or certificate.spki_sha256 in roots):
        return None
    return Proof(Hash("sha256", certificate.spki_sha256), "certificate", fact.subject)


def _request(pem: str) -> Proof:
    try:
        request = x509.load_pem_x509_csr(pem.replace("NEW CERTIFICATE", "CERTIFICATE").encode())
        spki = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        valid = request.is_signature_valid
        subject = request.subject.rfc4514_string()[:300]
    except Exception:  # noqa: BLE001 (a parser of somebody else's on whatever a file holds)
        raise PinfallError("a certificate request in it cannot be read") from None
    if not valid:
        raise PinfallError(
            "a certificate request in it is not signed by its own key: it proves nothing"
        )
    return Proof(Hash("sha256", sha256(spki).digest()), "csr", subject)
