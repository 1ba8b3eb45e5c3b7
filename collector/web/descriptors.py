"""Descriptors: each connection needs one, and so does everything else."""

from __future__ import annotations

import contextlib
import resource

_RESERVE = 256  # for the database, the operator listener, files, and peers that are turned away
_PLENTY = 1_000_000  # connections that stand for "no limit"


def raise_limit() -> None:
    """As many as we may have: the soft limit is 1,024 almost everywhere, for the sake of select()."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS says "infinity" and does not mean it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def room(chosen: int) -> int:
    """Connections that fit. chosen: by the operator, 0 for as many as descriptors allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        soft = _PLENTY
    fits = max(soft - _RESERVE, soft // 2)
    return min(chosen, fits) if chosen else fits
