"""An alert: one thing wrong with one host, as channels and the API see it. Names are a public contract.

Who writes one bounds its texts and leaves subjects of private issuers out; channels escape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import msgspec

from collector.errors import PinfallError

SCHEMA: Literal["pinfall.alert/1"] = "pinfall.alert/1"


class Severity(StrEnum):
    TICKET = "ticket"  # somebody looks at it in working hours
    PAGE = "page"  # somebody is woken


class Audience(StrEnum):
    ONCALL = "oncall"
    SECURITY = "security"


class State(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Event(StrEnum):
    """What happened to an alert that channels hear of."""

    FIRED = "fired"
    BECAME_PAGE = "became_page"  # it was a ticket
    CAUSE_CHANGED = "cause_changed"  # so did severity, reach or the next step: the latest word
    ACKNOWLEDGED = "acknowledged"  # told to receivers that keep incidents
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Fact:
    """``value`` is for people, and may be text from reports."""

    fact: str
    value: str


@dataclass(frozen=True, slots=True)
class Cause:
    label: str
    confidence: float  # 0 to 1
    evidence: tuple[Fact, ...] = ()


LOOKED_AT = 5_000  # reports of an incident, the newest: networks are counted among them


def affected(installs: int, networks: int) -> str:
    """``42 installs on 17 networks``, as people are told. Where there are more installs than reports were looked
    at, there may be more networks, too."""
    least = "at least " if installs > LOOKED_AT else ""
    return f"{installs} installs on {least}{networks} networks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many are affected. ``networks``: among the newest reports, so at least so many (``affected``); ``expected``:
    installs of an ordinary time as long; ``share``: of all connections or installs, 0 to 1, where there is a
    denominator."""

    installs: int
    networks: int
    expected: float
    share: float | None = None
    app_versions: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A certificate of the chain. ``subject`` None: not told to channels. ``pin``: ``sha256/…``."""

    role: str
    subject: str | None
    pin: str
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """The rotation that it began with."""

    at: datetime
    state: str
    sources: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    page: str | None = None
    runbook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """``kind``: of the detector's own enum. ``dedup_key``: the same for the life of the alert, and of
    no other one."""

    schema: Literal["pinfall.alert/1"] = SCHEMA
    id: str
    kind: str
    severity: Severity
    audience: Audience
    state: State
    acknowledged: Acknowledged | None = None
    silenced_until: datetime | None = None
    project: str
    host: str
    apps: tuple[str, ...] = ()
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None = None
    summary: str
    cause: Cause
    reach: Reach
    chain: tuple[Link, ...] = ()
    pins: tuple[str, ...] = ()
    rotation: Turn | None = None
    next_steps: tuple[str, ...] = ()
    links: Links = Links()
    dedup_key: str

    def __post_init__(self) -> None:
        if (self.ended_at is not None) != (self.state is State.RESOLVED):
            raise ValueError("an alert has an end when it is resolved, and only then")
        for at in (self.started_at, self.updated_at, self.ended_at, self.silenced_until):
            if at is not None and at.tzinfo is None:
                raise ValueError("times of an alert need a time zone")


@dataclass(frozen=True, slots=True)
class Message:
    """One state of an alert, told to one channel; ``id`` is the same in each try.

    ``thread``: the key that the receiver knows the incident by: the alert's own, or that of the page
    that it joined.
    """

    id: str
    event: Event
    alert: Alert
    thread: str


def to_json(alert: Alert) -> dict[str, object]:
    """Plain values, in the order of the contract."""
    told: dict[str, object] = msgspec.to_builtins(alert)
    return told


# Postgres and JSON of some receivers refuse these; a report may hold one.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def to_text(alert: Alert) -> str:
    """As JSON in a text that can be stored."""
    told = _storable(msgspec.to_builtins(alert))
    return msgspec.json.encode(told).decode()


def _storable(value: object) -> object:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list | tuple):
        return [_storable(part) for part in value]
    if isinstance(value, dict):
        return {name: _storable(part) for name, part in value.items()}
    return value


def from_json(told: str | bytes | Mapping[str, object]) -> Alert:
    """Undo ``to_json`` or ``to_text``; fields of a later version are left out.

    Raises PinfallError, which names the field and not its value.
    """
    try:
        if isinstance(told, str | bytes):
            return msgspec.json.decode(told, type=Alert)
        return msgspec.convert(told, type=Alert)
    except msgspec.MsgspecError as error:
        raise PinfallError(f"not an alert of {SCHEMA}: {error}") from None
