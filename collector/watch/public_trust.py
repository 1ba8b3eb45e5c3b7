"""Whether a chain leads to a public root."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.x509 import verification

from collector.model import Certificate


@cache
def _public_roots() -> verification.Store:
    """Mozilla's, as certifi brings them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # serial 0 of some old root
        return verification.Store(
            x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
        )


def is_trusted(
    chain: Sequence[Certificate],
    host: str,
    at: datetime,
    roots: verification.Store | None = None,
) -> bool:
    """chain: leaf first, the others in any order. roots: the public ones, if none are given."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaf, *others = (x509.load_der_x509_certificate(each.der) for each in chain)
            builder = verification.PolicyBuilder().store(roots or _public_roots()).time(at)
            builder.build_server_verifier(_subject(host)).verify(leaf, others)
    except Exception:  # noqa: BLE001 (a parser of somebody else's on an attacker's bytes; it is no proof)
        return False
    return True


def _subject(host: str) -> verification.Subject:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
