"""The watcher: of all replicas one looks at every host, each minute, and writes down what it finds.

A look: take in what people did about alerts; read counts and what is known of hosts; judge each host that
has something to judge; bring its alerts up to what was found; then store alerts, deliveries and memory in
one transaction, which carries the epoch of the lease. So a crash repeats a look and never skips one, and who
slept through the end of its lease changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog
from msgspec.structs import replace

from collector.detect import standing
from collector.detect.baseline import HOURS
from collector.detect.exposure import Gap
from collector.detect.finding import NOTHING, Finding
from collector.detect.kinds import AlertKind, Severity
from collector.lifecycle import Stage
from collector.metrics import Metrics
from collector.store import (
    alert_orders,
    deliveries,
    detector_states,
    incidents,
    lease,
    minutes,
    silences,
)
from collector.store.connect import STORE_DOWN, Connection
from collector.store.lease import StaleEpochError
from collector.watch import rules
from collector.watch.knowing import World, minute, world
from collector.watch.muting import Muting, muting
from collector.watch.recovering import Recovering
from collector.watch.rules import Found
from collector.watch.settling import Settling, remembered
from collector.watch.telling import Around, Place, around
from collector.watch.watched import SELF, Counts, Grouped, Watched, grouped, kept_of

log = structlog.get_logger()

_BACK = timedelta(hours=26)  # of which minutes are read
_LATE = timedelta(hours=3)  # of which those are looked for who failed before a fix
_SAVE = 10  # minutes between two states of a host where nothing happens
_DAY = timedelta(hours=24)  # within which an install counts once
_GAP = timedelta(minutes=_SAVE + 2)  # from which on it is known that nobody looked
# A look that takes longer than so many seconds, as in a storm of millions, is followed by one before the minute
# is over only after so many times that.
_LONG, _REST = 2.0, 3.0
_SOME = 100  # hosts that are judged before others get their turn


@dataclass(slots=True)
class Watcher:
    """``one_address``: what the listener warns of, if it does. ``judge``: works out the cause of a
    signature at once."""

    pool: asyncpg.Pool
    metrics: Metrics
    clock: Callable[[], datetime]
    settling: Settling
    one_address: Callable[[], str | None] = lambda: None
    judge: Callable[[bytes], Awaitable[None]] | None = None
    _epoch: int | None = None
    _hosts: dict[tuple[int, str], Watched] = field(default_factory=dict)
    _mark: tuple[int, minutes.Mark] | None = None
    _counts: Grouped = field(default_factory=dict)  # up to the mark
    _failing: set[tuple[int, str]] = field(default_factory=set)  # hosts that could not be judged
    _seen: dict[tuple[int, str], int] = field(
        default_factory=dict
    )  # installs of each host, as last judged
    _rests: float = 0.0  # until then of the loop's clock
    _shed: tuple[datetime, dict[int, int]] | None = None
    _muting: Muting = field(default_factory=Muting)
    _recovering: Recovering = field(default_factory=Recovering)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _began: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    async def look(self, epoch: int) -> bool:
        """By the holder of the lease, every few seconds. Whether hosts were judged: each minute, and
        as soon as something new was counted. One at a time: who comes while it runs waits for it.

        Raises StaleEpochError, and what asyncpg raises; then the next look begins anew.
        """
        async with self._looking:
            return await self._look(epoch)

    async def _look(self, epoch: int) -> bool:
        now = self.clock()
        try:
            if epoch != self._epoch:
                await self._begin(now)
                self._epoch = epoch
            await self._take_orders(epoch, now)
            async with self.pool.acquire() as connection:
                mark = (minute(now), await minutes.newest(connection))
            is_minute = self._mark is None or self._mark[0] != mark[0]
            loop = asyncio.get_running_loop()
            began = loop.time()
            if mark == self._mark or (not is_minute and began < self._rests):
                return False
            await self._judge_all(epoch, now, mark[1], is_minute=is_minute)
            self._mark = mark
            took = loop.time() - began
            self._rests = began + (1 + _REST) * took if took > _LONG else 0.0
        except BaseException:
            self._epoch, self._mark = None, None  # what is in memory may be ahead of what is stored
            raise
        return True

    async def _begin(self, now: datetime) -> None:
        """Remember what was stored, and learn what is usual from counts."""
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        async with self.pool.acquire() as connection:
            rows = await minutes.hosts(connection)
            remembered = {(r.project, r.host): r for r in await detector_states.load(connection)}
            counted = await minutes.by_hour(connection, now - timedelta(hours=HOURS), this_hour)
            gap = await self._gap(connection, remembered.values())
        hours: dict[tuple[int, str], dict[str, dict[int, int]]] = {}
        for row in counted:
            place = hours.setdefault((row["project"], row["host"]), {})
            stream = place.setdefault(row["class"], {})
            stream[row["hour"]] = stream.get(row["hour"], 0) + row["installs"]
        self._hosts = {}
        for n, row in enumerate(rows):
            key = row["project"], row["host"]
            told = remembered.get(key)
            watched = Watched(
                *key[:1], row["project_name"], key[1], kept_of(told.state if told else None)
            )
            first = int(row["admitted_at"].timestamp() // 3600)
            if key in hours:
                first = min(first, *(min(stream) for stream in hours[key].values() if stream))
            watched.first_hour, watched.hours = first, hours.get(key, {})
            if gap is not None:
                watched.missed(gap)
            self._hosts[key] = watched
            if n % _SOME == 0:
                await asyncio.sleep(0)
        log.info("watcher.began", hosts=len(self._hosts))

    async def _gap(
        self, connection: Connection, remembered: Collection[detector_states.Remembered]
    ) -> Gap | None:
        """In which nobody looked, before this process began, and nothing was stored."""
        looked = max((one.evaluated_up_to for one in remembered), default=None)
        if looked is None or self._began - looked < _GAP:
            return None
        begun = await deliveries.newest_batch(connection, looked, self._began) or looked
        return (minute(begun) + 1, minute(self._began)) if self._began - begun >= _GAP else None

    async def _keep_hosts(self, connection: Connection) -> None:
        """Watch those that were admitted since; forget those that were released."""
        rows = {(row["project"], row["host"]): row for row in await minutes.hosts(connection)}
        for key in [key for key in self._hosts if key not in rows]:
            if not any(
                s.stage is not Stage.RESOLVED for _, s in self._hosts[key].kept.alerts.values()
            ):
                del self._hosts[key]
        for key, row in rows.items():
            if key not in self._hosts:
                watched = Watched(key[0], row["project_name"], key[1], kept_of(None))
                watched.first_hour = int(row["admitted_at"].timestamp() // 3600)
                self._hosts[key] = watched

    async def _count(
        self, connection: Connection, now: datetime, upto: minutes.Mark, *, is_minute: bool
    ) -> Grouped:
        """All that counts, read each minute; in between what came to it, unless something was taken back."""
        since, until = now - _BACK, now + timedelta(minutes=1)
        before = None if self._mark is None else self._mark[1]
        if is_minute or before is None or before.taken_back != upto.taken_back:
            self._counts = {}  # not two of them at once
            self._counts = grouped(await minutes.by_minute(connection, since, until, upto))
        else:
            grouped(await minutes.added(connection, since, until, before, upto), self._counts)
        return self._counts

    async def _judge_all(
        self, epoch: int, now: datetime, upto: minutes.Mark, *, is_minute: bool
    ) -> None:
        """Each minute all hosts; in between those of which something was counted, for what opens or becomes
        graver: that it grows is no news that cannot wait, and costs a lot in a storm."""
        async with self.pool.acquire() as connection:
            await self._keep_hosts(connection)
            counts = await self._count(connection, now, upto, is_minute=is_minute)
            spiking = {watched.host for watched in self._hosts.values() if watched.is_open()}
            known = await world(connection, {host for _, host in self._hosts}, spiking, now)
            suspected = await incidents.judged_by(
                connection, now - timedelta(days=1), rules.SUSPECT
            )
            muted = await silences.active(connection, now)
            self._muting = await muting(connection, muted, now - _BACK, now + timedelta(minutes=1))
            lost = await self._lost(connection, now)
        # The first host of each project, the first of all at the beginning.
        firsts = list({key[0]: key for key in sorted(self._hosts, reverse=True)}.values())[::-1]
        due: list[Watched] = []
        for n, watched in enumerate(list(self._hosts.values())):
            if n % _SOME == _SOME - 1:
                await asyncio.sleep(0)
            told = counts.get(watched.place, {})
            seen = sum(sum(o.values()) for minutes_ in told.values() for o in minutes_.values())
            if not is_minute and self._seen.get(watched.place, 0) == seen:
                continue
            self._seen[watched.place] = seen
            try:
                looked = await self._judge(
                    watched, told, known, suspected, now, wants_news=not is_minute
                )
                if looked is None:
                    self._failing.discard(watched.place)
                    continue
                found, judged = looked
                found += self._collector(watched, firsts, lost, now)
                changed = await self.settling.settle(watched, found, muted, epoch, now)
            except (*STORE_DOWN, StaleEpochError):
                raise
            except Exception as error:  # noqa: BLE001 (what one host's reports did is no other's harm)
                await self._failed(watched, error)
                continue
            self._failing.discard(watched.place)
            stale = minute(now) - watched.saved_at >= _SAVE
            if judged and not changed and (stale or watched.is_open()):
                due.append(watched)
        await self._save(due, epoch, now)
        self._tell()

    async def _judge(
        self, watched: Watched, counts: Counts, known: World,
        suspected: set[tuple[int, str]], now: datetime, *, wants_news: bool,
    ) -> tuple[list[Found], bool] | None:  # fmt: skip
        """What all rules find at a host; whether its counts were judged. None: see ``_spikes``."""
        place = Place(watched.project, watched.project_name, watched.host)
        found = rules.standing_rules(place, known, now)
        if watched.place in suspected or _fires(watched, rules.SUSPECT_KINDS):
            async with self.pool.acquire() as connection:
                silenced, ends = (
                    self._muting.signatures(watched.place), self._muting.ends(watched.place),
                )  # fmt: skip
                some = await rules.suspects(connection, place, known, now, silenced, ends)
            is_new = any(one.finding.severity and not _fires(watched, (one.kind,)) for one in some)
            wants_news = wants_news and not is_new
            found += some
        judged = bool(counts or watched.hours or watched.memories or watched.kept.spikes)
        if judged:
            spikes = await self._spikes(watched, place, counts, known, now, wants_news=wants_news)
            if spikes is None:
                return None
            found += spikes
        return found, judged

    async def _spikes(
        self, watched: Watched, place: Place, counts: Counts, known: World, now: datetime,
        *, wants_news: bool,
    ) -> list[Found] | None:  # fmt: skip
        """What is found of counts; None: nothing else than before, where only that is of interest."""
        if not watched.memories:
            watched.learn(watched.hours, watched.first_hour, minute(now))
        own = watched.own(counts)
        facts = known.facts(watched.project, watched.host, own == SELF)
        state = watched.kept.spikes[own]
        before = {stream: one.severity for stream, one in watched.kept.spikes.items()}
        opened = state.incident.opened if state.incident else None
        with_it = replace(
            known.known(watched.project, watched.host, opened, now),
            gaps=watched.kept.gaps, lead=watched.lead,
        )  # fmt: skip
        if opened is not None:
            async with self.pool.acquire() as connection:
                with_it = await self._recovering.known(
                    connection, watched.place, own, state, with_it, minute(now)
                )
        late = await self._late(watched, own, with_it.fix, now)
        verdicts = watched.look(counts, facts, minute(now), with_it, late)
        if wants_news and all(v.severity is before[stream] for stream, v in verdicts.items()):
            return None
        found = [
            rules.beside(stream, verdict)
            for stream, verdict in verdicts.items()
            if stream not in (SELF, own)
        ]
        loud, without = frozenset[str](), self._muting.signatures(watched.place)
        if without:
            changes = replace(
                known.known(watched.project, watched.host, None, now), gaps=watched.kept.gaps
            )
            loud = self._muting.loud(watched, counts, facts, changes, now)
        verdict = verdicts[own]
        told, counted = Around(), 0
        state = watched.kept.spikes[own]
        if verdict.severity is not None:
            since = datetime.fromtimestamp(
                60 * min(state.incident.opened - 30 if state.incident else minute(now),
                         verdict.tau or 10**9), UTC)  # fmt: skip
            others = without if own in loud else ()
            told = await self._told(
                watched, place, own, max(since, now - timedelta(days=7)), now, others
            )
            if told.crowd.is_part and not others:
                counted = max(
                    _counted(counts.get(own, {}), max(since, now - _DAY)), _reach(watched)
                )
        spike = rules.own_spike(watched, verdict, told, counted, known, now, chains=own == SELF)
        watched.lead = spike.finding.lead or watched.lead
        found.append(spike)
        found = self._muting.mute(watched.place, found, loud)
        watched.remember(counts, minute(now))
        days = watched.days(counts, minute(now))
        found.append(Found(AlertKind.REPORTING_SILENT, rules.silent(days, minute(now))))
        return found

    async def _told(
        self, watched: Watched, place: Place, own: str, since: datetime, now: datetime,
        without: Collection[bytes],
    ) -> Around:  # fmt: skip
        """What the spike is about. Before people read of it first, its cause is worked out: else they would
        read that it is not known, and hear of it again a moment later. without: silenced signatures that
        it is not about."""
        foreign = self.settling.third_parties
        async with self.pool.acquire() as connection:
            told = await around(connection, place, own, since, now, foreign, without)
        if self.judge is None or told.crowd.signature is None or _fires(watched, rules.OWN_KINDS):
            return told
        try:
            await self.judge(told.crowd.signature)
        except STORE_DOWN:
            raise
        except Exception as error:  # noqa: BLE001 (a page with no cause is better than none)
            log.error("judge.failed", host=place.host, error=type(error).__name__)
            return told
        async with self.pool.acquire() as connection:
            return await around(connection, place, own, since, now, foreign, without)

    async def _late(
        self, watched: Watched, class_: str, fix: int | None, now: datetime
    ) -> dict[int, int]:
        """Installs that told after the fix, and failed before it."""
        if fix is None:
            return {}
        at = datetime.fromtimestamp(60 * fix, UTC)
        since = max(at, now - _LATE)
        async with self.pool.acquire() as connection:
            return await minutes.late(connection, watched.project, watched.host, class_, since, at)

    async def _lost(self, connection: Connection, now: datetime) -> dict[int, int]:
        """Items shed since the last look, by project."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        told = await incidents.shed(connection, hour - timedelta(hours=1))
        before = self._shed[1] if self._shed else told
        lost = {project: items - before.get(project, 0) for project, items in told.items()}
        if self._shed is None or now - self._shed[0] >= timedelta(minutes=5):
            self._shed = now, told
        return {project: items for project, items in lost.items() if items > 0}

    def _collector(
        self,
        watched: Watched,
        firsts: Sequence[tuple[int, str]],
        lost: Mapping[int, int],
        now: datetime,
    ) -> list[Found]:
        """What is wrong with the collector itself stands at the first host of a project; that all reports
        come from one address, at the first of all."""
        if watched.place not in firsts:
            return []
        items = lost.get(watched.project, 0)
        told = standing.collector_losing_reports(items, None, now)
        found = [Found(AlertKind.COLLECTOR_LOSING_REPORTS, told)]
        if watched.place == firsts[0]:
            words = self.one_address()
            one = Finding(severity=Severity.TICKET, summary=words) if words else NOTHING
            found.append(Found(AlertKind.ONE_ADDRESS, one))
        return found

    async def _take_orders(self, epoch: int, now: datetime) -> None:
        async with self.pool.acquire() as connection:
            orders = await alert_orders.waiting(connection)
        for order in orders:
            place = next(
                ((w, kind) for w in self._hosts.values() for kind, (id_, _) in w.kept.alerts.items()
                 if id_ == order.alert), None,
            )  # fmt: skip
            async with self.pool.acquire() as connection, connection.transaction():
                await lease.hold(connection, epoch)  # an old watcher throws nobody's word away
                if place is not None:
                    await self.settling.obey(connection, *place, order, epoch, now)
                await alert_orders.done(connection, [order.id])

    async def _save(self, due: Sequence[Watched], epoch: int, now: datetime) -> None:
        for start in range(0, len(due), _SOME):
            some = due[start : start + _SOME]
            async with self.pool.acquire() as connection, connection.transaction():
                await detector_states.save(
                    connection, [remembered(watched, now) for watched in some], epoch
                )
            for watched in some:
                watched.saved_at = minute(now)

    async def _failed(self, watched: Watched, error: Exception) -> None:
        """It is judged again with the next look, from what was stored of it."""
        if watched.place not in self._failing:
            log.error("host.not_judged", project=watched.project_name, host=watched.host,
                      error=type(error).__name__)  # fmt: skip
        self._failing.add(watched.place)
        self._seen.pop(watched.place, None)
        async with self.pool.acquire() as connection:
            states = {(r.project, r.host): r.state for r in await detector_states.load(connection)}
        watched.kept = kept_of(states.get(watched.place))
        watched.memories = {}

    def _tell(self) -> None:
        self._failing &= self._hosts.keys()
        self.metrics.not_judged.set(len(self._failing))
        self.metrics.tell_alerts(
            (w.project_name, w.host, kind, state.severity.value)
            for w in self._hosts.values()
            for kind, (_, state) in w.kept.alerts.items()
            if state.stage is Stage.FIRING
        )


def _counted(minutes_: Mapping[int, Mapping[bytes, int]], since: datetime) -> int:
    """Installs from a minute on, by minute and operator."""
    first = minute(since)
    return sum(sum(operators.values()) for at, operators in minutes_.items() if at >= first)


def _reach(watched: Watched) -> int:
    """Installs of its spike, as last told: no fewer are affected later."""
    held = [watched.alert(kind) for kind in rules.OWN_KINDS]
    return max(
        (one[1].reach for one in held if one and one[1].stage is not Stage.RESOLVED), default=0
    )


def _fires(watched: Watched, kinds: Sequence[AlertKind]) -> bool:
    held = [watched.alert(kind) for kind in kinds]
    return any(one is not None and one[1].stage is not Stage.RESOLVED for one in held)
