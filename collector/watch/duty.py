"""What the holder of the lease does: look, send, repeat, say that it is well; and say when it is blind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.metrics import Metrics
from collector.notify.blind import Blind
from collector.notify.channel import Channel, DeliveryError
from collector.notify.chosen import Heartbeat
from collector.notify.posting import Poster
from collector.notify.repeating import beat, resend
from collector.notify.sender import Sender
from collector.store import affected
from collector.store.connect import STORE_DOWN
from collector.store.lease import Lease, StaleEpochError
from collector.watch.watcher import Watcher

log = structlog.get_logger()
_BLIND_AFTER = timedelta(seconds=60)  # without a look


@dataclass(slots=True)
class Duty:
    """Rounds of one process; those of a process without the lease do nothing."""

    pool: asyncpg.Pool
    lease: Lease
    watcher: Watcher
    sender: Sender
    blind: Blind
    channels: Sequence[Channel]
    metrics: Metrics
    clock: Callable[[], datetime]
    poster: Poster
    heartbeat: Heartbeat | None = None
    _held: bool = False  # the lease, when last it could be asked
    _saw: datetime | None = None  # when last a look was done
    _telling: set[asyncio.Task[None]] = field(default_factory=set)

    async def renew(self) -> None:
        """The lease. While Postgres is away, whoever held it last says that it is blind."""
        try:
            await self.lease.renew()
        except (*STORE_DOWN, TimeoutError):
            self._is_blind()
            raise
        self._held = self.lease.epoch is not None
        if self._held:
            self._saw = self._saw or self.clock()  # from here on it has to look
        else:
            self._saw = None
            self.metrics.not_judged.set(0)
            self.metrics.blind.set(0)
            self.metrics.tell_alerts(())
            self.metrics.tell_affected({})

    async def look(self) -> None:
        epoch = self.lease.epoch
        if epoch is None:
            return
        try:
            await self.watcher.look(epoch)
        except StaleEpochError:
            log.info("watcher.superseded")
            return
        except (*STORE_DOWN, TimeoutError):
            self._is_blind()
            raise
        except Exception:
            self._is_blind("its look at hosts fails: see the log")
            raise
        self._saw = self.clock()
        self.metrics.blind.set(0)
        self._say(is_blind=False)

    def _is_blind(self, why: str = "its database does not answer") -> None:
        """Only who watched a moment ago: of many replicas one speaks."""
        if not self._held or self._saw is None or self.clock() - self._saw < _BLIND_AFTER:
            return
        self.metrics.blind.set(1)
        self._say(is_blind=True, why=why)

    def _say(self, *, is_blind: bool, why: str = "") -> None:
        """Beside the rounds: a channel may take its time."""
        if self._telling:
            return
        task = asyncio.create_task(self.blind.tell(is_blind, why))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def send(self) -> None:
        if (epoch := self.lease.epoch) is not None:
            await self.sender.round(epoch)

    async def repeat(self) -> None:
        """To Alertmanager, and to who waits for a sign of life."""
        if (epoch := self.lease.epoch) is None:
            return
        saw = self._saw
        if self.heartbeat is not None and saw is not None and self.clock() - saw < _BLIND_AFTER:
            try:
                await beat(self.poster, self.heartbeat)
            except DeliveryError as error:
                log.warning("heartbeat.failed", error=str(error))
        await resend(self.pool, self.channels, epoch, self.clock)

    async def count(self) -> None:
        """Affected installs by cause, for the metric."""
        if self.lease.epoch is None:
            return
        async with self.pool.acquire() as connection:
            self.metrics.tell_affected(await affected.by_cause(connection, self.clock()))

    async def close(self) -> None:
        await self.sender.close()
        for task in self._telling:
            task.cancel()
        try:
            await self.lease.give_up()
        except (*STORE_DOWN, TimeoutError):
            log.info("lease.not_given_up")
