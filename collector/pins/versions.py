"""Versions of apps: 8.24.1 is before 8.100, and 8.24.1-beta before 8.24.1."""

from __future__ import annotations

import re

_NUMBERS = re.compile(r"[0-9]+(?:[._][0-9]+)*")
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
_WORST = 100  # characters
Key = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]


def version_key(version: str) -> Key:
    """What versions are ordered by: (numbers, whether that is the release itself, what comes before it).

    Missing numbers are 0, so that 8.24 is 8.24.0; letters mark what comes before the release
    (Semantic Versioning 2.0.0, section 11); what follows a plus sign is no part of it.
    """
    told = version.strip()[:_WORST].removeprefix("v").partition("+")[0]
    match = _NUMBERS.match(told)
    numbers = [int(part) for part in re.split("[._]", match[0])] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    rest = _PARTS.findall(told[match.end() :] if match else told)
    before = tuple(
        (False, int(part), "") if part.isdecimal() else (True, 0, part.lower()) for part in rest
    )
    return tuple(numbers), not before, before


def is_between(version: str, first: str | None, last: str | None) -> bool:
    """Both ends are in the range; None is an open end."""
    key = version_key(version)
    return (first is None or version_key(first) <= key) and (
        last is None or key <= version_key(last)
    )
