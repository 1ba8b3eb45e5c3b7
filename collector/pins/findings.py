"""What a lint of pin sets says: closed codes, one sentence of reason, one of advice."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from collector.model import Hash
from collector.pins.model import ShippedPinSet


class Severity(StrEnum):
    ERROR = "error"  # clients break, or are not protected, now or at the next usual event
    WARNING = "warning"  # likely to break them one day
    INFO = "info"  # to know


class Code(StrEnum):
    """Names are a public contract."""

    SINGLE_PIN = "single_pin"
    BELOW_MINIMUM = "below_minimum"
    PLACEHOLDER_PIN = "placeholder_pin"
    SHA1_PIN = "sha1_pin"
    NO_BACKUP = "no_backup"
    BACKUP_SAME_CA = "backup_same_ca"
    BACKUP_UNPROVEN = "backup_unproven"
    LEAF_ONLY = "leaf_only"
    VOLATILE_ISSUER = "volatile_issuer"
    NEVER_SERVED = "never_served"
    NOT_SERVED_NOW = "not_served_now"
    EXPIRED = "expired"
    EXPIRES_SOON = "expires_soon"
    EXPIRY_DISABLES = "expiry_disables"
    REPORT_URI_PINNED = "report_uri_pinned"
    REPORT_URI_SAME_CA = "report_uri_same_ca"
    DEFAULT_REPORT_URI = "default_report_uri"
    CONTRADICTING = "contradicting"
    DUPLICATE = "duplicate"


_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """``reason``: what is so, and what comes of it; ``advice``: what to do. ``pins``: which of the set."""

    code: Code
    severity: Severity
    shipped: ShippedPinSet
    reason: str
    advice: str
    pins: tuple[Hash, ...] = ()

    @property
    def order(self) -> tuple[object, ...]:
        """The worst first."""
        return _RANK[self.severity], self.shipped.host, self.shipped.app or "", self.code.value


def releases(one: ShippedPinSet) -> str:
    """Which releases a set is of, in words."""
    parts = [one.app or "any app"]
    if one.platform:
        parts.append(one.platform)
    first, last = one.version_from, one.version_to
    if first is not None and first == last:
        parts.append(first)
    elif first is not None or last is not None:
        parts.append(f"{first or 'first'} to {last or 'newest'}")
    return " ".join(parts)
