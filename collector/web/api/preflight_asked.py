"""What a request to preflight says: chains, pin sets, shares, rows of an import. Mistakes are one line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from collector.detect.adoption import Use
from collector.detect.client_paths import Path, path_of
from collector.errors import PinfallError
from collector.pins.model import ShippedPinSet
from collector.probing.roots import public_certificates
from collector.reports.hosts import read_host
from collector.reports.pem import ChainFile, read_chain_file
from collector.reports.pins import parse_pin
from collector.web.api import asked

_TEXTS = ("app", "platform", "version_from", "version_to", "source")
FAR = datetime.max.replace(tzinfo=UTC)


def host_of(value: object) -> str:
    """A lower-case A-label. Raises PinfallError."""
    if not isinstance(value, str):
        raise PinfallError("host: should be a text")
    try:
        return read_host(value)[0]
    except ValueError as error:
        raise PinfallError(f"host: '{value[:80]}': {error}") from None


def path_of_files(file: ChainFile, issuer: ChainFile | None) -> Path:
    return path_of(
        file.request or file.chain,
        (*issuer.chain, *issuer.others) if issuer else (),
        public_certificates(),
    )


def share_of(value: object) -> float | None:
    """0.001, "0.1%" or "0.1 %" as a share. Raises PinfallError."""
    if value is None:
        return None
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    number = text.removesuffix("%").strip()
    try:
        share = float(number) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if isinstance(value, bool) or not 0 <= share <= 1:
        raise PinfallError("max_share: should be a share such as 0.1% or 0.001")
    return share


def file_of(told: Mapping[str, Any], field: str, host: str | None = None) -> ChainFile:
    value = told[field]
    if not isinstance(value, str):
        raise PinfallError(f"{field}: should be PEM, as one text")
    try:
        return read_chain_file(value.encode("utf-8", "replace"), host)
    except PinfallError as error:
        raise PinfallError(f"{field}: {error}") from None


def time_of(told: Mapping[str, Any], now: datetime) -> datetime:
    value = told.get("at")
    if value is None:
        return now
    try:
        at = asked.time(value) if isinstance(value, str) else None
    except ValueError as error:
        raise PinfallError(f"at: {error}") from None
    if not isinstance(at, datetime) or at.year > 9000:
        raise PinfallError("at: should be a time such as 2026-11-20T06:16:13Z")
    return at


def objects(told: Mapping[str, Any], field: str, most: int) -> list[dict[str, Any]]:
    values = told.get(field)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise PinfallError(f"{field}: should be a list of objects")
    if len(values) > most:
        raise PinfallError(f"{field}: at most {most}")
    return values


def pin_set_of(told: Mapping[str, Any]) -> ShippedPinSet:
    """As a command read it from a file."""
    known = ("host", "include_subdomains", "pins", "enforced", "expires", "format", *_TEXTS)
    for field in told:
        if field not in known:
            raise PinfallError(f"pin_sets: {str(field)[:80]}: no such field")
    texts: dict[str, Any] = {field: told.get(field) for field in (*_TEXTS, "format")}
    if any(v is not None and (not isinstance(v, str) or len(v) > 300) for v in texts.values()):
        raise PinfallError(f"pin_sets: {', '.join(texts)} should be short texts")
    pins = told.get("pins")
    if not isinstance(pins, list) or not all(isinstance(pin, str) for pin in pins):
        raise PinfallError("pin_sets: pins should be a list of texts")
    parsed = [parse_pin(pin) for pin in pins]
    if None in parsed:
        raise PinfallError("pin_sets: a pin is sha256/…")
    enforced = told.get("enforced")
    if not isinstance(enforced, bool | None):
        raise PinfallError("pin_sets: enforced should be true, false or null")
    expires = time_of({"at": told["expires"]}, FAR) if told.get("expires") else None
    return ShippedPinSet(
        host=_pattern(told.get("host")),
        include_subdomains=asked.boolean(told, "include_subdomains"),
        pins=tuple(sorted(pin for pin in parsed if pin is not None)),
        enforced=enforced,
        expires=expires,
        source=texts["source"] or "",
        format=texts["format"] or "",
        app=texts["app"],
        platform=texts["platform"],
        version_from=texts["version_from"],
        version_to=texts["version_to"],
    )


def _pattern(value: object) -> str:
    """A host, with ``*.`` before it where that stands for one label."""
    if isinstance(value, str) and value.startswith("*."):
        return "*." + host_of(value[2:])
    return host_of(value)


def use_of(told: Mapping[str, Any], today: date) -> Use:
    values = {name: told.get(name) for name in ("app", "platform", "version")}
    if not all(isinstance(v, str) and len(v) <= 64 and v.isprintable() for v in values.values()):
        raise PinfallError(
            "rows: app, platform and version should be texts of at most 64 characters"
        )
    uses = told.get("uses")
    if isinstance(uses, bool) or not isinstance(uses, int | float) or not 0 <= uses <= 1e12:
        raise PinfallError("rows: uses should be a number from 0 to 10^12")
    try:
        day = date.fromisoformat(str(told.get("day")))
    except ValueError:
        raise PinfallError("rows: day should be a date such as 2026-11-20") from None
    if not today - timedelta(days=366) <= day <= today + timedelta(days=1):
        raise PinfallError(f"rows: {day} is not in the last year")
    texts = {name: str(value).strip() for name, value in values.items()}
    return Use(
        **{**texts, "platform": texts["platform"].upper()},
        day=day,
        source="imported",
        uses=float(uses),
    )
