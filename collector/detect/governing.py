"""Which registered pin set a version of an app holds.

That is the most specific one that covers it: one that names its app before one that does not; then its
platform; then the one of the longest host, as clients choose; then a range of versions before any version.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from collector.detect.adoption import platform_name
from collector.pins.model import ShippedPinSet
from collector.pins.versions import Key, version_key

_MERGING = "okhttp"
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
    first = version_key(s.version_from) if s.version_from is not None else None
    return first, version_key(s.version_to) if s.version_to is not None else None


def _place(s: ShippedPinSet) -> tuple[str | None, str | None]:
    return s.app, platform_name(s.platform) if s.platform is not None else None


def holding(sets: Sequence[ShippedPinSet]) -> list[ShippedPinSet]:
    """What clients go by for one host: sets that cover it, without those that no version can hold, since
    there is one of a longer host for the same app, platform, format and versions, or for all versions.

    OkHttp takes the pins of every pattern that fits together; the others take the nearest alone. An app
    may use two formats: then the sets of both hold.
    """
    groups: dict[tuple[tuple[str | None, str | None, str], Range], list[ShippedPinSet]] = (
        defaultdict(list)
    )
    for s in sets:
        groups[(*_place(s), s.format), _range(s)].append(s)
    found = []
    for (place, _), group in groups.items():
        longest = max(len(s.host) for s in group)
        if place[-1] == _MERGING:
            pins = tuple(sorted({pin for s in group for pin in s.pins}))
            nearest = next(s for s in group if len(s.host) == longest)
            found.append(replace(nearest, pins=pins))
            continue
        above = groups.get((place, (None, None)), ())
        longest = max(longest, *(len(s.host) for s in above)) if above else longest
        found += [s for s in group if len(s.host) == longest]
    return found


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
    key = version_key(version)
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
    """Of each format those of the longest host; of these, those of a range, else those of any version."""
    found: list[int] = []
    for format_ in {sets[number].format for number in (*bounded, *unbounded)}:
        ranged = [n for n in bounded if sets[n].format == format_]
        others = [n for n in unbounded if sets[n].format == format_]
        longest = max(len(sets[n].host) for n in (*ranged, *others))
        found += [n for n in ranged if len(sets[n].host) == longest] or [
            n for n in others if len(sets[n].host) == longest
        ]
    return sorted(found)
