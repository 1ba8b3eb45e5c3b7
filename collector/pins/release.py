"""Which releases of an app a pin set is of, as a file, a request or a command says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from collector.errors import PinfallError
from collector.model import PLATFORMS
from collector.pins.model import ShippedPinSet
from collector.pins.versions import version_key
from collector.reports.times import parse_time

_WORST = 100  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """None: not told."""

    app: str | None = None
    platform: str | None = None
    version_from: str | None = None
    version_to: str | None = None
    starts: datetime | None = None

    def over(self, other: Release) -> Release:
        """Itself, and what it does not tell as the other one tells it. A range is told as a whole."""
        ranged = self.version_from is not None or self.version_to is not None
        versions = self if ranged else other
        return Release(
            app=self.app if self.app is not None else other.app,
            platform=self.platform if self.platform is not None else other.platform,
            version_from=versions.version_from,
            version_to=versions.version_to,
            starts=self.starts if self.starts is not None else other.starts,
        )

    def of(self, one: ShippedPinSet) -> ShippedPinSet:
        """A pin set of this release, where it is told; else of the one that it was of before."""
        was = Release(
            app=one.app,
            platform=one.platform,
            version_from=one.version_from,
            version_to=one.version_to,
            starts=one.starts,
        )
        now = self.over(was)
        return replace(one, **{field.name: getattr(now, field.name) for field in fields(Release)})


RELEASE = tuple(field.name for field in fields(Release))


def read_release(told: Mapping[str, Any]) -> Release:
    """From the fields of an object that are named as those of Release. Raises PinfallError."""
    first, last = _text(told, "version_from"), _text(told, "version_to")
    if first is not None and last is not None and version_key(first) > version_key(last):
        raise PinfallError(f"version_from: '{first}' comes after version_to, '{last}'")
    return Release(
        app=_text(told, "app"),
        platform=_platform(_text(told, "platform")),
        version_from=first,
        version_to=last,
        starts=_starts(told.get("starts")),
    )


def _text(told: Mapping[str, Any], field: str) -> str | None:
    value = told.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise PinfallError(f"{field}: should be a text")
    if len(value) > _WORST or not value.isprintable():
        raise PinfallError(f"{field}: should be at most {_WORST} printable characters")
    return value.strip()


def _platform(name: str | None) -> str | None:
    if name is None:
        return None
    if name.upper() not in PLATFORMS:
        raise PinfallError(f"platform: '{name}' should be {', '.join(PLATFORMS).lower()}")
    return name.upper()


def _starts(value: object) -> datetime | None:
    if value is None:
        return None
    at = parse_time(value) if isinstance(value, str) else None
    if at is None or at.year < 1970:
        raise PinfallError("starts: should be a time such as 2026-11-20T06:16:13Z")
    return at
