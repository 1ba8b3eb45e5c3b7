"""Pins as clients write them."""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

from collector.model import WORST_PINS, Hash, PinSet

SIZES = {"sha256": 32, "sha1": 20, "cert-sha256": 32, "cert-sha1": 20}
# Lengths are exact: in "sha256//IAH…" the second "/" is curl's, or the hash's own first letter.
_PIN = re.compile(
    r"\s{0,9}(?:pin-)?(sha256|sha1)\s{0,3}(?://?|:|=\s{0,3}[\"']?)\s{0,3}"
    r"([A-Za-z0-9+/_-]{43}=?|[A-Za-z0-9+/_-]{27}=?|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})[\"']?\s{0,9}(?:;.{0,60})?",
    re.IGNORECASE,
)
_BARE = re.compile(r"\s{0,9}([A-Za-z0-9+/_-]{43}=?|(?:[0-9A-Fa-f]{2}:?){32})\s{0,9}")
_MOST = 1000  # entries looked at
_MOST_FLAGS = 40
_URL_SAFE = {ord("-"): "+", ord("_"): "/"}
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[: ]?){20,32}")


def digest(kind: str, text: str) -> Hash | None:
    """A hash of a known kind from base64 (either alphabet) or hex (with or without colons)."""
    size = SIZES.get(kind)
    if size is None or len(text) > 120:
        return None
    text = text.strip()
    if _HEX.fullmatch(text):
        plain = text.replace(":", "").replace(" ", "")
        if len(plain) == 2 * size:
            return Hash(kind, bytes.fromhex(plain))
    text = text.rstrip("=").translate(_URL_SAFE)
    text += "=" * (-len(text) % 4)
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    if len(raw) != size:
        return None
    return Hash(
        kind, raw, None if binascii.b2a_base64(raw, newline=False) == text.encode() else text
    )


def parse_pin(text: str) -> Hash | None:
    """``pin-sha256="…"`` (TrustKit, HPKP), ``sha256/…`` (OkHttp), or bare base64 of SHA-256."""
    return _parse_cached(text) if len(text) <= 180 else None


@lru_cache(maxsize=4096)
def _parse_cached(text: str) -> Hash | None:
    match = _PIN.fullmatch(text)
    if match:
        return digest(match[1].lower(), match[2])
    bare = _BARE.fullmatch(text)
    return digest("sha256", bare[1]) if bare else None


def read_pins(value: object, name: str, flags: list[str], kind: str | None = None) -> list[Hash]:
    """Pins in the order sent; a list, or one header-style string of several.

    kind: what a pin without a prefix is; None takes it for an SPKI SHA-256.
    What is not a pin is flagged as ``bad_pin:<name>:<place>``.
    """
    if value is None:
        return []
    if isinstance(value, str):
        flags.append(f"coerced:{name}")
        value = [part for part in re.split(r"[;,\n]", value) if part.strip()]
    if not isinstance(value, list):
        flags.append(f"unreadable:{name}")
        return []
    pins = []
    for place, entry in enumerate(value[:_MOST]):
        pin = None
        if isinstance(entry, str):
            pin = (
                digest(kind, entry)
                if kind and not _PIN.fullmatch(entry[:120])
                else parse_pin(entry)
            )
        if pin is None:
            if len(flags) < _MOST_FLAGS:
                flags.append(f"bad_pin:{name}:{place}")
        else:
            pins.append(pin)
    return pins


def pin_set(pins: list[Hash]) -> PinSet:
    """Sorted, each once: clients keep pins in sets, so their order says nothing. At most
    WORST_PINS, cut after sorting: a repeat in another order is the same set."""
    return PinSet(sorted(set(pins))[:WORST_PINS])
