"""Files that hold a chain, or a request for a certificate, to a chain with its leaf first.

PEM in any order, DER, PKCS#7 in either, or a certificate signing request. A private key that stands
beside the certificates is told, and neither read nor kept.
"""

from __future__ import annotations

import binascii
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1, sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from collector.errors import PinfallError
from collector.model import Certificate
from collector.reports.certificates import certificate_from_der, facts, signed_by
from collector.reports.der import INTEGER, SEQUENCE, element
from collector.reports.hosts import matches

LARGEST = 512 * 1024  # bytes of a file
MOST = 64  # certificates of a file
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)(?:-----END|\Z)", re.DOTALL)
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_REQUESTS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_MESSAGES = ("PKCS7", "CMS", "PKCS #7 SIGNED DATA")
_ENCRYPTED = re.compile(r"Proc-Type:\s*4,ENCRYPTED")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")  # 1.2.840.113549.1.7.2


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A certificate signing request: whose key, and for which names. ``signed``: by that key."""

    spki_sha256: bytes
    spki_sha1: bytes
    subject: str | None
    names: tuple[str, ...]
    signed: bool
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFile:
    """What a file holds: a chain, leaf first, or a request. ``others`` are certificates that are not on
    the leaf's path. ``notes`` are sentences for a person: what was put right, left out or is missing."""

    chain: tuple[Certificate, ...] = ()
    request: KeyRequest | None = None
    others: tuple[Certificate, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    """certificates: in the file's order, each once."""

    certificates: dict[bytes, Certificate] = field(default_factory=dict)
    requests: list[KeyRequest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: int = 0
    encrypted: bool = False
    twice: int = 0

    def add(self, certificate: Certificate) -> None:
        if certificate.sha256 in self.certificates:
            self.twice += 1
        self.certificates[certificate.sha256] = certificate
        if len(self.certificates) > MOST:
            raise PinfallError(f"more than {MOST} certificates: this is no chain")

    def add_key(self, *, encrypted: bool) -> None:
        self.keys += 1
        self.encrypted |= encrypted


def read_chain_file(data: bytes, host: str | None = None) -> ChainFile:
    """Raises PinfallError, in one line, where there is neither a certificate nor a request.

    host: whose chain it should be. Of several leaves the one that names it is taken; without a host,
    or where none does, the first of the file.
    """
    if len(data) > LARGEST:
        raise PinfallError(f"more than {LARGEST // 1024} KiB: a chain is a few")
    if not data.strip():
        raise PinfallError("it is empty")
    found = _Found()
    text = _text(data)
    if "-----BEGIN " in text:
        _read_pem(text, found)
    else:
        _read_der(_unarmoured(data, text), found)
    notes = found.notes
    if found.keys:
        notes.append("a private key stands in the file: it was not read; keep it elsewhere")
    if found.twice:
        notes.append(f"{found.twice} certificates stand there twice")
    if found.certificates:
        if found.requests:
            notes.append("a request stands beside the certificates: it was not read")
        return _ordered(list(found.certificates.values()), host, notes)
    if found.requests:
        return _requested(found.requests, host, notes)
    if found.keys:
        kind = "an encrypted private key" if found.encrypted else "a private key"
        raise PinfallError(f"{kind}, and no certificate: give the chain, or a request (CSR)")
    raise PinfallError("no certificate and no request (CSR) in it")


def _text(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # as some editors of Windows write
        return data.decode("utf-16", "replace")
    return data.decode("latin-1")


def _unarmoured(data: bytes, text: str) -> bytes:
    """DER as it is, or out of bare base64."""
    if data[0] != SEQUENCE or _BASE64.fullmatch(text):
        try:
            return binascii.a2b_base64("".join(text.split()), strict_mode=True)
        except ValueError:
            pass
    return data


def _read_pem(text: str, found: _Found) -> None:
    for number, block in enumerate(_BLOCK.finditer(text), 1):
        label, body = block[1], block[2]
        if label.endswith("PRIVATE KEY"):
            found.add_key(encrypted="ENCRYPTED" in label or bool(_ENCRYPTED.search(body)))
            continue
        if label not in (*_CERTIFICATES, *_REQUESTS, *_MESSAGES):
            found.notes.append(f"block {number}, {label}: it was not read")
            continue
        try:
            der = binascii.a2b_base64(body)
            if label in _CERTIFICATES:
                found.add(certificate_from_der(der))
            elif label in _REQUESTS:
                found.requests.append(read_request(der))
            else:
                _read_message(der, found)
        except ValueError:  # binascii.Error is one
            raise PinfallError(f"block {number}, {label}: it cannot be read") from None


def _read_der(data: bytes, found: _Found) -> None:
    """Certificates one after the other, a message, or a request. Raises PinfallError."""
    place = 0
    try:
        while place < len(data):
            certificate = certificate_from_der(data[place:])
            found.add(certificate)
            place += len(certificate.der)
    except ValueError:
        if found.certificates:
            found.notes.append(f"{len(data) - place} bytes behind the certificates were not read")
    if found.certificates:
        return
    try:
        found.requests.append(read_request(data))
    except ValueError:
        _read_other(data, found)


def _read_other(data: bytes, found: _Found) -> None:
    if _SIGNED_DATA in data[:32]:
        try:
            _read_message(data, found)
        except ValueError:
            raise PinfallError("a PKCS#7 message that cannot be read") from None
        return
    version = _first_number(data)
    if version == 3:
        raise PinfallError("a PKCS#12 file: take the certificates out, with openssl pkcs12 -nokeys")
    if version in (0, 1):
        found.add_key(encrypted=False)


def _first_number(data: bytes) -> int | None:
    """What a SEQUENCE begins with, where that is a small number: files of keys and PKCS#12 do."""
    try:
        tag, content, _ = element(data, 0)
        inner, start, end = element(data, content)
    except ValueError:
        return None
    if tag != SEQUENCE or inner != INTEGER or end - start != 1:
        return None
    return data[start]


def _read_message(der: bytes, found: _Found) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # BER is told, and read all the same
            certificates = pkcs7.load_der_pkcs7_certificates(der)
    except Exception as error:  # a parser of somebody else's on anybody's bytes
        raise ValueError("no PKCS#7") from error
    for certificate in certificates:
        found.add(certificate_from_der(certificate.public_bytes(Encoding.DER)))


def read_request(data: bytes) -> KeyRequest:
    """A PKCS#10 request in DER. Raises ValueError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            request = x509.load_der_x509_csr(data)
            signed = request.is_signature_valid
            subject = request.subject.rfc4514_string()[:300]
            names = _names(request)
    except Exception as error:  # as above
        raise ValueError("no request") from error
    spki = _request_spki(data)
    digests = sha256(spki).digest(), sha1(spki).digest()  # noqa: S324 (SHA-1 pins of OkHttp 2 and 3)
    return KeyRequest(*digests, subject or None, names, signed, data)


def _request_spki(data: bytes) -> bytes:
    """The SubjectPublicKeyInfo as it stands there (RFC 2986 section 4.1)."""
    _, outer, _ = element(data, 0)
    _, place, _ = element(data, outer)
    for _ in ("version", "subject"):
        _, _, place = element(data, place)
    _, _, end = element(data, place)
    return data[place:end]


def _names(request: x509.CertificateSigningRequest) -> tuple[str, ...]:
    try:
        told = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    return tuple(name[:255] for name in told.get_values_for_type(x509.DNSName)[:50])


def _requested(requests: list[KeyRequest], host: str | None, notes: list[str]) -> ChainFile:
    request = requests[0]
    if len(requests) > 1:
        notes.append(f"{len(requests)} requests: the first was read")
    if not request.signed:
        notes.append("the request is not signed by its own key: an authority would refuse it")
    if host and request.names and not any(matches(name, host) for name in request.names):
        notes.append(f"the request does not name {host}")
    return ChainFile(request=request, notes=tuple(notes))


def covers(certificate: Certificate, host: str) -> bool:
    """Whether the certificate names the host; a wildcard stands for one label (RFC 6125)."""
    depth = host.count(".")
    return any(
        matches(name.lower(), host) and (not name.startswith("*.") or name.count(".") == depth)
        for name in facts(certificate.der).sans
    )


def _ordered(certificates: list[Certificate], host: str | None, notes: list[str]) -> ChainFile:
    leaf = _leaf(certificates, host)
    chain = list(_path(leaf, certificates))
    others = [c for c in certificates if c not in chain]
    if [c for c in certificates if c in chain] != chain:
        notes.append("the certificates were out of order: put right, leaf first")
    notes.extend(f"not on the leaf's path: {told_name(c)}" for c in others[:5])
    if len(others) > 5:
        notes.append(f"nor are {len(others) - 5} others")
    if facts(leaf.der).is_ca and len(certificates) > 1:
        notes.append(f"the first of the path is an authority, no leaf: {told_name(leaf)}")
    if host and not covers(leaf, host):
        notes.append(f"the leaf does not name {host}: {told_name(leaf)}")
    if not facts(chain[-1].der).self_signed and len(chain) == 1:
        notes.append("only the leaf is in the file: give the whole chain that will be served")
    return ChainFile(chain=tuple(chain), others=tuple(others), notes=tuple(notes))


def told_name(certificate: Certificate) -> str:
    """Its subject, else the first name that it is for, else its hash."""
    fact = facts(certificate.der)
    told = fact.subject or next(iter(fact.sans), None)
    return told[:120] if told else certificate.sha256.hex()[:16]


def _leaf(certificates: list[Certificate], host: str | None) -> Certificate:
    """One that issued none of the others: rather one that names the host, then one that is no
    authority, then the first of the file."""
    issuers = {
        parent.sha256
        for child in certificates
        for parent in certificates
        if parent is not child and _issued(child, parent)
    }
    ends = [c for c in certificates if c.sha256 not in issuers] or certificates

    def rank(certificate: Certificate) -> tuple[bool, bool]:
        named = host is not None and covers(certificate, host)
        return not named, bool(facts(certificate.der).is_ca)

    return min(ends, key=rank)


def _issued(child: Certificate, parent: Certificate) -> bool:
    of_child, of_parent = facts(child.der), facts(parent.der)
    if of_child.issuer is None or of_child.issuer != of_parent.subject:
        return False
    return not of_child.self_signed and signed_by(child, parent)


def _path(leaf: Certificate, certificates: list[Certificate]) -> Iterator[Certificate]:
    """From the leaf up, each signed by the next. Of several issuers one that has its own issuer here
    comes first: of a root and its cross-sign the longer way, as a server sends it."""
    seen = {leaf.sha256}
    current: Certificate | None = leaf
    while current is not None:
        yield current
        child = current
        above = [c for c in certificates if c.sha256 not in seen and _issued(child, c)]
        current = next((c for c in above if not facts(c.der).self_signed), None)
        if current is None and above:
            current = above[0]
        if current is not None:
            seen.add(current.sha256)
