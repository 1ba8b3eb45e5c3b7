"""From an alert to what is owed of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from collector.alert import Alert, Event
from collector.model import PRODUCTION
from collector.notify.chosen import ChannelConfig
from collector.notify.wants import owed
from collector.store import alerts, outbox
from collector.store.connect import Connection


async def announce(
    connection: Connection,
    configs: Sequence[ChannelConfig],
    alert: Alert,
    event: Event,
    *,
    epoch: int | None,
    now: datetime,
    environment: str = PRODUCTION,
) -> None:
    """In the transaction that wrote the alert (``alerts.write``), and after that. epoch None: a
    person's doing. Raises StaleEpochError."""
    told = await alerts.channels_told(connection, alert.id)
    deliveries = owed(configs, alert, event, told, environment)
    await outbox.put(connection, alert, event, deliveries, epoch=epoch, now=now)
