"""What a request to the API says: its query, its JSON, and where a page begins. Mistakes are one
line, and a parameter that is not known is one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import asyncpg
from aiohttp import web

from collector.errors import PinfallError
from collector.metrics import OTHER, UNKNOWN
from collector.reports.hosts import read_pattern
from collector.reports.line import utc
from collector.reports.times import parse_time

MOST = 1000  # of one page
USUAL = 100
_NAME = 64
_TEXT = 300
_DAY = re.compile(r"\d{4}-\d\d-\d\d[Tt ]", re.ASCII)
Read = Callable[[str], object]


def text(value: str) -> str:
    if len(value) > _TEXT or "\x00" in value:
        raise ValueError("is too long, or no text")
    return value


def time(value: str) -> datetime:
    at = parse_time(value) if _DAY.match(value) else None
    if at is None or at.year < 1970:
        raise ValueError("should be a time such as 2026-11-20T06:16:13Z")
    return at


def hex_of(size: int) -> Read:
    """Bytes of this size, written as hex."""

    def read(value: str) -> bytes:
        if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * size}}}", value):
            raise ValueError(f"should be {2 * size} hexadecimal digits")
        return bytes.fromhex(value)

    return read


def limit(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= MOST):
        raise ValueError(f"should be a number from 1 to {MOST}")
    return int(value)


def one_of(*choices: str) -> Read:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError("should be " + ", ".join(choices))
        return value

    return read


def query(request: web.Request, known: Mapping[str, Read]) -> dict[str, Any]:
    """The parameters that are there, read. Raises PinfallError."""
    told: dict[str, Any] = {}
    for name, value in request.query.items():
        read = known.get(name)
        if read is None:
            raise PinfallError(f"{name[:80]}: no such parameter; there are {', '.join(known)}")
        if name in told:
            raise PinfallError(f"{name}: may be given once")
        try:
            told[name] = read(value)
        except ValueError as error:
            raise PinfallError(f"{name}: {error}") from None
    return told


def cursor(*place: object) -> str:
    """Where a page ended, opaque to whoever gets it."""
    told = [
        {"t": p.isoformat()}
        if isinstance(p, datetime)
        else {"b": p.hex()}
        if isinstance(p, bytes)
        else p
        for p in place
    ]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def cursor_of(*kinds: type) -> Read:
    """Undo ``cursor``, for values of these kinds."""

    def value(part: object) -> object:
        if isinstance(part, dict) and len(part) == 1:
            if isinstance(part.get("t"), str):
                at = datetime.fromisoformat(part["t"])
                return at if at.tzinfo else None
            if isinstance(part.get("b"), str):
                return bytes.fromhex(part["b"])
        return part

    def read(told: str) -> tuple[object, ...]:
        try:
            raw = base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))
            place = tuple(value(part) for part in json.loads(raw))
        except (ValueError, TypeError, RecursionError):
            place = ()
        fits = len(place) == len(kinds) and all(
            type(part) is kind for part, kind in zip(place, kinds, strict=True)
        )
        if not fits:
            raise ValueError("should be the 'next' of an earlier page")
        return place

    return read


async def body(request: web.Request, known: Mapping[str, bool]) -> dict[str, Any]:
    """The JSON object of a request. known: its fields, and whether each has to be there."""
    try:
        told = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise PinfallError("the body is not JSON") from error
    if not isinstance(told, dict):
        raise PinfallError("the body is not a JSON object")
    for field in told:
        if field not in known:
            raise PinfallError(f"{field[:80]}: no such field; there are {', '.join(known)}")
    for field, needed in known.items():
        if needed and told.get(field) is None:
            raise PinfallError(f"{field}: is missing")
    return told


def name(told: Mapping[str, Any], field: str) -> str:
    """A name of a person's choice. Raises PinfallError."""
    value = told.get(field)
    if not isinstance(value, str) or not value.strip():
        raise PinfallError(f"{field}: should be a text")
    value = value.strip()
    if value == UNKNOWN:
        raise PinfallError(f"{field}: '{value}' stands for keys that are not known")
    if len(value) > _NAME or not value.isprintable():
        raise PinfallError(f"{field}: should be at most {_NAME} printable characters")
    if "/" in value or value in (".", ".."):
        raise PinfallError(f"{field}: '{value}' cannot stand in a URL")
    return value


def patterns(told: Mapping[str, Any], field: str = "hosts") -> list[str]:
    """Host patterns in canonical form, each once, in order. Raises PinfallError."""
    values = told.get(field)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise PinfallError(f"{field}: should be a list of texts")
    if len(values) > MOST:
        raise PinfallError(f"{field}: at most {MOST}")
    found: dict[str, None] = {}
    for value in values:
        try:
            pattern = read_pattern(value)
        except ValueError as error:
            raise PinfallError(f"{field}: '{value[:80]}': {error}") from None
        if pattern == OTHER:
            raise PinfallError(f"{field}: '{OTHER}' stands for hosts that are not admitted")
        found[pattern] = None
    return list(found)


def boolean(told: Mapping[str, Any], field: str) -> bool:
    value = told.get(field, False)
    if not isinstance(value, bool):
        raise PinfallError(f"{field}: should be true or false")
    return value


def plain(row: asyncpg.Record | Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON says it: times in RFC 3339, bytes as hex."""
    return {
        key: utc(value)
        if isinstance(value, datetime)
        else value.isoformat()
        if isinstance(value, date)
        else value.hex()
        if isinstance(value, bytes)
        else value
        for key, value in row.items()
    }
