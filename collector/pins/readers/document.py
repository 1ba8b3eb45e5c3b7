"""A file's bytes to what is in it: a property list, JSON, XML or text. Bounded, and without entities."""

from __future__ import annotations

import codecs
import json
import plistlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from collector.errors import PinfallError
from collector.pins.readers.quoting import quoted

LIMIT = 4 * 1024 * 1024  # bytes of a file
_ENTITIES = "XML entities are refused: write the values themselves"
_BINARY = b"bplist00"
_COMPILED = b"\x03\x00\x08\x00"  # Android's binary XML
_ZIP = b"PK\x03\x04"
_ROOT = re.compile(r"[A-Za-z_][\w.:-]{0,100}")


class Shape(StrEnum):
    PLIST = "plist"
    JSON = "json"
    XML = "xml"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Document:
    """``value``: what a parser made of it: dicts and lists, or the root element; of text, the text."""

    name: str
    shape: Shape
    value: Any = field(repr=False)


class _Once(dict[Any, Any]):
    """A dictionary in which a key stands once: parsers keep the last one without a word."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if key in self:
            raise PinfallError(f"{quoted(key)} stands twice")
        super().__setitem__(key, value)


def opened(data: bytes, name: str) -> Document:
    """Raises PinfallError, in one line and without the file's name."""
    if len(data) > LIMIT:
        raise PinfallError(f"is larger than {LIMIT // 1024**2} MiB")
    if not data.strip():
        raise PinfallError("is empty")
    if data.startswith(_BINARY):
        return Document(name, Shape.PLIST, _plist(data, plistlib.FMT_BINARY))
    if data.startswith(_COMPILED):
        raise PinfallError("is compiled XML of Android: give the source, res/xml/…")
    if data.startswith(_ZIP):
        raise PinfallError("is an archive: give the file with the pins that is in it")
    text = _text(data)
    stripped = text.lstrip()
    if stripped.startswith("<"):
        if "<!ENTITY" in text:
            raise PinfallError(_ENTITIES)
        if _root(stripped) == "plist":
            return Document(name, Shape.PLIST, _plist(text.encode(), plistlib.FMT_XML))
        return Document(name, Shape.XML, _xml(stripped))
    if stripped.startswith(("{", "[")):
        return Document(name, Shape.JSON, _json(text))
    return Document(name, Shape.TEXT, text)


def _text(data: bytes) -> str:
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise PinfallError("is neither text nor a property list") from None
    if "\x00" in text:
        raise PinfallError("is neither text nor a property list")
    return text


def _root(text: str) -> str | None:
    """The name of the first element. Linear, whatever stands before it."""
    place = 0
    for _ in range(100):  # comments and instructions before it
        place = text.find("<", place)
        if place < 0:
            return None
        for opens, closes in (("<?", "?>"), ("<!--", "-->"), ("<!", ">")):
            if text.startswith(opens, place):
                place = text.find(closes, place + len(opens))
                break
        else:
            match = _ROOT.match(text, place + 1)
            return match[0] if match else None
        if place < 0:
            return None
    return None


def _plist(data: bytes, fmt: plistlib.PlistFormat) -> Any:
    try:
        return plistlib.loads(_declared(data), fmt=fmt, dict_type=_Once)
    except PinfallError:
        raise
    except Exception as error:  # noqa: BLE001 (its parser raises whatever its own code ran into)
        if "entity" in str(error).lower():
            raise PinfallError(_ENTITIES) from None
        raise PinfallError("is no property list that can be read") from None


def _declared(data: bytes) -> bytes:
    """Without the encoding that XML declares: it was decoded already."""
    return re.sub(
        rb"\A(\s{0,99}<\?xml[^>]{0,200}?)\s+encoding\s*=\s*[\"'][\w.-]{1,40}[\"']", rb"\1", data
    )


def _xml(text: str) -> Any:
    try:
        return fromstring(text)
    except DefusedXmlException:
        raise PinfallError(_ENTITIES) from None
    except ParseError as error:
        line, column = error.position
        raise PinfallError(f"is no XML: line {line}, column {column + 1}") from None
    except (ValueError, LookupError):
        raise PinfallError("is no XML") from None


def _json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = _Once()
        for key, value in pairs:
            made[key] = value
        return made

    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise PinfallError(f"is no JSON: line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise PinfallError("is no JSON that can be read") from None
