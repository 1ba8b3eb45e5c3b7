"""Whom to trust: the public roots, or those of an authority of one's own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509 import verification

from collector.model import Certificate
from collector.reports.certificates import read_certificate, split_pem

_MOST = 1000  # certificates of one file


@dataclass(frozen=True, slots=True)
class Roots:
    """``is_public``: held to the rules of public authorities (CA/Browser Forum), which authorities of
    one's own seldom keep to."""

    store: verification.Store = field(repr=False)
    subjects: frozenset[x509.Name] = field(repr=False)
    is_public: bool


@cache
def public_certificates() -> tuple[Certificate, ...]:
    """Mozilla's roots, as certifi brings them: whose keys they are is known to everybody."""
    texts = split_pem(Path(certifi.where()).read_text(encoding="utf-8"))
    return tuple(root for text in texts if (root := read_certificate(text)) is not None)


@cache
def public_roots() -> Roots:
    """Mozilla's, as certifi brings them."""
    return roots_of(Path(certifi.where()).read_bytes(), is_public=True)


def private_roots(pem: bytes) -> Roots:
    """Raises ValueError if there is no certificate in it, or one that cannot be read."""
    return roots_of(pem, is_public=False)


def roots_of(pem: bytes, *, is_public: bool) -> Roots:
    """Raises ValueError, as ``private_roots`` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial 0 of some old root
        try:
            found = x509.load_pem_x509_certificates(pem)
        except Exception as error:
            raise ValueError("no certificates in PEM") from error
        if len(found) > _MOST:
            raise ValueError(f"more than {_MOST} certificates")
        subjects = frozenset(root.subject for root in found)
    return Roots(verification.Store(found), subjects, is_public)
