"""Names of platforms, as clients write them."""

from __future__ import annotations

from functools import lru_cache

_NAMES = {
    "IPADOS": "IOS",
    "IPHONEOS": "IOS",
    "IPHONE": "IOS",
    "IPAD": "IOS",
    "MACOSX": "MACOS",
    "DARWIN": "MACOS",
    "APPLETVOS": "TVOS",
}


def platform_of(name: str | None) -> str | None:
    """``ios``, ``iPhone OS 18.1``, ``Android 14`` … as one upper-case word; None for no name.

    ``OSX`` stays: TrustKit before 1.4 called macOS so.
    """
    return _platform_of(name[:_LONGEST]) if name else None


_LONGEST = 64  # characters that are looked at


@lru_cache(maxsize=1024)
def _platform_of(name: str) -> str | None:
    letters = "".join(c for c in name.upper() if "A" <= c <= "Z")
    words = name.upper().replace("-", " ").replace("_", " ").split()
    first = "".join(c for c in words[0] if "A" <= c <= "Z") if words else ""
    return _NAMES.get(letters) or _NAMES.get(first) or first[:16] or None
