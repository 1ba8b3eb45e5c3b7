"""The short way for reports exactly as TrustKit writes them: most of what comes in after a rotation.

One typed decode, with chains and pins left as the bytes they are until those bytes are new. Whatever
is not exactly as TrustKit writes it (an unknown key, another type, an odd text) is read by
``trustkit`` instead; what both read, they read alike.
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
from collector.reports.pins import pin_set, read_pins
from collector.reports.times import client_time
from collector.reports.trustkit import RESULTS, TEST_APPS

SIGN = b'"trustkit-version"'
_PLATFORMS = frozenset({"IOS", "ANDROID", "MACOS", "OSX", "TVOS", "WATCHOS"})
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_NOTHING = msgspec.Raw(b"")
_CACHED = 1024
_LARGE = 12_288  # bytes of a chain from which on it is read anew each time: 12 MB at the worst
_TEXT, _VERSION, _SHORT = 256, 64, 32


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


def _is_plain(text: str | None, limit: int) -> bool:
    """Whether a text is kept as it stands."""
    return text is None or (
        len(text) <= limit
        and text.isascii()
        and "@" not in text
        and "://" not in text
        and "\x00" not in text
    )


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
