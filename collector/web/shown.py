"""Text from reports for people: nothing in it may act, hide or reorder what stands beside it."""

from __future__ import annotations

import unicodedata

_HIDING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # control, bidi, unassigned, breaks


def shown(text: object, limit: int = 300) -> str:
    """Control, format and bidi characters spelt out as ``\\u202e``; cut to ``limit``."""
    told = str(text)
    if len(told) > limit:
        told = told[: limit - 1] + "…"
    if told.isascii() and told.isprintable():
        return told
    return "".join(
        c if unicodedata.category(c) not in _HIDING else f"\\u{ord(c):04x}" for c in told
    )
