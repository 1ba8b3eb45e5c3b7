"""Channels of what an operator chose: the one list of their types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from collector.notify.alertmanager import Alertmanager
from collector.notify.channel import Channel
from collector.notify.chosen import (
    AlertmanagerConfig,
    ChannelConfig,
    EmailConfig,
    PagerDutyConfig,
    SlackConfig,
    WebhookConfig,
)
from collector.notify.mail import Email
from collector.notify.pagerduty import PagerDuty
from collector.notify.posting import Poster, open_session
from collector.notify.slack import Slack
from collector.notify.webhook import Webhook


def channel(config: ChannelConfig, poster: Poster) -> Channel:
    match config:
        case SlackConfig():
            return Slack(config, poster)
        case PagerDutyConfig():
            return PagerDuty(config, poster)
        case AlertmanagerConfig():
            return Alertmanager(config, poster)
        case WebhookConfig():
            return Webhook(config, poster)
        case EmailConfig():
            return Email(config, poster.clock)
    raise TypeError(type(config).__name__)


@asynccontextmanager
async def opened(clock: Callable[[], datetime]) -> AsyncIterator[Poster]:
    """What channels and the heartbeat ask with, for the life of the block."""
    async with open_session() as session:
        yield Poster(session, clock)


def channels(configs: Sequence[ChannelConfig], poster: Poster) -> list[Channel]:
    return [channel(config, poster) for config in configs]
