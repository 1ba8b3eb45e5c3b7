"""What is said again and again: alerts to Alertmanager, and that all is well to who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import asyncpg
import structlog

from collector.alert import Alert
from collector.notify.alertmanager import Alertmanager, again
from collector.notify.channel import Channel, DeliveryError
from collector.notify.chosen import Heartbeat
from collector.notify.minimal import reduced
from collector.notify.posting import Poster
from collector.store import alerts

EVERY = timedelta(minutes=1)
# What ended so lately is said to have ended once more: a repetition that was late may have revived it.
_ENDED = timedelta(minutes=15)
log = structlog.get_logger()


async def resend(
    pool: asyncpg.Pool, channels: Sequence[Channel], epoch: int, clock: Callable[[], datetime]
) -> None:
    """Tell each Alertmanager of what fires, and of what ended lately. Every minute, by the holder of
    the lease. Raises the last DeliveryError, once all were told."""
    failed: DeliveryError | None = None
    for channel in channels:
        if not isinstance(channel, Alertmanager):
            continue
        # Under its lock: an end that is stored from here on is sent after this.
        async with channel.lock:
            now = clock()
            async with pool.acquire() as connection:
                found = await alerts.told(
                    connection, channel.config.name, ended_after=now - _ENDED, epoch=epoch
                )
            try:
                await _post(channel, found, now)
            except DeliveryError as error:
                failed = error
    if failed is not None:
        raise failed


async def _post(channel: Alertmanager, found: Sequence[Alert], now: datetime) -> None:
    """All at once; where something is refused for what stands in it, each by itself, and that one in
    its minimal form: it must not end the others."""
    try:
        await channel.post([told for alert in found for told in again(alert, now)])
    except DeliveryError as error:
        if not error.malformed:
            raise
    else:
        return
    for alert in found:
        try:
            await channel.post(again(alert, now))
        except DeliveryError as error:
            if not error.malformed:
                raise
            await channel.post(again(reduced(alert), now))
            log.warning(
                "alert.repeated_minimal",
                channel=channel.config.name,
                alert=alert.id,
                refused=str(error),
            )


async def beat(poster: Poster, heartbeat: Heartbeat) -> None:
    """Say that all is well; only who looked, and saw Postgres, may. Raises DeliveryError."""
    await poster.get(heartbeat.url, proxy=heartbeat.proxy)
