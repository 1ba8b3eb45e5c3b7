"""What an operator chose: one dataclass a type of channel. Addresses and secrets are in no repr."""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.alert import Audience, Severity
from collector.model import PRODUCTION


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """``audience`` None: everybody's. ``environments``: of the keys that reports came with. ``hosts``:
    names, or ``*.example.com``; none: all."""

    name: str
    min_severity: Severity = Severity.TICKET
    audience: Audience | None = None
    environments: frozenset[str] = frozenset({PRODUCTION})
    hosts: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """As the file names it."""
        return type(self).__name__.removesuffix("Config").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackConfig(ChannelConfig):
    url: str = field(repr=False)  # whoever has it may write to the channel
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyConfig(ChannelConfig):
    routing_key: str = field(repr=False)
    min_severity: Severity = Severity.PAGE
    url: str = field(default="https://events.pagerduty.com", repr=False)
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertmanagerConfig(ChannelConfig):
    """``authorization``: the whole header, such as ``Bearer …``."""

    url: str = field(repr=False)
    authorization: str | None = field(default=None, repr=False)
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig(ChannelConfig):
    """``secret``: signs bodies. ``template``: makes another body than the alert itself."""

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    authorization: str | None = field(default=None, repr=False)
    template: str | None = field(default=None, repr=False)
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailConfig(ChannelConfig):
    """``tls``: starttls, tls (from the first byte) or none."""

    host: str
    port: int
    sender: str
    to: tuple[str, ...]
    tls: str = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Asked for while all is well; what is there raises an alarm when it is not."""

    url: str = field(repr=False)
    proxy: str | None = None
