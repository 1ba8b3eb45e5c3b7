"""Readers of what releases ship: a file's bytes to pin sets. One module a format, one list of formats;
which one it is shows in the content, never in the name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from collector.errors import PinfallError
from collector.pins.model import ShippedPinSet
from collector.pins.readers import (
    network_security,
    ns_pinned,
    okhttp,
    own,
    ssl_manager,
    trustkit_ios,
)
from collector.pins.readers.document import LIMIT, Document, opened
from collector.pins.readers.values import Notes

Reader = Callable[[Document, Notes], list[ShippedPinSet] | None]

# An Info.plist may hold two of them: each that finds something adds it.
FORMATS: tuple[tuple[str, Reader], ...] = (
    (trustkit_ios.NAME, trustkit_ios.read),
    (ns_pinned.NAME, ns_pinned.read),
    (network_security.NAME, network_security.read),
    (ssl_manager.NAME, ssl_manager.read),
    (own.NAME, own.read),
    (okhttp.NAME, okhttp.read),
)
MOST = 500  # pin sets of a file
_NAME = 200  # characters of a file's name that are kept

__all__ = ["FORMATS", "LIMIT", "MOST", "PinFile", "read", "read_file"]


@dataclass(frozen=True, slots=True)
class PinFile:
    """What a file holds. ``warnings``: what was left out of it, and what looks wrong."""

    sets: tuple[ShippedPinSet, ...]
    warnings: tuple[str, ...]


def read_file(data: bytes, name: str) -> PinFile:
    """Raises PinfallError, one line that begins with the file's name."""
    notes = Notes()
    source = "".join(c for c in name if c.isprintable())[-_NAME:]
    try:
        document = opened(data, name)
        sets = [told for _, reader in FORMATS if (told := reader(document, notes)) is not None]
        found = [replace(one, source=source) for told in sets for one in told]
        if not sets:
            raise PinfallError(
                "is no file with pins that is known: TrustKit (plist, JSON, XML), Android's"
                " network-security-config, NSPinnedDomains, OkHttp source, ssl_config.json, pins.json"
            )
        if not found:
            raise PinfallError("; ".join(["has no pin set that can be read", *notes.warnings[:3]]))
        if len(found) > MOST:
            raise PinfallError(f"more than {MOST} pin sets")
    except PinfallError as error:
        raise PinfallError(f"{source}: {error}") from None
    return PinFile(tuple(found), tuple(notes.warnings))


def read(data: bytes, name: str) -> list[ShippedPinSet]:
    """The pin sets alone. Raises PinfallError, one line that begins with the file's name."""
    return list(read_file(data, name).sets)
