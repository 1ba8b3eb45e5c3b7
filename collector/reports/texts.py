"""Text from the field, made storable and comparable."""

from __future__ import annotations

import re
from functools import lru_cache

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text with NUL and lone surrogates as U+FFFD: Postgres stores neither."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def fold(key: str) -> str:
    """``appVersion``, ``app_version`` and ``app-version`` are one key."""
    return _fold_cached(key) if len(key) <= _SHORT else _fold(key)


def _fold(key: str) -> str:
    return key.replace("-", "").replace("_", "").replace(".", "").lower()


_SHORT = 64  # characters: of keys that are remembered, 1 MB in all
_fold_cached = lru_cache(maxsize=4096)(_fold)
