"""What a minute is judged with beside counts: changes, fixes, what is probed and registered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from collector.detect.cause_event import Change, Source
from collector.detect.changes import leaves
from collector.detect.fixes import Shown, fixed_at
from collector.detect.gates import Facts
from collector.detect.rotations import open_until
from collector.detect.served import Rotation, RotationState, ServedChain
from collector.detect.spike_state import Known
from collector.model import Certificate
from collector.pins.accept import accepts
from collector.pins.model import ShippedPinSet
from collector.store import incidents, ours, pin_sets, served
from collector.store.connect import Connection
from collector.store.minutes import UNTRUSTED
from collector.watch.watched import INTERCEPTION, SELF, UNKNOWN

_DAY = timedelta(days=1)
_PROBED = timedelta(minutes=30)  # that a probe's word holds
_KEYS = timedelta(days=30)  # of rotations that an open spike may have followed


@dataclass(frozen=True, slots=True)
class World:
    """Read once a look, for all hosts. ``probed``: hosts whose chain a probe saw lately, with it.
    ``shipped``: by project and the name that a set is of; ``pushed``: those with new pins, with when.

    Of hosts with an open spike: ``keys``: their rotations of 30 days; ``shown``: what they serve now;
    ``last_seen``: when each leaf was.
    """

    turns: Mapping[str, list[Rotation]] = field(default_factory=dict)
    probed: Mapping[str, list[tuple[Certificate, ...]]] = field(default_factory=dict)
    shipped: Mapping[tuple[int, str], list[ShippedPinSet]] = field(default_factory=dict)
    pushed: Mapping[int, list[tuple[ShippedPinSet, datetime]]] = field(default_factory=dict)
    successes: Mapping[tuple[int, str], int] = field(default_factory=dict)
    mixed: Mapping[int, datetime] = field(default_factory=dict)  # by rotation
    keys: Mapping[str, list[Rotation]] = field(default_factory=dict)
    shown: Mapping[str, list[Shown]] = field(default_factory=dict)
    last_seen: Mapping[str, Mapping[bytes, datetime]] = field(default_factory=dict)

    def changes(self, project: int, host: str) -> tuple[Change, ...]:
        """Rotations, and new pins that were registered, unless what is served now is pinned by them. A new
        app version makes none, though clients may break after it: it is what reports say, so ten of them
        from five providers would open the window in which a few installs page."""
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
        found += [
            Change(at=minute(at), source=Source.PIN_PUSH)
            for one, at in self.pushed.get(project, ())
            if one.covers_host(host) and self._refuses(one, host, at)
        ]
        return tuple(found)

    def _refuses(self, one: ShippedPinSet, host: str, at: datetime) -> bool:
        """Whether clients with these pins may not connect; what nobody probes is not known."""
        chains = self.probed.get(host)
        return chains is None or any(accepts(one, c, at).accepted is False for c in chains)

    def registered(self, project: int, host: str) -> list[ShippedPinSet]:
        above = host.split(".")[1:]
        names = [host, "*." + ".".join(above), *(".".join(above[n:]) for n in range(len(above)))]
        sets = (one for name in names for one in self.shipped.get((project, name), ()))
        return [one for one in sets if one.covers_host(host)]

    def known(self, project: int, host: str, opened: int | None, now: datetime) -> Known:
        """opened: when the open spike began."""
        changes = self.changes(project, host)
        fix = None
        if opened is not None:
            turns = [turn for turn in self.keys.get(host, []) if turn.project in (None, project)]
            began = datetime.fromtimestamp(60 * opened, UTC)
            fix = fixed_at(
                turns, self.shown.get(host, []), self.last_seen.get(host, {}), began, now
            )
        return Known(
            changes=changes,
            fix=None if fix is None else minute(fix),
            successes_60=self.successes.get((project, host)),
        )

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


async def world(
    connection: Connection, hosts: Collection[str], spiking: Collection[str], now: datetime
) -> World:
    """hosts: those that may be judged. spiking: those with an open spike."""
    told = await ours.read(connection, now)
    turns: dict[str, list[Rotation]] = {}
    for turn in told.rotations:
        if turn.host in hosts and turn.at > now - 2 * _DAY:
            turns.setdefault(turn.host, []).append(turn)
    chains: dict[str, list[ServedChain]] = {host: [] for host in (*turns, *spiking)}
    for chain in told.served:
        if chain.host in chains:
            chains[chain.host].append(chain)
    mixed = {
        turn.id: open_until(turn, chains[host])
        for host, some in turns.items()
        for turn in some
        if turn.id is not None
    }
    probed: dict[str, list[tuple[Certificate, ...]]] = {}
    for host, _, certificates in await served.served_now(connection, now - _PROBED):
        probed.setdefault(host, []).append(certificates)
    shipped: dict[tuple[int, str], list[ShippedPinSet]] = {}
    for project, one in told.shipped:
        shipped.setdefault((project, one.host), []).append(one)
    pushed: dict[int, list[tuple[ShippedPinSet, datetime]]] = {}
    for project, one, at in await pin_sets.pushed(connection, now - 2 * _DAY):
        pushed.setdefault(project, []).append((one, at))
    successes = await incidents.successes(connection, now - timedelta(hours=1), now)
    keys: dict[str, list[Rotation]] = {host: [] for host in spiking}
    for turn in told.rotations:
        if turn.host in keys and turn.at > now - _KEYS:
            keys[turn.host].append(turn)
    shown: dict[str, list[Shown]] = {}
    for host, leaf in await served.shown(connection, spiking, now - _PROBED):
        shown.setdefault(host, []).append(leaf)
    last_seen = {
        host: {key: leaf.last_seen for key, leaf in leaves(chains[host]).items()}
        for host in spiking
    }
    return World(turns, probed, shipped, pushed, successes, mixed, keys, shown, last_seen)


def minute(at: datetime) -> int:
    """Since 1970."""
    return int(at.timestamp() // 60)
