"""Which of several pin sets a client goes by for a host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from collector.pins.model import ShippedPinSet

MERGING = "okhttp"  # the format whose clients take the pins of every pattern that fits together


def covering(sets: Sequence[ShippedPinSet], host: str) -> list[ShippedPinSet]:
    """What each release pins for this very host.

    TrustKit, Android and iOS go by the most specific domain alone; OkHttp takes all patterns that fit
    as one set. Sets of two formats stand side by side: an app may use both, and a chain has to satisfy
    each. A host that is taken out of its parent's pins is pinned by none.
    """
    groups: dict[tuple[object, ...], list[ShippedPinSet]] = {}
    for one in sets:
        if one.covers_host(host):
            key = one.app, one.platform, one.version_from, one.version_to, one.format
            groups.setdefault(key, []).append(one)
    found: list[ShippedPinSet] = []
    for group in groups.values():
        if group[0].format == MERGING:
            found.append(_merged(group))
            continue
        nearest = max(_depth(one) for one in group)
        found += [one for one in group if _depth(one) == nearest and one.pins]
    return found


def _depth(one: ShippedPinSet) -> tuple[int, bool]:
    """Labels, and of the same host the set that names it alone before the one with all below it."""
    return one.host.count("."), not one.include_subdomains


def _merged(group: Sequence[ShippedPinSet]) -> ShippedPinSet:
    nearest = max(group, key=_depth)
    pins = sorted({pin for one in group for pin in one.pins})
    return replace(nearest, pins=tuple(pins))
