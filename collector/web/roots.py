"""Roots that clients trust, as certificates: a chain may end at one that is not sent."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import certifi

from collector.model import Certificate
from collector.reports.certificates import read_certificate, split_pem


@cache
def public_certificates() -> tuple[Certificate, ...]:
    """Mozilla's, as certifi brings them."""
    pems = split_pem(Path(certifi.where()).read_text())
    found = (read_certificate(pem) for pem in pems)
    return tuple(certificate for certificate in found if certificate is not None)
