"""Public roots, as clients trust them: whose keys they are is known to everybody."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import certifi

from collector.model import Certificate
from collector.reports.certificates import read_certificate, split_pem


@cache
def public_roots() -> tuple[Certificate, ...]:
    """Those of certifi, which are Mozilla's."""
    texts = split_pem(Path(certifi.where()).read_text(encoding="utf-8"))
    return tuple(root for text in texts if (root := read_certificate(text)) is not None)
