"""Fields of a report, read leniently: an optional field never rejects a report.

What is repaired or cannot be read leaves a flag: ``coerced:port``, ``unreadable:known-pins``,
``scrubbed:app-version``, ``cut:message``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from collector.errors import Reason, ReportError
from collector.model import TimeTrust
from collector.reports.hosts import read_host
from collector.reports.personal import without_personal
from collector.reports.texts import clean
from collector.reports.times import client_time

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_INTEGER = re.compile(r"\s{0,4}-?[0-9]{1,15}\s{0,4}")
WORST_ID = 128  # characters; a longer id is told by its hash, so that two of them stay two
_NAME = 256  # characters kept of a name or a version


_BIG = 1e20  # no port, count or time is as large
_COMMON_NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9._ -]{0,200}[a-z0-9_])?")
_RELEASE = re.compile(r"([A-Za-z0-9._-]{1,128})@([0-9][0-9A-Za-z.+-]{0,63})")
_UNSAFE_TIME = re.compile(r"[@/\\<>&\"]")


@dataclass(frozen=True, slots=True)
class Hints:
    """What the transport says beside the body.

    received_at: None where it is not known (``pinfall parse`` without ``--received-at``).
    """

    received_at: datetime | None = None
    user_agent: str | None = None


class Fields:
    """One JSON object being read. Keys that were not asked for are left in ``rest``."""

    def __init__(
        self, item: Mapping[str, object], flags: list[str] | None = None, prefix: str = ""
    ) -> None:
        self.name = prefix  # "app." for the fields within "app"
        self.rest: dict[str, object] = dict(item)
        self.flags: list[str] = [] if flags is None else flags

    def raw(self, *names: str) -> object:
        """The first of the names that is there, as decoded; None where none is, or is null."""
        for name in names:
            value = self.rest.pop(name, None)
            if value is not None:
                return value
        return None

    def within(self, name: str) -> Fields:
        """The object under ``name``, empty where there is none. Shares the flags."""
        value = self.raw(name)
        if value is not None and not isinstance(value, dict):
            self._flag("unreadable", name)
            self.rest[name] = value
            value = None
        return Fields(value or {}, self.flags, f"{self.name}{name}.")

    def _flag(self, what: str, name: str) -> None:
        self.flags.append(f"{what}:{self.name}{name}")

    def text(self, *names: str, limit: int = _NAME) -> str | None:
        """A string; a number is taken as one. A string that holds NUL or a lone surrogate names
        nothing: it is left among the unknown keys, scrubbed."""
        for name in names:
            value = self.raw(name)
            if value is None:
                continue
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._flag("coerced", name)
                value = str(value)[:limit] if abs(value) < _BIG else None
                if value is None:
                    continue
            if not isinstance(value, str):
                self._flag("unreadable", name)
                self.rest[name] = value
                continue
            scrubbed = clean(value)
            if scrubbed != value:
                self._flag("scrubbed", name)
                self.rest[name] = scrubbed[:limit]
                continue
            if "@" in value or "://" in value:  # no name or version of anything has these
                self._flag("private", name)
                value = without_personal(value[: 2 * limit])
            if len(value) > limit:
                self._flag("cut", name)
            return value[:limit]
        return None

    def identifier(self, *names: str) -> str | None:
        """An opaque id, whole: one of more than 128 characters is told by its SHA-256."""
        for name in names:
            value = self.raw(name)
            if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _BIG:
                value = str(value)
            if isinstance(value, str):
                value = clean(value).strip()
                if len(value) > WORST_ID:
                    self._flag("hashed", name)
                    value = sha256(value.encode()).hexdigest()
                if value:
                    return value
            elif value is not None:
                self._flag("unreadable", name)
        return None

    def long_text(self, *names: str, limit: int = 32_768) -> str | None:
        """A message: NUL and surrogates are replaced, and what is over ``limit`` is cut."""
        value = self.raw(*names)
        if not isinstance(value, str):
            return None
        if len(value) > limit:
            self._flag("cut", names[0])
        return clean(value[:limit])

    def integer(self, name: str) -> int | None:
        value = self.raw(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
            return int(value)
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            self._flag("coerced", name)
            return int(value)
        self._flag("unreadable", name)
        return None

    def port(self, name: str = "port") -> int | None:
        """1 to 65535. Both TrustKits send 0 always: unknown."""
        value = self.integer(name)
        if value is not None and 0 < value < 65536:
            return value
        if value:
            self._flag("unreadable", name)
        return None

    def boolean(self, *names: str) -> bool | None:
        value = self.raw(*names)
        if value is None or isinstance(value, bool):
            return value
        told = str(value).strip().lower() if isinstance(value, str | int) else ""
        if told in _TRUE or told in _FALSE:
            self._flag("coerced", names[0])
            return told in _TRUE
        self._flag("unreadable", names[0])
        return None

    def weight(self) -> float | None:
        """The share of its kind that is sent, from a ``weight`` of 1 to 10,000: how many this one
        stands for."""
        value = self.raw("weight")
        if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 10_000:
            return 1 / value if value > 1 else None
        if value is not None:
            self._flag("unreadable", "weight")
        return None

    def host(self, *names: str) -> tuple[str | None, int | None]:
        """(host, port that was written with it); (None, None) where none can be used."""
        for name in names:
            value = self.raw(name)
            if not isinstance(value, str) or not value.strip():
                continue
            try:
                return read_host(value)
            except ValueError:
                self._flag("unreadable", name)
        return None, None

    def release(self, name: str) -> tuple[str | None, str | None]:
        """(app, version) of ``package@version``, as Sentry writes it; (None, None), and left where it
        is, if it is anything else."""
        value = self.rest.get(name)
        match = _RELEASE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return None, None
        del self.rest[name]
        return match[1], match[2]

    def address(self, name: str) -> str | None:
        """An IP address in its one spelling; a name is none. Without the zone of ``fe80::1%eth0``:
        the library takes any text for one."""
        value = self.raw(name)
        if value is None:
            return None
        try:
            return str(ipaddress.ip_address(str(value).strip("[]").partition("%")[0]))
        except ValueError:
            self._flag("unreadable", name)
            return None

    def common_name(self, name: str) -> str | None:
        """A certificate's common name, if it looks like a host's; what else stands there was chosen by
        whoever made the certificate."""
        value = self.raw(name)
        if value is None:
            return None
        told = str(value).strip().lower()
        if isinstance(value, str) and _COMMON_NAME.fullmatch(told):
            return told
        self._flag("unreadable", name)
        return None

    def required_host(self, *names: str) -> tuple[str, int | None]:
        """Raises ReportError(no_host): the one field without which a report says nothing."""
        host, port = self.host(*names)
        if host is None:
            raise ReportError(Reason.NO_HOST, f"no usable host in {' or '.join(names)}")
        return host, port

    def time(
        self, *names: str, hints: Hints, local_labelled_utc: bool = False
    ) -> tuple[str | int | float | None, datetime | None, TimeTrust | None]:
        """(as sent, in UTC, trust); see ``times.client_time``."""
        raw = self.raw(*names)
        if raw is None:
            return None, None, None
        if isinstance(raw, str):
            raw = _UNSAFE_TIME.sub("?", clean(raw))[:64]
        elif isinstance(raw, bool) or not isinstance(raw, int | float) or not abs(raw) < _BIG:
            self._flag("unreadable", names[0])
            return None, None, TimeTrust.UNPARSEABLE
        elif isinstance(raw, float) and raw.is_integer():
            raw = int(raw)
        at, trust = client_time(raw, hints.received_at, local_labelled_utc=local_labelled_utc)
        return raw, at, trust
