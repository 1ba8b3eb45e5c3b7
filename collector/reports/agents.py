"""What a User-Agent tells of a device, where the report itself does not."""

from __future__ import annotations

import re
from functools import lru_cache

from collector.reports.texts import clean

_DALVIK = re.compile(
    r"Dalvik/[\d.]{1,12} \(Linux; U; Android ([\w.]{1,16})(?:; ([^;)]{1,80}?))?(?: Build/[^)]{0,80})?\)"
)


@lru_cache(maxsize=1024)
def android(user_agent: str | None) -> tuple[str | None, str | None]:
    """(OS version, device model) of Android's own HTTP stack; (None, None) for any other."""
    match = _DALVIK.match(clean(user_agent[:300])) if user_agent else None
    return (match[1], match[2]) if match else (None, None)
