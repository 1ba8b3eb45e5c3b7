"""Which sightings are newly affected installs. Pure: the same for a replay as for the first time."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from collector.detect.classes import Class
from collector.model import PRODUCTION, Kind

AGAIN = timedelta(hours=24)  # after it was counted an install is eligible again
WITHIN_CAP = 3  # installs of one network within that time


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """As it is stored, fields in the order that they are read. ``install`` stands for an address where
    ``estimated``; hashes are keyed."""

    id: int
    project: int
    host: str
    kind: str
    install: bytes
    estimated: bool
    leaf: str | None
    signature: bytes
    network: bytes
    operator_network: bytes
    received_at: datetime
    environment: str
    app: str
    app_version: str
    platform: str
    pin_set: bytes | None
    chain: bytes | None
    silenced: bool = False  # came from a silenced network
    failed_at: datetime | None = None  # by the client's clock, where that can be believed
    class_: str | None = None  # as it is stored: until it is counted, that of those like it

    @property
    def counts(self) -> bool:
        """Whether it may count: in production, where a pin failed, and from no silenced network. An
        install that was only seen there counts as soon as it is seen elsewhere, or the silence ended."""
        return (
            self.environment == PRODUCTION and self.kind == Kind.PIN_MISMATCH and not self.silenced
        )


Place = tuple[int, str, Class]  # project, host, class
EachCounts = Callable[[Sighting], bool]  # whether its network was declared as the egress of many


@dataclass(slots=True)
class Before:
    """What is counted already, around the sightings in question. ``installs``: times with the ids of
    their rows; ``networks``: times of those within the cap."""

    installs: dict[tuple[Place, bytes], list[tuple[datetime, int]]] = field(default_factory=dict)
    networks: dict[tuple[Place, bytes], list[datetime]] = field(default_factory=dict)

    def add(
        self,
        place: Place,
        install: bytes,
        network: bytes,
        at: datetime,
        row: int,
        *,
        within_cap: bool,
    ) -> None:
        insort(self.installs.setdefault((place, install), []), (at, row))
        if within_cap:
            insort(self.networks.setdefault((place, network), []), at)


@dataclass(frozen=True, slots=True)
class Counted:
    """One newly affected install, at the time of its sighting's receipt."""

    sighting: Sighting
    class_: Class
    within_cap: bool


@dataclass(frozen=True, slots=True)
class Count:
    """``moved``: rows of installs that turn out to have been affected earlier, which count there now."""

    counted: tuple[Counted, ...]
    moved: tuple[int, ...]


def count(
    classed: Iterable[tuple[Sighting, Class]], before: Before, each: EachCounts | None = None
) -> Count:
    """``before`` is added to. What was replayed late counts at its own minute: where the same install
    was counted within 24 h after it, that count moves there."""
    counted, moved = [], []
    for sighting, class_ in sorted(classed, key=lambda one: (one[0].received_at, one[0].id)):
        if not sighting.counts:
            continue
        place, at = (sighting.project, sighting.host, class_), sighting.received_at
        known = before.installs.get((place, sighting.install), [])
        if is_counted(known, at):
            continue
        later = next(((then, row) for then, row in known if timedelta(0) < then - at < AGAIN), None)
        if later is not None:
            known.remove(later)
            moved.append(later[1])
            near = before.networks.get((place, sighting.network), [])
            if later[0] in near:
                near.remove(later[0])
        within = _has_room(before, place, sighting) or (each is not None and each(sighting))
        before.add(place, sighting.install, sighting.network, at, 0, within_cap=within)
        counted.append(Counted(sighting, class_, within))
    return Count(tuple(counted), tuple(row for row in moved if row))


def is_counted(known: Iterable[tuple[datetime, int]], at: datetime) -> bool:
    return any(timedelta(0) <= at - then < AGAIN for then, _ in known)


def capping(classed: Iterable[tuple[Sighting, Class]], before: Before) -> set[bytes]:
    """Networks whose caps ``count`` will ask for, by the installs of ``before``: of what counts already it
    asks for none. An install of which one sighting may count is asked for whole, as that may move the others."""
    told = [((one.project, one.host, class_), one) for one, class_ in classed if one.counts]
    may = {
        (place, one.install)
        for place, one in told
        if not is_counted(before.installs.get((place, one.install), ()), one.received_at)
    }
    return {one.network for place, one in told if (place, one.install) in may}


def _has_room(before: Before, place: Place, sighting: Sighting) -> bool:
    near = before.networks.get((place, sighting.network), ())
    return sum(1 for at in near if abs(at - sighting.received_at) < AGAIN) < WITHIN_CAP
