"""Text of a file inside a message: one line, bounded, with nothing in it that acts."""

from __future__ import annotations

_LONGEST = 120  # characters


def quoted(value: object) -> str:
    """Between quotes; what does not print is spelt out."""
    text = str(value)
    shown = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:_LONGEST])
    return f"'{shown}…'" if len(text) > _LONGEST else f"'{shown}'"
