"""Which operator a network belongs to, by a table that an operator of ours supplied: MMDB or TSV.

MMDB: any database with an ``autonomous_system_number``, or an ``asn`` such as "AS64500" or 64500. TSV: first
address, last address, number, and what follows is not read, as iptoasn.com publishes it; sorted or not, .gz
or not; number 0 is nobody's.
"""

from __future__ import annotations

import gzip
import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import maxminddb

from collector.errors import SettingsError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_MOST = 5_000_000  # lines
_WORST = 8  # mistakes that are told
_NUMBER = re.compile(r"(?:AS)?([0-9]{1,10})", re.IGNORECASE)


class AsnTable(Protocol):
    def number(self, address: IPAddress) -> int | None:
        """Of the autonomous system that announces it; None where the table does not say."""
        ...


class Mmdb:
    def __init__(self, path: Path) -> None:
        try:
            self._reader = maxminddb.open_database(path)
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise SettingsError(f"PINFALL_ASN_DB: {path} is no MMDB: {error}") from None
        self.number = lru_cache(maxsize=32_768)(self._number)

    def _number(self, address: IPAddress) -> int | None:
        try:
            found = self._reader.get(address)
        except ValueError:  # an IPv6 address, and a database of IPv4 alone
            return None
        if not isinstance(found, dict):
            return None
        told = found.get("autonomous_system_number", found.get("asn"))
        match = _NUMBER.fullmatch(str(told))
        return (int(match[1]) or None) if match else None


class Tsv:
    """Ranges of addresses, each family sorted by its first."""

    def __init__(self, lines: Iterable[str], name: str) -> None:
        ranges: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        mistakes: list[str] = []
        for place, line in enumerate(lines, 1):
            if place > _MOST:
                raise SettingsError(f"PINFALL_ASN_DB: {name} has more than {_MOST} lines")
            if not line.strip() or line.startswith("#"):
                continue
            try:
                first, last, number = _range(line)
            except ValueError:
                mistakes.append(f"line {place}")
                continue
            if number:
                ranges[first.version].append((int(first), int(last), number))
        if mistakes:
            more = "" if len(mistakes) <= _WORST else f" and {len(mistakes) - _WORST} more"
            raise SettingsError(
                f"PINFALL_ASN_DB: {name}: not 'first<TAB>last<TAB>number': {', '.join(mistakes[:_WORST])}{more}"
            )
        if not ranges[4] and not ranges[6]:
            raise SettingsError(f"PINFALL_ASN_DB: {name} names no operator")
        self._ranges = {version: sorted(found) for version, found in ranges.items()}
        self._firsts = {v: [first for first, _, _ in r] for v, r in self._ranges.items()}

    def number(self, address: IPAddress) -> int | None:
        place = bisect_right(self._firsts[address.version], int(address)) - 1
        if place < 0:
            return None
        _, last, number = self._ranges[address.version][place]
        return number if int(address) <= last else None


def _range(line: str) -> tuple[IPAddress, IPAddress, int]:
    first, last, number = line.rstrip("\r\n").split("\t")[:3]
    a, b = ipaddress.ip_address(first.strip()), ipaddress.ip_address(last.strip())
    match = _NUMBER.fullmatch(number.strip())
    if match is None or a.version != b.version or int(a) > int(b):
        raise ValueError(line)
    return a, b, int(match[1])


def open_table(path: Path) -> AsnTable:
    """By the file's name. Raises SettingsError in one line; OSError where it cannot be read."""
    if path.suffix == ".mmdb":
        with path.open("rb"):  # an OSError names the file
            return Mmdb(path)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        try:
            return Tsv(lines, str(path))
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise SettingsError(f"PINFALL_ASN_DB: {path}: {error}") from None
