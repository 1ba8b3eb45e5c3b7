"""Where reports are sent."""

from __future__ import annotations

from urllib.parse import urlsplit

from collector.reports.hosts import read_host


def uri_host(uri: str) -> str | None:
    """The host of an http(s) URL as an A-label; None where it is none."""
    try:
        told = urlsplit(uri)
        if told.scheme not in ("http", "https") or not told.hostname:
            return None
        return read_host(told.hostname)[0]
    except ValueError:
        return None
