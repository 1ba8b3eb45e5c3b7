"""Unknown keys of a report are kept, but small and without personal data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import itemgetter

from collector.reports.personal import is_personal, without_personal
from collector.reports.texts import clean

WORST_EXTRA = 4096  # bytes of JSON that are kept
_WORST_READ = 16_384  # characters looked at: a report cannot make us scrub more
_DEPTH = 4
_TEXT = 512
_KEY = 64


def keep(
    rest: Mapping[str, object], flags: list[str], *, known: str | None = None
) -> dict[str, object]:
    """What is stored of unknown keys: small values first, then by name, at most WORST_EXTRA bytes.

    known: the install id that the report names elsewhere, and which must not stand here in clear.
    """
    kept: dict[str, object] = {}
    size, read, private = 2, 0, False
    for key, value in sorted(rest.items(), key=lambda pair: (_rough_size(pair[1]), pair[0])):
        name = clean(str(key)[:_KEY])
        if is_personal(name):
            private = True
            continue
        read += _rough_size(value)
        if read > _WORST_READ:
            flags.append("cut:extra")
            break
        told = _reduce(value, known, name, _DEPTH)
        length = len(json.dumps([name, told]))
        if size + length > WORST_EXTRA:
            flags.append("cut:extra")
            break
        kept[without_personal(name, known=known)] = told
        size += length
    if private:
        flags.append("private:extra")
    return kept


def _rough_size(value: object) -> int:
    """Characters that ``_reduce`` would look at, at the most; not exact, and cheap."""
    if isinstance(value, str):
        return min(len(value), 2 * _TEXT)
    if isinstance(value, list):
        return 8 + sum(_rough_size(entry) for entry in value[:20])
    if isinstance(value, dict):
        return 8 + sum(
            _KEY + _rough_size(entry) for _, entry in sorted(value.items(), key=itemgetter(0))[:40]
        )
    return 8


def _reduce(value: object, known: str | None, under: str, depth: int) -> object:
    if isinstance(value, str):
        # Scrubbed before it is cut: half an address is still somebody's.
        return without_personal(clean(value[: 2 * _TEXT]), known=known)[:_TEXT]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        # jsonb refuses NaN and infinities; a number of a million digits is no detail.
        return value if abs(value) < 1e18 else "a large number"
    if depth == 0:
        return "..."
    if isinstance(value, list):
        return [_reduce(entry, known, under, depth - 1) for entry in value[:20]]
    if isinstance(value, dict):
        return {
            without_personal(clean(str(key)[:_KEY]), known=known): _reduce(
                entry, known, str(key)[:_KEY], depth - 1
            )
            for key, entry in sorted(value.items(), key=itemgetter(0))[:40]
            if not is_personal(clean(str(key)[:_KEY]), clean(under))
        }
    return None
