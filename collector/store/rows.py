"""A violation as it is stored: content and keys, ready for SQL. Built by ``intake.prepare``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from collector.fingerprint import Delivery
from collector.model import Chain, Dialect, ProjectId, Violation

# Of a row, as they are sent.
Parts = tuple[tuple[object, ...], tuple[object, ...], tuple[object, ...]]


class Columns(NamedTuple):
    """whole: as a violation has them; thin: without what is only there. of: what a class is remembered of,
    project, host, kind, chain."""

    whole: Parts
    thin: Parts
    of: tuple[int, str, str, bytes]


class Shared:
    """What rows have in common that are alike. ``columns`` is kept by whoever works it out (``failures``)."""

    __slots__ = ("columns",)

    def __init__(self) -> None:
        self.columns: Columns | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One violation of one project with every key it is filed under.

    Hashes are keyed and 16 bytes long, of networks 8. ``local``: sent from this machine itself.
    ``thin``: too much came in at once, so it is stored as counts only. ``deferred``: it has something
    new in it that nobody has looked into yet: no issuer path, and no signature. ``silenced``: came from
    a network that was silenced. ``shared``: the same object in rows that differ only in sender and time; it
    comes last.
    """

    violation: Violation
    delivery: Delivery
    received_at: datetime
    project: ProjectId
    project_name: str
    app_key: str
    environment: str
    trusted: bool  # came with a key that only servers of ours hold
    signature: bytes
    issuer_path: tuple[bytes, ...]
    pin_set: bytes
    served_chain: bytes | None
    validated_chain: bytes | None
    install: bytes | None
    install_or_estimate: bytes
    network: bytes
    operator_network: bytes
    local: bool
    registered: bool  # the project names this very host
    matching: bool  # the host fits a wildcard of the project
    open_project: bool  # the project names no hosts: they are admitted as they come
    thin: bool = False
    deferred: bool = False
    silenced: bool = False
    shared: Shared | None = None

    @property
    def host(self) -> str:
        return self.violation.name

    @property
    def dialect(self) -> Dialect:
        return self.violation.dialect


class Sample(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Connections to one host: a window, or one sample of NEL (then it starts where it ends).

    Counts are after scaling. ``install`` stands for the sender where it told no install id.
    """

    dialect: Dialect
    delivery: Delivery
    received_at: datetime
    project: ProjectId
    project_name: str
    app_key: str
    environment: str
    trusted: bool
    host: str
    app_id: str | None
    app_version: str | None
    platform: str | None
    starts: datetime
    ends: datetime
    successes: float
    pin_failures: float
    install: bytes
    network: bytes
    registered: bool
    matching: bool
    open_project: bool


Entry = Row | Sample


def columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows to columns, for ``unnest``. At least one row."""
    return [list(column) for column in zip(*rows, strict=True)]


def details(violation: Violation) -> str:
    """What only people read, as JSON; absent where it says nothing."""
    v = violation
    told: dict[str, object] = {
        "flags": v.flags,
        "extra": v.extra,
        "app_build": v.app_build,
        "common_name": v.common_name if v.host else None,
        "device": v.device,
        "error_code": v.error_code,
        "error_message": v.error_message,
        "error_type": v.error_type,
        "include_subdomains": v.include_subdomains,
        "pins_expire": v.pins_expire,
        "server_ip": v.server_ip,
        "suspect": v.suspect,
        "unconfirmed": None if v.confirmed else True,
    }
    said = {
        name: value for name, value in told.items() if value is not None and value not in ((), {})
    }
    return _encode(said).decode() if said else "{}"


_encode = msgspec.json.Encoder().encode


def slots(chain: Chain) -> str:
    """A chain as JSON: certificates by their SHA-256, the rest as it is."""
    told: list[dict[str, object]] = []
    for slot in chain:
        if slot.certificate is not None:
            told.append({"certificate": slot.certificate.sha256.hex()})
        elif slot.hash is not None:
            told.append({"hash": str(slot.hash), "subject": slot.subject})
        else:
            told.append({})
    return json.dumps(told)


def chains(rows: Sequence[Row]) -> dict[bytes, Chain]:
    """Each chain once, by its id."""
    found: dict[bytes, Chain] = {}
    for row in rows:
        if row.validated_chain is not None:
            found[row.validated_chain] = row.violation.validated_chain
        if row.served_chain is not None:
            found[row.served_chain] = row.violation.served_chain
    return found
