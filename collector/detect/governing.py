"""Which registered pin set a version of an app holds.

That is the most specific one that covers it: one that names its app before one that does not; then its
platform; then the one of the nearest host, as clients choose; then a range of versions before any version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from collector.detect.adoption import platform_name
from collector.pins.covering import covering
from collector.pins.model import ShippedPinSet
from collector.pins.versions import Key, version_key

_key = lru_cache(maxsize=65_536)(version_key)  # of a registry most are asked for several times

Range = tuple[Key | None, Key | None]


@dataclass(slots=True)
class Shelf:
    """Numbers of sets of one app and platform: of one version, of a range, of any version."""

    exact: dict[Key, list[int]]
    ranges: list[tuple[Range, int]]
    open: list[int]


Shelves = Mapping[tuple[str | None, str | None], Shelf]


def fits(app: str | None, platform: str | None, of_app: str, of_platform: str) -> bool:
    return app in (None, of_app) and (platform is None or platform_name(platform) == of_platform)


def _range(s: ShippedPinSet) -> Range:
    first = _key(s.version_from) if s.version_from is not None else None
    return first, _key(s.version_to) if s.version_to is not None else None


def _place(s: ShippedPinSet) -> tuple[str | None, str | None]:
    return s.app, platform_name(s.platform) if s.platform is not None else None


def holding(sets: Sequence[ShippedPinSet], host: str) -> list[ShippedPinSet]:
    """What clients go by for a host: see ``pins.covering``; without those that no version can hold, since
    a nearer one is for all versions of the same app, platform and format. A host that is taken out of its
    domain's pins stays, as a set without pins."""
    empty = [s for s in sets if not s.pins and s.covers_host(host)]
    found = [*covering(sets, host), *empty]
    nearest: dict[tuple[object, ...], tuple[int, bool]] = {}
    for s in found:
        if _range(s) == (None, None):
            place = *_place(s), s.format
            nearest[place] = max(_depth(s), nearest.get(place, (0, False)))
    return [s for s in found if _depth(s) >= nearest.get((*_place(s), s.format), (0, False))]


def _depth(s: ShippedPinSet) -> tuple[int, bool]:
    """Labels, and of the same host the set that names it alone before the one with all below it."""
    return s.host.count("."), not s.include_subdomains


def shelved(sets: Sequence[ShippedPinSet]) -> Shelves:
    """Numbers of sets, by app and platform."""
    shelves: dict[tuple[str | None, str | None], Shelf] = {}
    for number, s in enumerate(sets):
        shelf = shelves.setdefault(_place(s), Shelf(defaultdict(list), [], []))
        first, last = _range(s)
        if first is None and last is None:
            shelf.open.append(number)
        elif first is not None and first == last:
            shelf.exact[first].append(number)
        else:
            shelf.ranges.append(((first, last), number))
    return shelves


def governing(
    sets: Sequence[ShippedPinSet], shelves: Shelves, app: str, platform: str, version: str
) -> list[int]:
    """Numbers of the sets that a version may hold; '' is a version that was not told."""
    key = _key(version)
    for place in ((app, platform), (app, None), (None, platform), (None, None)):
        shelf = shelves.get(place)
        if shelf is None:
            continue
        bounded: list[int] = []
        if version:
            bounded = [*shelf.exact.get(key, ())]
            for (first, last), number in shelf.ranges:
                if (first is None or first <= key) and (last is None or key <= last):
                    bounded.append(number)
        found = _nearest(sets, bounded, shelf.open)
        if found:
            return found
    return []


def _nearest(
    sets: Sequence[ShippedPinSet], bounded: Sequence[int], unbounded: Sequence[int]
) -> list[int]:
    """Of each format those of the nearest host; of these, those of a range, else those of any version."""
    found: list[int] = []
    for format_ in {sets[number].format for number in (*bounded, *unbounded)}:
        ranged = [n for n in bounded if sets[n].format == format_]
        others = [n for n in unbounded if sets[n].format == format_]
        nearest = max(_depth(sets[n]) for n in (*ranged, *others))
        found += [n for n in ranged if _depth(sets[n]) == nearest] or [
            n for n in others if _depth(sets[n]) == nearest
        ]
    return sorted(found)
