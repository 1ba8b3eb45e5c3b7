"""What a minute is judged with beside counts: changes, fixes, what is probed and registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collector.detect.cause_event import Change, Source
from collector.detect.gates import Facts
from collector.detect.rotations import open_until
from collector.detect.served import Rotation, RotationState
from collector.detect.spike_state import Known
from collector.model import Certificate
from collector.pins.model import ShippedPinSet
from collector.store import incidents, ours, served
from collector.store.connect import Connection
from collector.store.minutes import UNTRUSTED
from collector.watch.watched import INTERCEPTION, SELF, UNKNOWN

_DAY = timedelta(days=1)
_PROBED = timedelta(minutes=30)  # that a probe's word holds


@dataclass(frozen=True, slots=True)
class World:
    """Read once a look, for all hosts. ``probed``: hosts whose chain a probe saw lately, with it."""

    turns: Mapping[str, list[Rotation]] = field(default_factory=dict)
    probed: Mapping[str, list[tuple[Certificate, ...]]] = field(default_factory=dict)
    shipped: Mapping[int, list[ShippedPinSet]] = field(default_factory=dict)
    successes: Mapping[tuple[int, str], int] = field(default_factory=dict)
    mixed: Mapping[int, datetime] = field(default_factory=dict)  # by rotation

    def changes(self, project: int, host: str) -> tuple[Change, ...]:
        found = []
        for turn in self.turns.get(host, []):
            if turn.project not in (None, project) or turn.state is RotationState.ENDED:
                continue
            source = (
                Source.PROBED if turn.probed_at
                else Source.DECLARED if turn.declared_at else Source.OBSERVED
            )  # fmt: skip
            mixed = self.mixed.get(turn.id or 0)
            found.append(
                Change(
                    at=minute(turn.at), source=source, confirmed=source is not Source.OBSERVED,
                    mixed_until=None if mixed is None else minute(mixed),
                )
            )  # fmt: skip
        return tuple(found)

    def registered(self, project: int, host: str) -> list[ShippedPinSet]:
        return [one for one in self.shipped.get(project, []) if one.covers_host(host)]

    def known(self, project: int, host: str, opened: int | None, now: datetime) -> Known:
        """opened: when the open spike began. The fix is a change of the keys after that."""
        changes = self.changes(project, host)
        fix = None
        if opened is not None:
            later = [c.at for c in changes if c.at > opened and c.source is not Source.OBSERVED]
            fix = max((at for at in later if at <= minute(now)), default=None)
        return Known(changes=changes, fix=fix, successes_60=self.successes.get((project, host)))

    def facts(self, project: int, host: str, tells_chains: bool) -> dict[str, Facts]:
        """Of each stream. tells_chains: clients of the host report which chain they saw."""
        probed, registry = host in self.probed, bool(self.registered(project, host))
        own = Facts(chains=True, probed=probed, registry=registry)
        beside = Facts(pages=False, probed=probed, registry=registry)
        unknown = (
            beside if tells_chains
            else Facts(chains=False, probed=probed, registry=registry)
        )  # fmt: skip
        return {SELF: own, INTERCEPTION: beside, UNKNOWN: unknown, UNTRUSTED: beside}


async def world(connection: Connection, hosts: Collection[str], now: datetime) -> World:
    """hosts: those that may be judged."""
    told = await ours.read(connection, now)
    turns: dict[str, list[Rotation]] = {}
    for turn in told.rotations:
        if turn.host in hosts and turn.at > now - 2 * _DAY:
            turns.setdefault(turn.host, []).append(turn)
    mixed = {
        turn.id: until
        for host, some in turns.items()
        for turn in some
        if turn.id is not None
        and (until := open_until(turn, [c for c in told.served if c.host == host])) is not None
    }
    probed: dict[str, list[tuple[Certificate, ...]]] = {}
    for host, _, chain in await served.served_now(connection, now - _PROBED):
        probed.setdefault(host, []).append(chain)
    shipped: dict[int, list[ShippedPinSet]] = {}
    for project, one in told.shipped:
        shipped.setdefault(project, []).append(one)
    successes = await incidents.successes(connection, now - timedelta(hours=1), now)
    return World(turns, probed, shipped, successes, mixed)


def minute(at: datetime) -> int:
    """Since 1970."""
    return int(at.timestamp() // 60)
