"""The short way for reports exactly as TrustKit, or our reporter for OkHttp, writes them: most of what
comes in after a rotation.

One typed decode, with chains, pins and texts left as the bytes they are until those bytes are new.
Whatever is not exactly so (an unknown key, another type, an odd text) is read by ``trustkit`` or
``neutral`` instead; what both read, they read alike.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from collector.model import NO_CHAIN, Chain, Dialect, Kind, PinSet, Violation
from collector.reports.agents import android
from collector.reports.certificates import read_chain
from collector.reports.fields import WORST_ID, Hints
from collector.reports.hosts import read_host
from collector.reports.neutral import SCHEMA
from collector.reports.okhttp import Text, read_text
from collector.reports.pins import pin_set, read_pins
from collector.reports.platforms import platform_of
from collector.reports.times import client_time
from collector.reports.trustkit import RESULTS, TEST_APPS

TRUSTKIT, REPORTER = b'"trustkit-version"', b'"pinfall-okhttp"'  # what tells them
_PLATFORMS = frozenset({"IOS", "ANDROID", "MACOS", "OSX", "TVOS", "WATCHOS"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_UNVERIFIED = "javax.net.ssl.SSLPeerUnverifiedException"
_NOTHING = msgspec.Raw(b"")
_CACHED = 1024
_LARGE = 12_288  # bytes of a chain from which on it is read anew each time: 12 MB at the worst
_TEXT, _VERSION, _SHORT, _NAMES = 256, 64, 32, 1024
_SECONDS = len("2026-11-20T11:59:30Z")  # TrustKit writes no fractions


class _Report(
    msgspec.Struct, rename=lambda name: name.replace("_", "-"), forbid_unknown_fields=True, gc=False
):
    """Fields as TrustKit 1.4 and newer write them; the order is that of nobody."""

    app_bundle_id: str
    app_version: str
    app_vendor_id: str
    app_platform: str
    trustkit_version: str
    hostname: str
    noted_hostname: str
    date_time: str
    validation_result: int
    include_subdomains: bool
    enforce_pinning: bool
    known_pins: msgspec.Raw
    validated_certificate_chain: msgspec.Raw
    served_certificate_chain: msgspec.Raw = _NOTHING
    app_platform_version: str | None = None
    known_pins_expiration_date: str | None = None
    port: int = 0


class _Told(
    msgspec.Struct, forbid_unknown_fields=True, gc=False, rename={"os_": "os", "schema_": "schema"}
):
    """Fields as ``docs/okhttp/PinfallReporter.java`` writes them."""

    schema_: str
    event_id: str
    observed_at: str
    host: str
    outcome: str
    error: msgspec.Raw
    app: msgspec.Raw
    os_: msgspec.Raw
    sdk: msgspec.Raw
    install_id: str
    port: int | None = None
    enforced: bool | None = None
    weight: int | float = 1


class _Named(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """``app``, ``os`` or ``sdk``."""

    version: str
    id: str | None = None
    name: str | None = None


class _Error(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    type: str
    message: str


_told = msgspec.json.Decoder(_Told).decode
_named = msgspec.json.Decoder(_Named).decode
_error = msgspec.json.Decoder(_Error).decode
_decode = msgspec.json.Decoder(_Report).decode
_texts = msgspec.json.Decoder(list[str]).decode


def read_quick(raw: bytes, hints: Hints) -> Violation | None:
    """The violation, or None where ``trustkit`` has to read it. Raises nothing."""
    try:
        report = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    host, noted = _host(report.hostname), _host(report.noted_hostname)
    validated = _chain(report.validated_certificate_chain)
    served = _chain(report.served_certificate_chain)
    pins = _pins(report.known_pins)
    platform, vendor = report.app_platform, report.app_vendor_id
    kind = RESULTS.get(report.validation_result)
    if (
        host is None
        or noted is None
        or validated is None
        or served is None
        or pins is None
        or kind is None
        or platform not in _PLATFORMS
        or report.port != 0
        or not vendor.isascii()
        or "\x00" in vendor
        or vendor != vendor.strip()
        or not 0 < len(vendor) <= WORST_ID
        or len(report.date_time) != _SECONDS
        or not _TIME.fullmatch(report.date_time)
        or not _is_plain(report.app_bundle_id, _TEXT)
        or not _is_plain(report.app_version, _VERSION)
        or not _is_plain(report.trustkit_version, _SHORT)
        or not _is_plain(report.app_platform_version, _SHORT)
        or not _is_plain(report.known_pins_expiration_date, _VERSION)
    ):
        return None
    on_android = platform == "ANDROID"
    at, trust = client_time(report.date_time, hints.received_at, local_labelled_utc=on_android)
    agent_version, device = android(hints.user_agent)
    app = report.app_bundle_id
    return Violation(
        dialect=Dialect.TRUSTKIT_ANDROID if on_android else Dialect.TRUSTKIT_IOS,
        host=host,
        noted_host=noted,
        kind=kind,
        include_subdomains=report.include_subdomains,
        enforced=report.enforce_pinning,
        blocked=True if kind is not Kind.PIN_MISMATCH else report.enforce_pinning,
        client_time_raw=report.date_time,
        client_time=at,
        time_trust=trust,
        known_pins=pins,
        served_chain=served,
        validated_chain=validated,
        pins_expire=report.known_pins_expiration_date,
        app_id=app,
        app_version=report.app_version,
        platform=platform,
        os_version=report.app_platform_version or agent_version,
        device=device,
        sdk="trustkit-android" if on_android else "trustkit-ios",
        sdk_version=report.trustkit_version,
        install_id=vendor,
        test=app in TEST_APPS or vendor == "unit-tests",
    )


def read_told(raw: bytes, hints: Hints) -> Violation | None:
    """The violation of our reporter, or None where ``neutral`` has to read it. Raises nothing."""
    try:
        report = _told(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    host = _host(report.host)
    text = _text(report.error)
    app, os_, sdk = _name(report.app), _name(report.os_), _name(report.sdk)
    install, event, port, weight = report.install_id, report.event_id, report.port, report.weight
    if (
        host is None
        or text is None
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
        or not _UUID.fullmatch(install)
        or not _UUID.fullmatch(event)
        or not _TIME.fullmatch(report.observed_at)
        or len(app.version) > _VERSION
        or len(sdk.version) > _SHORT
        or len(os_.version) > _SHORT
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
        known_pins=text.known_pins,
        validated_chain=text.chain,
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
        error_type=_UNVERIFIED,
    )


def _is_plain(text: str | None, limit: int) -> bool:
    """Whether a text is kept as it stands."""
    return text is None or (len(text) <= limit and _plain_cached(text))


@lru_cache(maxsize=_CACHED)
def _plain_cached(text: str) -> bool:
    return text.isascii() and "@" not in text and "://" not in text and "\x00" not in text


def _name(raw: msgspec.Raw) -> _Named | None:
    data = bytes(raw)
    return _name_cached(data) if len(data) <= _NAMES else None


@lru_cache(maxsize=_CACHED)
def _name_cached(data: bytes) -> _Named | None:
    try:
        told = _named(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    texts = (told.id, told.name, told.version)
    return told if all(_is_plain(text, _TEXT) for text in texts) else None


def _text(raw: msgspec.Raw) -> Text | None:
    """What the exception's text says, where it says all of it."""
    data = bytes(raw)
    return _text_cached(data) if len(data) <= _LARGE else None


@lru_cache(maxsize=_CACHED)
def _text_cached(data: bytes) -> Text | None:
    try:
        error = _error(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    found = read_text(error.message)
    if (
        error.type != _UNVERIFIED
        or found is None
        or not found.chain
        or found.flags
        or found.suspect
    ):
        return None
    return found


def _host(text: str) -> str | None:
    """None where a port stands with it, or it is no host."""
    if len(text) > 255:
        return None
    try:
        host, port = read_host(text)
    except ValueError:
        return None
    return host if port is None and text.strip() else None


def _chain(raw: msgspec.Raw) -> Chain | None:
    """None where a place cannot be read, or it is no list of texts."""
    data = bytes(raw)
    if not data:
        return NO_CHAIN
    return _chain_cached(data) if len(data) <= _LARGE else _read_chain(data)


def _read_chain(data: bytes) -> Chain | None:
    try:
        told = _texts(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    flags: list[str] = []
    chain = read_chain(told, "", flags)
    return None if flags else chain


_chain_cached = lru_cache(maxsize=_CACHED)(_read_chain)


def _pins(raw: msgspec.Raw) -> PinSet | None:
    data = bytes(raw)
    return _pins_cached(data) if len(data) <= _LARGE else None


@lru_cache(maxsize=_CACHED)
def _pins_cached(data: bytes) -> PinSet | None:
    try:
        told = _texts(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    flags: list[str] = []
    pins = pin_set(read_pins(told, "", flags))
    return None if flags else pins
