"""The short way for plain reports of ``pin-report/1``, as our reporter for OkHttp writes them; see ``quick``.

What is not plain (an unknown key, certificates, another outcome, an odd text) is read by ``neutral``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from collector.model import (
    NO_CHAIN,
    NO_PINS,
    WORST_CHAIN,
    Chain,
    Dialect,
    Kind,
    PinSet,
    Slot,
    Violation,
)
from collector.reports.agents import android
from collector.reports.fields import WORST_ID, Hints
from collector.reports.neutral import KINDS, SCHEMA
from collector.reports.okhttp import read_text
from collector.reports.pins import pin_set, read_pins
from collector.reports.platforms import platform_of
from collector.reports.quick import is_plain, plain_host
from collector.reports.times import client_time

SIGN = b'"pin-report/1"'
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_UNVERIFIED = "javax.net.ssl.SSLPeerUnverifiedException"
_NOTHING = msgspec.Raw(b"")
_CACHED = 1024
_LARGE, _NAMES = 12_288, 1024  # bytes from which on a part is read anew each time
_TEXT, _VERSION, _SHORT = 256, 64, 32


class _Report(
    msgspec.Struct, forbid_unknown_fields=True, gc=False, rename={"os_": "os", "schema_": "schema"}
):
    """Fields of ``pin-report/1`` that most reporters write; ours, for OkHttp, writes no other."""

    schema_: str
    host: str
    outcome: str
    event_id: str | None = None
    install_id: str | None = None
    observed_at: str | None = None
    pins: msgspec.Raw = _NOTHING
    error: msgspec.Raw = _NOTHING
    app: msgspec.Raw = _NOTHING
    os_: msgspec.Raw = _NOTHING
    sdk: msgspec.Raw = _NOTHING
    port: int | None = None
    enforced: bool | None = None
    weight: int | float = 1


class _Named(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``app``, ``os`` or ``sdk``."""

    version: str | None = None
    id: str | None = None
    name: str | None = None


class _Pins(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    kind: str
    expected: list[str]
    served: list[str] = []


class _Error(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: str
    message: str


_told = msgspec.json.Decoder(_Report).decode
_named = msgspec.json.Decoder(_Named).decode
_pins_told = msgspec.json.Decoder(_Pins).decode
_error = msgspec.json.Decoder(_Error).decode


def read_plain(raw: bytes, hints: Hints) -> Violation | None:
    """The violation of a ``pin-report/1``, or None where ``neutral`` has to read it. Raises nothing."""
    try:
        report = _told(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    host = plain_host(report.host)
    content = _content(report.pins, report.error)
    app, os_, sdk = _name(report.app), _name(report.os_), _name(report.sdk)
    install, event, port, weight = report.install_id, report.event_id, report.port, report.weight
    if (
        host is None
        or content is None
        or app is None
        or os_ is None
        or sdk is None
        or app.name is not None
        or os_.id is not None
        or sdk.id is not None
        or report.schema_ != SCHEMA
        or report.outcome != Kind.PIN_MISMATCH
        or (port is not None and not 0 < port < 65536)
        or not 1 <= weight <= 10_000
        or not (_is_id(install) and _is_id(event))
        # Not an id that could stand in the name of an error, from which it would be taken out.
        or (content.error and install is not None and not _UUID.fullmatch(install))
        or not (report.observed_at is None or _TIME.fullmatch(report.observed_at))
        or len(app.version or "") > _VERSION
        or len(sdk.version or "") > _SHORT
        or len(os_.version or "") > _SHORT
        or len(os_.name or "") > _SHORT
        or len(sdk.name or "") > _VERSION
    ):
        return None
    at, trust = client_time(report.observed_at, hints.received_at)
    agent_version, device = android(hints.user_agent)
    return Violation(
        dialect=Dialect.GENERIC,
        host=host,
        port=port,
        kind=Kind.PIN_MISMATCH,
        enforced=report.enforced,
        blocked=report.enforced,
        client_time_raw=report.observed_at,
        client_time=at,
        time_trust=trust,
        known_pins=content.pins,
        served_chain=content.served,
        validated_chain=content.validated,
        app_id=app.id,
        app_version=app.version,
        platform=platform_of(os_.name) or ("ANDROID" if agent_version else None),
        os_version=os_.version or agent_version,
        device=device,
        sdk=sdk.name,
        sdk_version=sdk.version,
        install_id=install,
        event_id=event,
        sampling_fraction=1 / weight if weight > 1 else None,
        error_type=content.error,
    )


def _is_id(text: str | None) -> bool:
    """Whether an id is kept as it stands."""
    return text is None or (
        0 < len(text) <= WORST_ID and text.isascii() and "\x00" not in text and text == text.strip()
    )


def _name(raw: msgspec.Raw) -> _Named | None:
    data = bytes(raw)
    if not data:
        return _NOBODY
    return _name_cached(data) if len(data) <= _NAMES else None


_NOBODY = _Named()


@lru_cache(maxsize=_CACHED)
def _name_cached(data: bytes) -> _Named | None:
    try:
        told = _named(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    texts = (told.id, told.name, told.version)
    return told if all(is_plain(text, _TEXT) for text in texts) else None


@dataclass(frozen=True, slots=True)
class _Content:
    """What a report says of pins and chains, in fields or in an exception's text."""

    pins: PinSet = NO_PINS
    served: Chain = NO_CHAIN
    validated: Chain = NO_CHAIN
    error: str | None = None


def _content(pins: msgspec.Raw, error: msgspec.Raw) -> _Content | None:
    told, text = bytes(pins), bytes(error)
    return _content_cached(told, text) if len(told) + len(text) <= _LARGE else None


@lru_cache(maxsize=_CACHED)
def _content_cached(pins: bytes, error: bytes) -> _Content | None:
    """None also where there are both, or neither says all of it."""
    try:
        if pins:
            return None if error else _fields(_pins_told(pins))
        return _text(_error(error)) if error else _Content()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _fields(told: _Pins) -> _Content | None:
    flags: list[str] = []
    kind = KINDS.get(told.kind.lower()) if len(told.kind) <= 16 and told.kind.isascii() else None
    if kind is None or len(told.served) > WORST_CHAIN:
        return None
    pins = pin_set(read_pins(told.expected, "", flags, kind))
    served = Chain(Slot(hash=value) for value in read_pins(told.served, "", flags, kind))
    return None if flags else _Content(pins, served)


def _text(error: _Error) -> _Content | None:
    found = read_text(error.message)
    if (
        error.type != _UNVERIFIED
        or found is None
        or not found.chain
        or found.flags
        or found.suspect
    ):
        return None
    return _Content(found.known_pins, validated=found.chain, error=_UNVERIFIED)
