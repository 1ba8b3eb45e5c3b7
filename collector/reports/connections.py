"""Windows of connections: how many worked, and how many failed at the pins."""

from __future__ import annotations

from datetime import timedelta

from collector.errors import Reason, ReportError
from collector.model import Window
from collector.reports.fields import Fields, Hints
from collector.reports.platforms import platform_of
from collector.reports.times import parse_time

WORST_COUNT = 10**12  # of one window
_FIRST_YEAR = 2000
_LONGEST = timedelta(days=7)


def is_window(item: dict[str, object]) -> bool:
    return "successes" in item and "schema" not in item


def read_window(item: dict[str, object], _hints: Hints) -> Window:
    """Raises ReportError: no_host, or unrecognised where a count or a time cannot be used.

    Counts are never repaired: a made-up denominator is worse than none.
    """
    fields = Fields(item)
    host, _ = fields.required_host("host", "hostname")
    start, end = (parse_time(fields.raw(name)) for name in ("window_start", "window_end"))
    for name, at in (("window_start", start), ("window_end", end)):
        if at is None and item.get(name) is not None:
            raise ReportError(Reason.UNRECOGNISED, f"{name} is not a time")
    if start is not None and end is not None and start > end:
        raise ReportError(Reason.UNRECOGNISED, "window_end is before window_start")
    successes = _count(fields, "successes")
    pin_failures = _count(fields, "pin_failures")
    app = fields.rest.get("app")
    inner = fields.within("app") if isinstance(app, dict) else Fields({})
    if start is not None and start.year < _FIRST_YEAR:
        raise ReportError(Reason.UNRECOGNISED, f"window_start is before {_FIRST_YEAR}")
    if start is not None and end is not None and end - start > _LONGEST:
        raise ReportError(Reason.UNRECOGNISED, f"a window of more than {_LONGEST.days} days")
    id_ = fields.identifier("id", "event_id")
    if id_ is None and (start is None or end is None):
        raise ReportError(Reason.UNRECOGNISED, "a window needs an id, or a start and an end")
    return Window(
        id=id_,
        host=host,
        successes=successes,
        pin_failures=pin_failures,
        app_id=inner.text("id") or fields.text("app", "app_id"),
        app_version=inner.text("version", limit=64) or fields.text("app_version", limit=64),
        platform=platform_of(fields.text("platform", limit=32)),
        install_id=fields.identifier("install_id"),
        start=start,
        end=end,
        flags=tuple(fields.flags),
    )


def _count(fields: Fields, name: str) -> int:
    value = fields.integer(name) if name in fields.rest else 0
    if value is None or not 0 <= value <= WORST_COUNT:
        raise ReportError(Reason.UNRECOGNISED, f"{name} is not a number from 0 to {WORST_COUNT}")
    return value
