"""The round that counts: waiting sightings are classed, and newly affected installs written down.

Read what we know of our own keys; where a leaf became ours, count its sightings of the last 24 h as
ours; then take waiting sightings, some at a time, until none is left or time is up. Each step is one
transaction under one lock: a crash repeats it whole, and of several processes one counts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import asyncpg

from collector.detect.cases import MANY_INSTALLS, MANY_NETWORKS
from collector.detect.classes import Class, Look, Reported, class_of, covering, differs, look
from collector.detect.counted import Remembered
from collector.detect.counting import AGAIN, Before, EachCounts, Sighting, count
from collector.detect.knowledge import Knowledge, knowledge
from collector.detect.paths import Roots
from collector.detect.usual import Usual
from collector.metrics import Metrics
from collector.model import Hash, Kind
from collector.pins.model import ShippedPinSet
from collector.store import counting, ours, reported, usual
from collector.store.connect import Connection
from collector.store.ours import Ours

_BATCH = 500  # sightings of one transaction: its steps hold up requests, if only for a moment
# After each, requests have the processors to themselves twice as long, as long as what waits is new;
# from so many seconds of age on nothing is waited for.
_REST, _OLD = 2.0, 10.0
_PAGE = 20_000  # sightings of leaves that became ours, of one search
_NETWORKS = timedelta(days=8)  # that hashes of networks are kept, as everywhere
_INSTALLS = timedelta(days=30)  # that counts are, for what is usual at which hour
_SELDOM = timedelta(hours=1)
_LOOKS = 2048  # chains that are remembered: some kilobytes each
Label = Callable[[int, str], tuple[str, str]]  # project and host as metrics name them
Counts = Counter[tuple[int, str, Class]]


_parsed = lru_cache(maxsize=_LOOKS)(Hash.parse)


@dataclass(slots=True)
class Counting:
    """each: sightings whose network was declared as the egress of many, exempt from its cap."""

    pool: asyncpg.Pool
    metrics: Metrics
    clock: Callable[[], datetime]
    label: Label
    roots: Roots
    each: EachCounts | None = None
    _usual: Usual = field(default_factory=Usual)
    _remembered: Remembered = field(default_factory=Remembered)
    _ours: Ours | None = None
    _known: dict[int, Knowledge] = field(default_factory=dict)
    _settled: set[str] = field(
        default_factory=set
    )  # leaves whose earlier sightings are counted as ours
    _turning: frozenset[str] = frozenset()  # those whose are being counted, up to ``_after``
    _after: tuple[datetime, int] = (datetime(1970, 1, 1, tzinfo=UTC), 0)
    _forgot: datetime | None = None
    _chains: dict[bytes, Reported] = field(default_factory=dict)
    _looks: dict[tuple[int, bytes], Look] = field(default_factory=dict)

    async def tick(self, seconds: float = 20.0) -> None:
        """A round: until nothing waits, or for about so long."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        await self._learn()
        await self._became_ours(seconds / 2)
        while loop.time() < until:
            began = loop.time()
            age = await self._some()
            if age is None:
                break
            await asyncio.sleep(_REST * (loop.time() - began) * max(0.0, 1 - age / _OLD))
        await self._forget()

    async def _forget(self) -> None:
        """Once an hour, some of what is old."""
        now = self.clock()
        if self._forgot is not None and now - self._forgot < _SELDOM:
            return
        async with self.pool.acquire() as connection:
            more = await counting.forget_before(connection, now - _NETWORKS, now - _INSTALLS, _PAGE)
        self._forgot = None if more else now

    async def _learn(self) -> None:
        async with self.pool.acquire() as connection:
            told = await ours.read(connection, self.clock())
        if told != self._ours:
            self._ours = told
            self._known.clear()
            self._looks.clear()

    def known(self, project: int) -> Knowledge:
        """What is ours in a project."""
        assert self._ours is not None
        if project not in self._known:
            told = self._ours
            self._known[project] = knowledge(
                told.served,
                [r for r in told.rotations if r.project in (None, project)],
                [key for owner, key in told.registered if owner in (None, project)],
            )
        return self._known[project]

    async def _some(self) -> float | None:
        """Count some of those that wait: how old the first of them is, in seconds; None: no more are there."""
        async with self.pool.acquire() as connection, connection.transaction():
            if not await counting.hold(connection):
                return None
            taken = await counting.waiting(connection, _BATCH)
            classes = await self._classes(connection, taken)
            others = {one.id: classes[one.id] for one in taken if one.class_ != classes[one.id]}
            await counting.classed(connection, others)
            became = self._usual.learn(
                [(one, classes[one.id]) for one in taken], self.clock().date()
            )
            await usual.tell(connection, became, self.clock())
            counts, before = await self._count(
                connection, [(one, classes[one.id]) for one in taken]
            )
        self._remembered.learn(before)
        self._tell(counts)
        if len(taken) < _BATCH:
            return None
        return max(0.0, (self.clock() - taken[0].received_at).total_seconds())

    async def _count(
        self, connection: Connection, classed: Sequence[tuple[Sighting, Class]]
    ) -> tuple[Counts, Before]:
        """How many count now, and all that does around them."""
        self._remembered.until(await counting.newest_taken_back(connection))
        may = self._remembered.may_count(classed)
        before = await counting.before(connection, may)
        told = await asyncio.to_thread(count, may, before, self.each)
        await counting.add(connection, told.counted, told.moved)
        counts: Counts = Counter()
        for one in told.counted:
            if one.within_cap:
                counts[one.sighting.project, one.sighting.host, one.class_] += 1
        return counts, before

    def _tell(self, counts: Counts) -> None:
        for (project, host, class_), number in counts.items():
            self.metrics.new_installs.labels(*self.label(project, host), class_.value).inc(number)

    async def _became_ours(self, seconds: float) -> None:
        """Sightings of the last 24 h of leaves that became ours, at their own minutes. Those that were
        done in an earlier life of this process are found to be ours already."""
        assert self._ours is not None
        projects = {owner for owner, _ in self._ours.registered if owner is not None}
        leaves = {
            str(leaf)
            for project in (0, *projects, *(r.project or 0 for r in self._ours.rotations))
            for leaf in self.known(project).leaves
        }
        new = frozenset(leaves - self._settled)
        if not new:
            return
        if new != self._turning:
            self._turning, self._after = new, (self.clock() - AGAIN, 0)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while loop.time() < until:
            async with self.pool.acquire() as connection:
                found = await counting.others(connection, self._after, new, _PAGE)
            for start in range(0, len(found), _BATCH):
                some = found[start : start + _BATCH]
                if loop.time() > until or not await self._recount([id_ for _, id_ in some]):
                    return  # the next round goes on; or somebody else counts, and does this too
                self._after = some[-1]
            if len(found) < _PAGE:
                self._settled |= new
                return

    async def _recount(self, ids: Sequence[int]) -> bool:
        async with self.pool.acquire() as connection, connection.transaction():
            if not await counting.hold(connection):
                return False
            told = await counting.again(connection, ids)
            classes = await self._classes(connection, [one for one, _ in told])
            mine = [(one, was) for one, was in told if classes[one.id] is Class.SELF]
            await counting.classed(connection, {one.id: Class.SELF for one, _ in mine})
            await counting.withdraw(connection, mine)
            counts, _ = await self._count(connection, [(one, Class.SELF) for one, _ in mine])
            await counting.judge_again(connection, {one.signature for one, _ in mine})
        self._tell(counts)
        return True

    async def _classes(
        self, connection: Connection, sightings: Sequence[Sighting]
    ) -> dict[int, Class]:
        wanted = {one.chain for one in sightings if one.chain is not None} - set(self._chains)
        if len(self._chains) + len(wanted) > _LOOKS:
            self._chains.clear()
            self._looks.clear()
            wanted = {one.chain for one in sightings if one.chain is not None}
        self._chains |= await reported.chains(connection, wanted)
        # New signatures cost milliseconds each, which requests shall not wait for.
        classes = await asyncio.to_thread(self._class_all, sightings)
        return await self._demoted(connection, sightings, classes)

    def _class_all(self, sightings: Sequence[Sighting]) -> dict[int, Class]:
        classes = {}
        for one in sightings:
            seen = self._look(one.project, one.chain)
            leaf = None if one.leaf is None else _parsed(one.leaf)
            known = self.known(one.project)
            classes[one.id] = class_of(seen, Kind(one.kind), one.host, one.received_at, known, leaf)
        return classes

    def _look(self, project: int, chain: bytes | None) -> Look | None:
        told = None if chain is None else self._chains.get(chain)
        if chain is None or told is None:
            return None
        found = self._looks.get((project, chain))
        if found is None:
            found = self._looks[project, chain] = look(told, self.known(project), self.roots)
        return found

    async def _demoted(
        self, connection: Connection, sightings: Sequence[Sighting], classes: Mapping[int, Class]
    ) -> dict[int, Class]:
        """What names a release that is known to ship other pins is unknown, unless many agree."""
        told = dict(classes)
        doubtful = [
            one for one in sightings
            if told[one.id] is Class.SELF and one.counts and one.pin_set and self._shipped(one)
        ]  # fmt: skip
        pins = await reported.pin_sets(connection, {one.pin_set for one in doubtful if one.pin_set})
        doubtful = [
            one for one in doubtful if differs(pins.get(one.pin_set or b"", ()), self._shipped(one))
        ]
        for project, host in sorted({(one.project, one.host) for one in doubtful}):
            some = [one for one in doubtful if (one.project, one.host) == (project, host)]
            since = max(one.received_at for one in some) - AGAIN
            held = {one.pin_set for one in some if one.pin_set}
            many = {
                (row["app"], row["app_version"], row["pin_set"])
                for row in await ours.agreed(connection, project, host, since, sorted(held))
                if row["installs"] >= MANY_INSTALLS and row["networks"] >= MANY_NETWORKS
            }
            for one in some:
                if (one.app, one.app_version, one.pin_set) not in many:
                    told[one.id] = Class.UNKNOWN
        return told

    def _shipped(self, one: Sighting) -> list[ShippedPinSet]:
        assert self._ours is not None
        here = [
            s for owner, s in self._ours.shipped if owner == one.project and s.covers_host(one.host)
        ]
        return covering(here, one.app, one.app_version, one.platform)
