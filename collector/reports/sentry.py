"""Sentry's issue-alert webhook: an event whose exceptions hold a text about pins.

Of the event only exception, release, OS and app are kept; the rest is about people and machines.
A rule fires at most once an interval, so these are a trigger and never a count.
"""

from __future__ import annotations

from collections.abc import Iterator

from collector.errors import Reason, ReportError
from collector.model import Dialect, Ignored, Kind, Skip, Violation
from collector.reports.apple import read_apple_text
from collector.reports.fields import Fields, Hints
from collector.reports.okhttp import Text, read_text
from collector.reports.personal import scrubbed
from collector.reports.platforms import platform_of

_EXCEPTIONS = 20  # of a chain of causes


def is_sentry(item: dict[str, object]) -> bool:
    """An event with its list of exceptions, of an alert or of the ``error.created`` hook."""
    event = _event(item)
    return event is not None and any(True for _ in _exceptions(event.get("exception")))


def _event(item: dict[str, object]) -> dict[str, object] | None:
    data = item.get("data")
    if not isinstance(data, dict):
        return None
    return next((data[n] for n in ("event", "error") if isinstance(data.get(n), dict)), None)


def read_sentry(item: dict[str, object], hints: Hints) -> Violation | Ignored:
    """Raises ReportError(no_host) where the exception is about pins, but names no host."""
    event = Fields(_event(item) or {})
    error_type, text, told = _told(event)
    if told is None:
        return Ignored(Dialect.SENTRY, Skip.NO_EXCEPTION)
    request_host, port = event.within("request").host("url")
    host = told.host or request_host
    if host is None:
        raise ReportError(Reason.NO_HOST, "neither the exception nor request.url names a host")
    raw, at, trust = event.time("datetime", "timestamp", hints=hints)
    contexts = event.within("contexts")
    app, os_ = contexts.within("app"), contexts.within("os")
    device = contexts.within("device")
    app_of_release, version_of_release = event.release("release")
    install_id = event.within("user").identifier("id")
    mismatch = told.kind is Kind.PIN_MISMATCH
    return Violation(
        dialect=Dialect.SENTRY,
        host=host,
        port=port if told.host is None else None,
        kind=told.kind,
        confirmed=told.kind is not Kind.SUSPECTED,
        enforced=True if mismatch else None,
        blocked=True,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=told.known_pins,
        validated_chain=told.chain,
        app_id=app.text("app_identifier") or app_of_release,
        app_version=app.text("app_version", limit=64) or version_of_release,
        app_build=app.text("app_build", limit=64),
        platform=platform_of(os_.text("name", limit=32)),
        os_version=os_.text("version", limit=32),
        device=scrubbed(device.text("model", limit=160), install_id, 80),
        install_id=install_id,
        event_id=event.identifier("event_id"),
        error_type=scrubbed(error_type, install_id, 128),
        error_message=None if told.chain else scrubbed(text, install_id, 2000),
        suspect=told.suspect,
        test=event.text("environment", limit=64) in ("debug", "test", "development"),
        flags=(*event.flags, *told.flags),
    )


def _told(event: Fields) -> tuple[str | None, str | None, Text | None]:
    """(type, text, what it says) of the exception that says most: causes come oldest first."""
    best: tuple[str | None, str | None, Text | None] = (None, None, None)
    for exception in _exceptions(event.raw("exception")):
        text, type_ = exception.get("value"), exception.get("type")
        if not isinstance(text, str):
            continue
        kind = type_ if isinstance(type_, str) else None
        apple = read_apple_text(text)
        found = read_text(text) or read_text(f"{kind or ''}: {text}") or (apple and apple[1])
        if found is not None and (best[2] is None or (found.host and not best[2].host)):
            best = (kind, text, found)
    return best


def _exceptions(value: object) -> Iterator[dict[str, object]]:
    values = value.get("values") if isinstance(value, dict) else value
    for entry in values[:_EXCEPTIONS] if isinstance(values, list) else []:
        if isinstance(entry, dict):
            yield entry
