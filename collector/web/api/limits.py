"""What may be asked of an ingest key: its quota, and the web origins whose pages may use it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collector.errors import PinfallError
from collector.reports.hosts import read_host

QUOTA = 1_000_000  # items a second; more is none
ORIGINS = 50  # of one key
_ORIGIN = re.compile(
    r"([a-z][a-z0-9+.-]{0,19})://(\[[0-9a-f:.]{2,45}\]|[^\s/?#@:\\\[\]]{1,253})(?::([0-9]{1,5}))?"
)
_USUAL = {"http": 80, "https": 443}  # ports that browsers leave out


def quota(told: Mapping[str, Any]) -> float | None:
    """Items a second, or None for none. Raises PinfallError."""
    value = told.get("quota")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= QUOTA:
        raise PinfallError(f"quota: should be items a second, over 0 and at most {QUOTA}")
    return float(value)


def origins(told: Mapping[str, Any]) -> list[str]:
    """As browsers send them, each once, in order. Raises PinfallError."""
    values = told.get("origins")
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise PinfallError("origins: should be a list of texts")
    if len(values) > ORIGINS:
        raise PinfallError(f"origins: at most {ORIGINS}")
    found: dict[str, None] = {}
    for value in values:
        try:
            found[read_origin(value)] = None
        except ValueError as error:
            raise PinfallError(f"origins: '{value[:80]}': {error}") from None
    return list(found)


def read_origin(text: str) -> str:
    """``scheme://host[:port]`` in lower case, the scheme's own port left out (RFC 6454 section 6.2).
    Raises ValueError."""
    told = _ORIGIN.fullmatch(text.strip().lower())
    if told is None:
        raise ValueError("should be scheme://host[:port], such as https://app.example.com")
    scheme, name, port = told[1], told[2], int(told[3]) if told[3] else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("has no such port")
    if "*" in name:
        raise ValueError("stands for one origin: there are no wildcards")
    host, _ = read_host(name)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" + ("" if port in (None, _USUAL.get(scheme)) else f":{port}")
