"""What every process that takes items is made of: pool, metrics, intake, keys, and their rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.background import every, running
from collector.errors import StoreError
from collector.intake import mirror
from collector.intake.asn import open_table
from collector.intake.day_secrets import DaySecrets
from collector.intake.keyring import Keyring
from collector.intake.limits import Limits
from collector.intake.maintain import learn_budget, learn_usual, rates
from collector.intake.newness import Newness
from collector.intake.queue import Intake
from collector.intake.replay import Replay
from collector.intake.settle import MOST, settle
from collector.intake.silenced import SilencedNetwork
from collector.intake.spool import Spool
from collector.intake.taking import Taking
from collector.metrics import SOURCES, Metrics
from collector.model import ProjectId
from collector.settings import Settings
from collector.store import content, deferred, silences
from collector.store.connect import STORE_DOWN, no_password, open_pool
from collector.web.descriptors import room
from collector.web.door import Door
from collector.web.ingest import Ingest

Tick = Callable[[], Awaitable[None]]
Round = tuple[str, float, Tick]  # name, seconds, what is done

FLUSHERS = 2
_BUSY = 50  # rows in the queue, from which on live reports come first
_SETTLING = 1.0  # seconds of a round that comes every 5
_LATELY = 20_000  # chains, pin sets and signatures each, that a new process knows from the start
_LAST_REPLAY = 10.0  # seconds that the spool gets at the end
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Core:
    """``name``: of this process among those of one `serve`: "collector", "worker-1", ... What
    belongs to one process and outlives it, is found again by it."""

    name: str
    settings: Settings
    clock: Callable[[], datetime]
    pool: asyncpg.Pool
    metrics: Metrics
    intake: Intake
    keyring: Keyring
    ingest: Ingest
    day_secrets: DaySecrets
    taking: Taking
    replay: Replay | None
    _mirrored: dict[str, mirror.Mirror] = field(default_factory=dict)

    async def keys(self) -> None:
        await self.keyring.refresh()
        await self.day_secrets.refresh(self.clock())
        self.metrics.keep_projects(self.keyring.projects.values())
        async with self.pool.acquire() as connection:
            told = await silences.networks(connection, self.clock())
        self.taking.silenced.learn(SilencedNetwork(**row) for row in told)
        if self.replay is not None:
            self._mirror(self.replay.spool)

    def _mirror(self, spool: Spool) -> None:
        told = mirror.Mirror(
            self.keyring.rows,
            {int(id_): name for id_, name in self.keyring.projects.items()},
            {day.isoformat(): secret for day, secret in self.day_secrets.known.items()},
            mirror.hosts(self.intake.known.admitted),
            mirror.own(self.keyring.own),
            [*self.taking.silenced.told],
        )
        if told == self._mirrored.get("newest"):
            return
        try:
            mirror.write(spool.directory, told)
        except OSError as error:  # a full disk is no reason to fail while Postgres is there
            if "refused" not in self._mirrored:
                log.error("mirror.not_written", error=error.strerror)
            self._mirrored["refused"] = told
            return
        self._mirrored.pop("refused", None)
        self._mirrored["newest"] = told

    async def respool(self) -> None:
        """A round of replaying; with numbers of the whole directory, where this is the process that
        tells them."""
        assert self.replay is not None
        await self.replay.tick()
        if not self.name.startswith("worker"):
            spool = self.replay.spool
            self.metrics.tell_spool(spool.items, spool.bytes)

    async def hosts(self) -> None:
        await self.intake.learn_hosts()
        await learn_budget(self.pool, self.intake.known.budget, self.clock())
        await learn_usual(self.pool, self.intake.known, self.clock())
        self._know_hosts()

    def _know_hosts(self) -> None:
        self.metrics.keep_hosts(labels := self._labels())
        for project, host in labels:
            self.metrics.know_host(project, host)

    async def settle(self) -> None:
        """A round of looking into what was deferred: for a fifth of the time, since certificates can be
        made so that each costs milliseconds; and once only while reports wait."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _SETTLING
        left = await settle(self.pool, self.intake.known, self.clock())
        while left and loop.time() < until and self.intake.queued < _BUSY:
            left = await settle(self.pool, self.intake.known, self.clock())
        self.metrics.deferred.set(left)

    async def recollect(self) -> None:
        """What was reported of late is nothing new, also not to a process that has just started; and how
        much may be deferred, by what there is."""
        async with self.pool.acquire() as connection:
            if not self.intake.known.remembers:
                self.intake.known.see(
                    await content.lately(connection, self.clock().date(), _LATELY)
                )
            left = await deferred.waiting(connection, MOST)
        self.intake.known.deferred_room = MOST - left

    async def rates(self) -> None:
        labels = self._labels()
        told = {}
        for found in await rates(self.pool, self.clock()):
            place = self.keyring.projects.get(found.project, ""), found.host
            if found.ratio is not None and place in labels:
                told[*place, SOURCES[0 if found.trusted else 1]] = found.ratio
        self.metrics.rate(told)

    def warning(self) -> str | None:
        """What operators should know of this process' listener."""
        return self.ingest.one_address.warning or self.ingest.door.warning

    def _labels(self) -> set[tuple[str, str]]:
        """Admitted hosts with the names of their projects."""
        names = self.keyring.projects
        return {(names[p], host) for p, host in self.intake.known.admitted if p in names}

    async def begin(self, stack: AsyncExitStack, first: Sequence[Tick]) -> None:
        """Look once, then flush until the stack closes, which flushes what waits.

        With a spool that has a mirror, Postgres may be away. Raises StoreError.
        """
        try:
            for look in first:
                await look()
        except STORE_DOWN as error:
            words = no_password(error, self.settings.database_url or "")
            if not self._from_mirror():
                raise StoreError(f"Postgres does not answer: {words}") from None
            log.warning("store.away", error=type(error).__name__)
        if self.replay is not None:
            await self.replay.spool.look()
            stack.push_async_callback(self.replay.spool.close)
            stack.callback(self.replay.close)
            stack.push_async_callback(self._last_replay, self.replay)
        stack.push_async_callback(self.intake.drain)
        for number in range(FLUSHERS):
            await stack.enter_async_context(running(f"flush-{number}", self.intake.run()))
        await stack.enter_async_context(running("hurry", self.intake.hurry()))

    def _from_mirror(self) -> bool:
        """Take what is needed from the file beside the spool; False where there is none."""
        found = mirror.read(self.replay.spool.directory) if self.replay is not None else None
        if found is None:
            return False
        names = {ProjectId(id_): name for id_, name in found.projects.items()}
        self.keyring.learn(found.keys, names, mirror.own_of(found.own))
        self.day_secrets.learn(mirror.days(found.day_secrets))
        self.taking.silenced.learn(found.silenced)
        self.intake.known.admitted |= {(ProjectId(p), host) for p, host in found.hosts}
        self.intake.is_down = True
        self.metrics.keep_projects(names.values())
        self._know_hosts()
        return True

    async def _last_replay(self, replay: Replay) -> None:
        """What is in the spool goes out before the process does, if Postgres takes it in time."""
        with suppress(TimeoutError, *STORE_DOWN):
            async with asyncio.timeout(_LAST_REPLAY):
                await replay.tick()

    async def go_round(self, stack: AsyncExitStack, rounds: Sequence[Round]) -> None:
        """For the life of the stack. Their beginnings are apart, or those of a minute would always be at once."""
        for n, (name, seconds, tick) in enumerate(rounds):
            first = timedelta(seconds=min(seconds, 30.0) * (n + 1) / len(rounds))
            task = every(timedelta(seconds=seconds), name, tick, self.metrics, first)
            await stack.enter_async_context(running(name, task))


async def open_core(
    stack: AsyncExitStack, name: str, settings: Settings, clock: Callable[[], datetime]
) -> Core:
    """For the life of the stack. Raises StoreError."""
    pool = await opened_pool(stack, settings)
    flushing = await opened_pool(stack, settings, size=FLUSHERS + 2, flushing=True)
    metrics = Metrics()
    spool = Spool(settings.spool_dir, settings.spool_bytes) if settings.spool_dir else None
    intake = Intake(flushing, metrics, clock, spool=spool)
    intake.known.budget.most = settings.row_budget
    keyring = Keyring(pool, settings.hash_key, clock)
    day_secrets = DaySecrets(pool)
    taking = Taking(intake, metrics, day_secrets, Newness(keyring.owns))
    taking.asns = open_table(settings.asn_db) if settings.asn_db else None
    limits = Limits(settings.source_rate, settings.source_burst)
    door = Door(metrics, room(settings.max_connections), intake.fill, settings.trusted_proxies)
    taking.pressure = lambda: door.pressure
    await stack.enter_async_context(running("door", door.run()))
    ingest = Ingest(keyring, taking, metrics, clock, limits, door, settings.trusted_proxies)
    replay = Replay(spool, intake) if spool else None
    return Core(
        name, settings, clock, pool, metrics, intake, keyring, ingest, day_secrets, taking, replay
    )


async def opened_pool(
    stack: AsyncExitStack,
    settings: Settings,
    *,
    size: int = 8,
    seconds: float = 30,
    flushing: bool = False,
) -> asyncpg.Pool:
    """With a spool none is opened yet: it may start with Postgres away."""
    assert settings.database_url is not None
    least = 0 if settings.spool_dir else 1
    pool = await open_pool(
        settings.database_url, size=size, seconds=seconds, flushing=flushing, least=least
    )
    stack.push_async_callback(_close, pool)
    return pool


async def _close(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except (TimeoutError, OSError):
        pool.terminate()
