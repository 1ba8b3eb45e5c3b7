"""When pins of the newest releases expire: what a calendar and a metric are about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from collector.pins.model import ShippedPinSet
from collector.pins.versions import Key, version_key


def next_expiry(sets: Iterable[ShippedPinSet]) -> dict[str, datetime]:
    """By host the earliest day on which a newest release of some app and platform stops to pin it.

    Older releases are left out: their sets expire one after the other, and nobody can change that.
    """
    newest: dict[tuple[object, ...], tuple[tuple[bool, Key], list[ShippedPinSet]]] = {}
    for one in sets:
        last = one.version_to
        rank = (last is None, version_key(last or one.version_from or ""))
        key = one.host, one.app, one.platform
        known = newest.get(key)
        if known is None or rank > known[0]:
            newest[key] = (rank, [one])
        elif rank == known[0]:
            known[1].append(one)
    found: dict[str, datetime] = {}
    for _, alike in newest.values():
        for one in alike:
            if one.expires is not None and one.pins:
                found[one.host] = min(one.expires, found.get(one.host, one.expires))
    return found
