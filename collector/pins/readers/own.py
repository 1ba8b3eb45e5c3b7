"""pins.json, a plain format of our own (docs/pins.md). What the API takes reads the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from collector.errors import PinfallError
from collector.pins.model import ShippedPinSet
from collector.pins.readers.document import Document, Shape
from collector.pins.readers.quoting import quoted
from collector.pins.readers.values import (
    Notes,
    Prefix,
    read_day,
    read_name,
    read_pins,
    read_switch,
    read_text,
    read_uris,
)
from collector.pins.release import RELEASE, Release, read_release
from collector.reports.times import parse_time

NAME = "pinfall"
SCHEMA = "pinfall.pins/1"
_FIELDS = (
    "host", "pins", "include_subdomains", "enforced", "expires", "report_uris", "default_report_uri",
    "format", "source", *RELEASE,
)  # fmt: skip
_STAR = "begin the host with *. for one label, or say include_subdomains"
_TOP = ("schema", "sets", *RELEASE)


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the file is other JSON."""
    root = document.value
    if document.shape is not Shape.JSON or not isinstance(root, Mapping):
        return None
    schema = root.get("schema")
    if "sets" not in root and not (isinstance(schema, str) and schema.startswith("pinfall.pins/")):
        return None
    if schema != SCHEMA:
        raise PinfallError(f"schema: {quoted(schema)} should be {SCHEMA}")
    _known(root, _TOP, "the file")
    sets = read_sets(root.get("sets"), notes, read_release(root))
    return [replace(one, format=NAME) for one in sets]


def read_sets(told: object, notes: Notes, around: Release) -> list[ShippedPinSet]:
    """around: what counts for the sets that do not say themselves."""
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise PinfallError("sets: should be a list of pin sets")
    return [_set(entry, place, notes, around) for place, entry in enumerate(told, 1)]


def _set(entry: object, place: int, notes: Notes, around: Release) -> ShippedPinSet:
    if not isinstance(entry, Mapping):
        raise PinfallError(f"set {place}: should be an object")
    _known(entry, _FIELDS, f"set {place}")
    name = entry.get("host")
    star = isinstance(name, str) and name.strip().startswith("*.")
    try:
        host = read_name(
            name.strip()[2:] if star and isinstance(name, str) else name, wildcards=_STAR
        )
    except PinfallError as error:
        raise PinfallError(f"set {place}: {error}") from None
    host = f"*.{host}" if star else host
    pins = read_pins(entry.get("pins"), notes, host, Prefix.EITHER, sha1=True)
    under = read_switch(entry.get("include_subdomains"), f"{host}: include_subdomains", False)
    if star and under:
        raise PinfallError(f"{host}: '*.' is one label; leave it out for include_subdomains")
    enforced = entry.get("enforced")
    made = ShippedPinSet(
        host=host,
        pins=pins,
        include_subdomains=under,
        enforced=None if enforced is None else read_switch(enforced, f"{host}: enforced", True),
        expires=_time(entry.get("expires"), f"{host}: expires"),
        report_uris=read_uris(entry.get("report_uris"), f"{host}: report_uris"),
        default_report_uri=read_switch(
            entry.get("default_report_uri"), f"{host}: default_report_uri", False
        ),
        format=read_text(entry.get("format"), f"{host}: format", 40) or NAME,
        source=read_text(entry.get("source"), f"{host}: source") or "",
    )
    try:
        return read_release(entry).over(around).of(made)
    except PinfallError as error:
        raise PinfallError(f"{host}: {error}") from None


def _known(told: Mapping[Any, Any], fields: Sequence[str], where: str) -> None:
    for field in told:
        if field not in fields:
            raise PinfallError(
                f"{where}: {quoted(field)} is no field; there are {', '.join(fields)}"
            )


def _time(value: object, name: str) -> datetime | None:
    """A day, or a time with its zone."""
    if isinstance(value, str) and "T" in value:
        at = parse_time(value)
        if at is None:
            raise PinfallError(f"{name}: {quoted(value)} is no time such as 2027-01-31T00:00:00Z")
        return at
    return read_day(value, name)


def as_entry(one: ShippedPinSet) -> dict[str, Any]:
    """A pin set as ``read_sets`` reads it; what says nothing is left out."""
    told: dict[str, Any] = {
        "host": one.host,
        "pins": [str(pin) for pin in one.pins],
        "include_subdomains": one.include_subdomains,
        "app": one.app,
        "platform": one.platform,
        "version_from": one.version_from,
        "version_to": one.version_to,
        "enforced": one.enforced,
        "starts": one.starts.isoformat() if one.starts else None,
        "expires": one.expires.isoformat() if one.expires else None,
        "report_uris": list(one.report_uris),
        "default_report_uri": one.default_report_uri,
        "format": one.format,
        "source": one.source,
    }
    silent = {"include_subdomains": False, "default_report_uri": False, "report_uris": []}
    return {
        key: value
        for key, value in told.items()
        if value is not None and value != "" and not (key in silent and value == silent[key])
    }
