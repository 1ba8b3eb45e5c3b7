"""Which release an Info.plist is of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.errors import PinfallError
from collector.pins.readers.values import read_text

_PLATFORMS = {"macosx": "MACOS", "appletvos": "TVOS", "watchos": "WATCHOS"}


def release(root: Mapping[Any, Any]) -> dict[str, Any]:
    """app, version and platform, as far as they are told. In sources they are variables of the build."""
    version = _told(root.get("CFBundleShortVersionString"))
    platform = _told(root.get("DTPlatformName")) or ""
    return {
        "app": _told(root.get("CFBundleIdentifier")),
        "version_from": version,
        "version_to": version,
        "platform": _PLATFORMS.get(platform.lower(), "IOS"),
    }


def _told(value: object) -> str | None:
    try:
        text = read_text(value, "")
    except PinfallError:
        return None
    return None if text is None or "$(" in text or "${" in text else text
