"""Which channels hear of what; pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from collector.alert import Alert, Event, Severity
from collector.model import PRODUCTION
from collector.notify.chosen import AlertmanagerConfig, ChannelConfig, PagerDutyConfig
from collector.reports.hosts import matches
from collector.store.outbox import Owed


def wants(config: ChannelConfig, alert: Alert, environment: str = PRODUCTION) -> bool:
    """Whether an alert is for a channel. environment: of the keys that its reports came with."""
    return (
        (alert.severity is Severity.PAGE or config.min_severity is Severity.TICKET)
        and config.audience in (None, alert.audience)
        and environment in config.environments
        and (not config.hosts or any(matches(pattern, alert.host) for pattern in config.hosts))
    )


def is_page_channel(config: ChannelConfig) -> bool:
    """One that wakes people, and so says one thing once. Alertmanager groups by itself."""
    if isinstance(config, AlertmanagerConfig):
        return False
    return isinstance(config, PagerDutyConfig) or config.min_severity is Severity.PAGE


def owed(
    configs: Sequence[ChannelConfig],
    alert: Alert,
    event: Event,
    told: Collection[str],
    environment: str = PRODUCTION,
) -> list[Owed]:
    """told: channels that heard of this alert before. Of changes and of the end hears who was told,
    whatever the alert has become since."""
    found = []
    for config in configs:
        keyed = isinstance(config, PagerDutyConfig)
        if event in (Event.FIRED, Event.BECAME_PAGE):
            is_owed = wants(config, alert, environment)
        else:
            is_owed = config.name in told and (keyed or event is not Event.ACKNOWLEDGED)
        if is_owed:
            joins = is_page_channel(config) and alert.severity is Severity.PAGE
            found.append(Owed(config.name, joins, keyed))
    return found


def blind_channels(configs: Sequence[ChannelConfig]) -> list[ChannelConfig]:
    """Who hears that nobody watches: page channels, and where there are none, all."""
    pages = [config for config in configs if is_page_channel(config)]
    return pages or list(configs)
