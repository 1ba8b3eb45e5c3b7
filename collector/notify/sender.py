"""The round that sends: claims what is due to each channel, sends it, settles it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.alert import Message
from collector.metrics import Metrics
from collector.notify.channel import Channel, DeliveryError, retry_at
from collector.notify.minimal import minimal
from collector.store import outbox
from collector.store.lease import StaleEpochError
from collector.store.outbox import Claimed

WITHIN = 25.0  # seconds that a channel has for one message
_CLAIMED = timedelta(seconds=60)  # more than that, and a settling
_AT_ONCE = 4  # messages of one channel
_PATIENCE = 1.0  # seconds that a round waits for channels: who takes longer goes on beside the next

log = structlog.get_logger()


class Sender:
    """Each channel has a task of its own while something is due to it: none waits for another."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        channels: Sequence[Channel],
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._pool = pool
        self._channels = channels
        self._metrics = metrics
        self._clock = clock
        self._busy: dict[str, asyncio.Task[None]] = {}
        metrics.know_channels([channel.config.name for channel in channels])

    async def round(self, epoch: int) -> None:
        """Begin to send what is due, where nobody is at it. To be called every second or two, by the
        holder of the lease only.

        Raises what a channel's task met with Postgres; that of others goes on.
        """
        met = self._ended()
        for channel in self._channels:
            name = channel.config.name
            if name not in self._busy:
                self._busy[name] = asyncio.create_task(self._empty(channel, epoch))
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=_PATIENCE)
        met += self._ended()
        if met:
            raise met[0]

    def _ended(self) -> list[BaseException]:
        """Forget tasks that ended. Returns what they raised."""
        done = {name: task for name, task in self._busy.items() if task.done()}
        for name in done:
            del self._busy[name]
        met = [task.exception() for task in done.values() if not task.cancelled()]
        return [error for error in met if error is not None]

    async def idle(self) -> None:
        """Once no message is on its way."""
        while self._busy:
            await asyncio.wait(self._busy.values())
            self._ended()

    async def close(self) -> None:
        """What is on its way is repeated by whoever claims it next."""
        for task in self._busy.values():
            task.cancel()
        await self.idle()

    async def _empty(self, channel: Channel, epoch: int) -> None:
        """Until nothing is due to a channel."""
        while True:
            now = self._clock()
            try:
                async with self._pool.acquire() as connection:
                    claimed = await outbox.claim(
                        connection,
                        channel.config.name,
                        _AT_ONCE,
                        until=now + _CLAIMED,
                        epoch=epoch,
                        now=now,
                    )
            except StaleEpochError:
                log.info("sender.superseded", channel=channel.config.name)
                return
            if not claimed:
                return
            sends = (self._send(channel, one, epoch) for one in claimed)
            for met in await asyncio.gather(*sends, return_exceptions=True):
                if met is not None:
                    raise met

    async def _send(self, channel: Channel, one: Claimed, epoch: int) -> None:
        failure = await attempt(channel, one.message)
        now, name = self._clock(), channel.config.name
        facts = {"channel": name, "what": one.message.event.value, "alert": one.message.alert.id}
        again = None if failure is None else retry_at(failure, one.tries, now)
        async with self._pool.acquire() as connection:
            if failure is None:
                settled = await outbox.sent(connection, one.id, epoch=epoch, now=now)
            else:
                settled = await outbox.failed(
                    connection, one.id, error=str(failure), again=again, epoch=epoch, now=now
                )
        if not settled:
            log.info("delivery.superseded", **facts)
            return
        result = "sent" if failure is None else "given_up" if again is None else "retried"
        self._metrics.deliveries.labels(channel=name, result=result).inc()
        if failure is None:
            log.info("delivery.sent", tries=one.tries, **facts)
        else:
            event = "delivery.failed" if again else "delivery.given_up"
            log.warning(event, error=str(failure), tries=one.tries, again=str(again), **facts)


async def attempt(channel: Channel, message: Message) -> DeliveryError | None:
    """One try, bounded: of the message, and where it is refused for what stands in it, of its minimal
    form. Whatever goes wrong is a failure of this message alone."""
    try:
        async with asyncio.timeout(WITHIN):
            await _whole_or_minimal(channel, message)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 (its words may hold an address: the type says enough)
        return DeliveryError(type(error).__name__, permanent=False)
    return None


async def _whole_or_minimal(channel: Channel, message: Message) -> None:
    try:
        await channel.send(message)
    except DeliveryError as error:
        if not error.malformed:
            raise
        try:
            await channel.send(minimal(message))
        except DeliveryError as again:  # for good: then what was said of the whole tells more
            raise (error if again.permanent else again) from None
        log.warning(
            "delivery.sent_minimal",
            channel=channel.config.name,
            what=message.event.value,
            alert=message.alert.id,
            refused=str(error),
        )
