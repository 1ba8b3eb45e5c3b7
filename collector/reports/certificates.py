"""Certificates of a report: PEM in all its spellings to content-addressed ``Certificate``s."""

from __future__ import annotations

import binascii
import json
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha1, sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from collector.model import NO_CHAIN, WORST_CHAIN, Certificate, Chain, Slot
from collector.reports.der import certificate_and_spki

_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}CERTIFICATE-----")
_END = "-----END"
_CACHED = 2048  # certificates
_LARGE = 8192  # characters, or bytes, from which on one is read anew each time: 30 MB at the worst
_WORST_KEY, _WORST_EXPONENT = 8192, 2**32  # of RSA
_WORST_TEXT = 512  # characters of a name
_WORST_SANS = 50


def split_pem(text: str) -> list[str]:
    """The certificates in one string: several where PEMs were concatenated, else itself."""
    starts = [match.start() for match in _BEGIN.finditer(text)]
    if len(starts) < 2:
        return [text]
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def read_certificate(text: str) -> Certificate | None:
    """PEM (any wrapping, CRLF, leading blanks, escaped newlines) or bare base64 DER, or None."""
    return _read_cached(text) if len(text) <= _LARGE else _read(text)


def _read(text: str) -> Certificate | None:
    begin = _BEGIN.search(text)
    body = text[begin.end() :] if begin else text
    end = body.find(_END)
    if end >= 0:
        body = body[:end]
    # "\n" spelt out is not base64, but its letter is: it has to go before the rest is read.
    body = body.replace("\\r", "").replace("\\n", "").replace("\\/", "/")
    try:
        return certificate_from_der(binascii.a2b_base64(body))
    except ValueError:  # binascii.Error is one
        return None


_read_cached = lru_cache(maxsize=_CACHED)(_read)


def certificate_from_der(data: bytes) -> Certificate:
    """Raises ValueError if ``data`` does not start with a certificate."""
    der, spki = certificate_and_spki(data)
    return Certificate(der, sha256(der).digest(), sha256(spki).digest(), sha1(spki).digest())  # noqa: S324 (SHA-1 pins of OkHttp 2 and 3)


def read_chain(value: object, name: str, flags: list[str]) -> Chain:
    """A chain as a list of strings, or as one string; leaf first.

    An entry that cannot be read keeps its place, and ``unparseable_cert:<name>:<place>`` is
    appended to ``flags``; a chain of more than WORST_CHAIN is cut and flagged.
    """
    if value is None:
        return NO_CHAIN
    if isinstance(value, str):
        flags.append(f"coerced:{name}")
        value = [value] if value.strip() else []
    if not isinstance(value, list):
        flags.append(f"unreadable:{name}")
        return NO_CHAIN
    entries: list[object] = []
    for entry in value[: WORST_CHAIN + 1]:
        entries.extend(split_pem(entry) if isinstance(entry, str) else [entry])
    if len(entries) > WORST_CHAIN:
        flags.append(f"truncated_chain:{name}")
        entries = entries[:WORST_CHAIN]
    slots = []
    for place, entry in enumerate(entries):
        certificate = read_certificate(entry) if isinstance(entry, str) else None
        if certificate is not None:
            slots.append(Slot(certificate))
            continue
        flags.append(f"unparseable_cert:{name}:{place}")
        # Of an object the keys sorted: their order is no part of what was sent.
        told = (
            "".join(entry.split()) if isinstance(entry, str) else json.dumps(entry, sort_keys=True)
        )
        slots.append(Slot(fingerprint=sha256(told.encode("utf-8", "replace")).digest()))
    return Chain(slots)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person wants to know of a certificate. None: the certificate is too odd to tell.

    ``subject`` and ``issuer`` are RFC 4514 strings, ``""`` for an empty name.
    """

    subject: str | None = None
    issuer: str | None = None
    sans: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    is_ca: bool | None = None
    self_signed: bool = False
    key: str | None = None  # "RSA 2048", "ECDSA secp256r1"


def facts(der: bytes) -> Facts:
    """Names, validity, roles of a certificate. Costs 100 us: only for certificates that are new."""
    return _facts_cached(der) if len(der) <= _LARGE else _facts(der)


def _facts(der: bytes) -> Facts:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # serial 0 and the like: told, not refused
            certificate = x509.load_der_x509_certificate(der)
            subject, issuer = certificate.subject, certificate.issuer
            return Facts(
                subject=_clean(subject.rfc4514_string()),
                issuer=_clean(issuer.rfc4514_string()),
                sans=_sans(certificate),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                is_ca=_is_ca(certificate),
                self_signed=subject == issuer and _signed(der, der),
                key=_key(certificate),
            )
    except Exception:  # noqa: BLE001 (a parser of somebody else's on an attacker's bytes)
        return Facts()


_facts_cached = lru_cache(maxsize=_CACHED)(_facts)


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:_WORST_TEXT]


def _sans(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return ()
    shown = [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]
    return tuple(_clean(name)[:255] for name in shown[:_WORST_SANS])


def _is_ca(certificate: x509.Certificate) -> bool | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except (ValueError, x509.DuplicateExtension):
        return None


def _key(certificate: x509.Certificate) -> str | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return type(key).__name__.removesuffix("PublicKey")
        case _:
            return type(key).__name__


def _signed(child: bytes, parent: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            issuer = x509.load_der_x509_certificate(parent)
            key = issuer.public_key()
            if isinstance(key, rsa.RSAPublicKey) and (
                key.key_size > _WORST_KEY or key.public_numbers().e > _WORST_EXPONENT
            ):
                return False  # made to cost milliseconds; no authority has such a key
            x509.load_der_x509_certificate(child).verify_directly_issued_by(issuer)
    except Exception:  # noqa: BLE001 (as above; whatever it is, it is no proof)
        return False
    return True


_signed_cached = lru_cache(maxsize=_CACHED)(_signed)


def signed_by(child: Certificate, parent: Certificate) -> bool:
    """Whether ``parent``'s name and key issued ``child``. Unknown algorithms count as no."""
    small = len(child.der) + len(parent.der) <= _LARGE
    return (_signed_cached if small else _signed)(child.der, parent.der)


def role(place: int, certificate: Certificate) -> str:
    """leaf, intermediate or root, by place in the chain and by who signed it."""
    if place == 0:
        return "leaf"
    return "root" if facts(certificate.der).self_signed else "intermediate"
