"""A request's bytes to items: one object, an array, NDJSON, or one text; gzip, BOM, JSON twice.

An item is the unit of all counting: each becomes a Violation, a Window of connections, an
Ignored, or the ReportError that refuses it,
and one that is refused does not touch its neighbours.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from dataclasses import dataclass

import msgspec

from collector.errors import Reason, ReportError
from collector.model import Ignored, Violation, Window
from collector.reports import quick, quick_neutral
from collector.reports.dialects import Read, read_object, read_text_item
from collector.reports.fields import Hints
from collector.reports.okhttp import read_text

Item = Violation | Window | Ignored | ReportError

READER_FAILED = "a reader failed"  # a fault of ours; tests look for it
_GZIP = b"\x1f\x8b\x08"
_BLANKS = b" \t\r\n\x0b\x0c\x00"
_MEMBERS = 16  # of one gzip body: each costs a copy of what follows it
# Strings, so that what is in them is passed over, and what gives JSON its shape.
_SHAPE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]', re.DOTALL)
_SIGNS = 250_000  # of an array that are looked at: 1,000 reports have a third of it
_ANY = msgspec.json.Decoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may hold, after decompression."""

    body_bytes: int = 4 * 1024 * 1024
    item_bytes: int = 128 * 1024
    items: int = 1000
    depth: int = 32


LIMITS = Limits()


def gunzip(data: bytes, limits: Limits = LIMITS) -> bytes:
    """Raises ReportError: too_large as soon as the limit is passed, not_json for broken gzip."""
    out = bytearray()
    for _ in range(_MEMBERS):
        stream = zlib.decompressobj(wbits=31)
        try:
            out += stream.decompress(data, limits.body_bytes + 1 - len(out))
        except zlib.error as error:
            raise ReportError(Reason.NOT_JSON, "the gzip body is damaged") from error
        if len(out) > limits.body_bytes:
            raise _too_large("body", limits.body_bytes)
        if not stream.eof:
            raise ReportError(Reason.NOT_JSON, "the gzip body is cut")
        data = stream.unused_data
        if not data.startswith(_GZIP):
            return bytes(out)
    raise ReportError(Reason.NOT_JSON, f"gzip in more than {_MEMBERS} parts")


def read_body(body: bytes, hints: Hints, limits: Limits = LIMITS) -> list[Item]:
    """Read a request's body. At least one item, in the order sent.

    Raises ReportError where the body as a whole cannot be split into items.
    """
    if body.startswith(_GZIP):
        body = gunzip(body, limits)
    if body[:1] == b"{" and b"\n" not in body and len(body) <= limits.item_bytes:
        found = None
        if quick.SIGN in body:
            found = quick.read_quick(body, hints)
        elif quick_neutral.SIGN in body:
            found = quick_neutral.read_plain(body, hints)
        if found is not None:
            return [found]
    if len(body) > limits.body_bytes:
        raise _too_large("body", limits.body_bytes)
    body = _utf8(body).strip(_BLANKS)
    if body[:1] == b'"' and b"\n" not in body:
        body = _once_more(body)
    if not body:
        raise ReportError(Reason.NOT_JSON, "the body is empty")
    return [_read(part, hints, limits) for part in _split(body, limits)]


def _too_large(what: str, limit: int) -> ReportError:
    return ReportError(Reason.TOO_LARGE, f"{what} of more than {limit // 1024} KiB")


def _utf8(body: bytes) -> bytes:
    if body.startswith(codecs.BOM_UTF8):
        return body[3:]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return body.decode("utf-16", "replace").encode("utf-8", "replace")
    return body


def _once_more(body: bytes) -> bytes:
    """What a string holds, where that is JSON again (JSON.stringify twice); else the string."""
    try:
        inner = _lenient(body)
    except (ValueError, RecursionError):
        return body
    told = _utf8(str(inner).encode("utf-8", "replace")).strip(_BLANKS)
    return told if told[:1] in (b"{", b"[") else body


def _split(body: bytes, limits: Limits) -> list[bytes]:
    """The raw items of an array or of NDJSON; else the body. Raises ReportError for too many."""
    if body[:1] == b"[":
        return _elements(body, limits) or [body]
    if body[:1] in (b"{", b'"') and b"\n" in body:
        if len(body) > limits.item_bytes and body.count(b"\n") > 4 * limits.items:
            raise _too_many(limits)  # no single object is as large
        lines = [line for line in body.splitlines() if line.strip(_BLANKS)]
        # One object over many lines has no line that is JSON and starts like an item, but the last.
        if len(lines) > 1 and any(line[:1] in b'{["' and _is_json(line) for line in lines[:20]):
            if len(lines) > limits.items:
                raise _too_many(limits)
            return [line.strip(_BLANKS) for line in lines]
    return [body]


def _too_many(limits: Limits) -> ReportError:
    return ReportError(Reason.TOO_LARGE, f"more than {limits.items} items")


def _elements(body: bytes, limits: Limits) -> list[bytes]:
    """An array's elements as they stand, found by its shape alone: what is wrong inside one is that
    one's business. Empty where the brackets do not fit. Stops at the first element too many."""
    found: list[bytes] = []
    depth, start = 0, 1
    for seen, match in enumerate(_SHAPE.finditer(body)):
        sign = match[0]
        if seen > _SIGNS:
            raise ReportError(Reason.TOO_LARGE, f"more than {_SIGNS} brackets, commas and texts")
        if sign in b"[{":
            depth += 1
        elif sign in b"]}":
            depth -= 1
            if depth == 0:
                last = body[start : match.start()].strip(_BLANKS)
                ends = match.end() == len(body) and sign == b"]"
                return [*found, last] if ends and (last or found) else []
        elif sign == b"," and depth == 1:
            found.append(body[start : match.start()].strip(_BLANKS))
            start = match.end()
            if len(found) >= limits.items:
                raise _too_many(limits)
    return []


def _is_json(line: bytes) -> bool:
    try:
        _ANY.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            _lenient(line)
        except (ValueError, RecursionError):
            return False
    return True


def _lenient(raw: bytes) -> object:
    """The standard library's reading: takes lone surrogates and NaN (as null).

    Raises ValueError with the place, or RecursionError.
    """
    return json.loads(
        raw.decode("utf-8", "replace"),
        parse_constant=lambda _: None,
        parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits[:300]),
    )


def _read(raw: bytes, hints: Hints, limits: Limits) -> Item:
    if len(raw) > limits.item_bytes:
        return _too_large("item", limits.item_bytes)
    try:
        if raw[:1] not in b'{["' and not (len(raw) < 64 and _is_json(raw)):
            return read_text_item(raw.decode("utf-8", "replace"), hints)
        return _read_value(_decode(raw, limits), hints, limits)
    except ReportError as error:
        return error
    except Exception as error:  # noqa: BLE001 (an item never touches its neighbours)
        return ReportError(Reason.UNRECOGNISED, f"{READER_FAILED}: {type(error).__name__}")


def _decode(raw: bytes, limits: Limits) -> object:
    try:
        value = _ANY.decode(raw)
    except RecursionError as error:
        raise _too_deep(limits) from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        try:
            value = _lenient(raw)
        except RecursionError as error:
            raise _too_deep(limits) from error
        except ValueError as error:
            text = raw.decode("utf-8", "replace")
            if read_text(text) is not None:  # "[ERROR] Certificate pinning failure! …"
                return text
            raise ReportError(Reason.NOT_JSON, _place(error)) from error
    if (
        raw.count(b"[") + raw.count(b"{") > limits.depth
        and _depth(value, limits.depth) > limits.depth
    ):
        raise _too_deep(limits)
    return value


def _too_deep(limits: Limits) -> ReportError:
    return ReportError(Reason.TOO_DEEP, f"nested more than {limits.depth} levels")


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at line {error.lineno} column {error.colno}"
    return "not JSON"


def _depth(value: object, limit: int) -> int:
    """Levels of nesting, counted no further than ``limit + 1``; not recursive."""
    level, depth = [value], 0
    while depth <= limit:
        containers = [entry for entry in level if isinstance(entry, dict | list)]
        if not containers:
            return depth
        depth += 1
        level = [
            inner
            for entry in containers
            for inner in (entry.values() if isinstance(entry, dict) else entry)
        ]
    return depth


def _read_value(value: object, hints: Hints, limits: Limits, *, again: bool = True) -> Read:
    if isinstance(value, dict):
        return read_object(value, hints)
    if isinstance(value, str):
        text = value.strip()
        if again and text[:1] in ("{", '"'):  # JSON.stringify twice
            inner = _decode(text.encode("utf-8", "replace"), limits)
            return _read_value(inner, hints, limits, again=False)
        return read_text_item(text, hints)
    raise ReportError(Reason.UNRECOGNISED, "not an object, nor a text")
