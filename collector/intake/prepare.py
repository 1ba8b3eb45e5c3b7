"""A violation and its sender to the row that is stored: every hash is made here."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from socket import AF_INET, inet_pton

import msgspec
from msgspec.structs import replace

from collector.fingerprint import (
    IPAddress,
    chain_id,
    delivery,
    estimated_install,
    install_hash,
    issuer_path,
    known_path,
    network_hash,
    network_of,
    networks,
    pin_set_id,
    signature_id,
    window_delivery,
    window_install,
)
from collector.intake.caps import scaled
from collector.intake.keyring import Key
from collector.model import Dialect, Kind, Violation, Window
from collector.store.rows import Entry, Row, Sample


class Sender(msgspec.Struct, frozen=True, gc=False):
    """Where a request came from. The address leaves this room only as a keyed hash."""

    address: IPAddress
    user_agent: str | None


def canonical(address: str) -> IPAddress:
    """An address, IPv4-mapped IPv6 as IPv4. Raises ValueError."""
    return _canonical_again(address) if len(address) <= _SHORT else _canonical(address)


def _canonical(address: str) -> IPAddress:
    try:  # a tenth of what ipaddress takes to read the most usual form
        return ipaddress.IPv4Address(inet_pton(AF_INET, address))
    except (OSError, UnicodeError, ValueError):
        pass
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if found.version == 6 else None
    return mapped or found


_SHORT = 48  # characters, of what is remembered: 8 MB at the worst
_canonical_again = lru_cache(maxsize=32_768)(_canonical)


def prepare(
    violation: Violation,
    key: Key,
    sender: Sender,
    received_at: datetime,
    day_secret: bytes,
    nth: int = 0,
    asn: int | None = None,
) -> Row:
    """day_secret: of the UTC day of ``received_at``. nth: see ``fingerprint.delivery``. asn: of the
    sender's network, where a table tells.

    A chain that was never seen leaves the row deferred: see ``looked_into``.
    """
    path = known_path(violation.main_chain)
    install = install_hash(key.secret, violation)
    network, operator_network = networks(day_secret, network_of(sender.address), asn)
    served, validated = violation.served_chain, violation.validated_chain
    return Row(
        violation=violation,
        delivery=delivery(
            key.secret, key.project, violation, sender.address, sender.user_agent, nth
        ),
        received_at=received_at,
        project=key.project,
        project_name=key.project_name,
        app_key=key.app,
        environment=key.environment,
        trusted=key.trusted,
        signature=b"" if path is None else signature_id(key.project, violation, path),
        issuer_path=path or (),
        deferred=path is None,
        pin_set=pin_set_id(violation),
        served_chain=chain_id(served) if served else None,
        validated_chain=chain_id(validated) if validated else None,
        install=install,
        install_or_estimate=install or estimated_install(key.secret, violation, sender.address),
        network=network,
        operator_network=operator_network,
        local=sender.address.is_loopback,
        registered=violation.name in key.hosts,
        matching=key.matches(violation.name),
        open_project=not key.hosts,
    )


def looked_into(row: Row) -> Row:
    """A deferred row with its issuer path and signature: up to milliseconds, in a thread of its own."""
    path = issuer_path(row.violation)
    signature = signature_id(row.project, row.violation, path)
    return replace(row, issuer_path=path, signature=signature, deferred=False)


def prepare_window(
    window: Window, key: Key, sender: Sender, received_at: datetime, day_secret: bytes
) -> Sample:
    """Times in the future become that of receipt: nobody counts what has not happened."""
    ends = min(window.end or received_at, received_at)
    starts = min(window.start or ends, ends)
    successes, pin_failures = float(window.successes), float(window.pin_failures)
    if not key.trusted:
        successes, pin_failures = scaled(successes, pin_failures)
    return Sample(
        dialect=Dialect.CONNECTIONS,
        delivery=window_delivery(
            key.secret,
            key.project,
            window,
            sender.address,
            environment=key.environment,
            trusted=key.trusted,
        ),
        received_at=received_at,
        project=key.project,
        project_name=key.project_name,
        app_key=key.app,
        environment=key.environment,
        trusted=key.trusted,
        host=window.host,
        app_id=window.app_id,
        app_version=window.app_version,
        platform=window.platform,
        starts=starts,
        ends=ends,
        successes=successes,
        pin_failures=pin_failures,
        install=window_install(key.secret, window, sender.address),
        network=network_hash(day_secret, "network", network_of(sender.address)),
        registered=window.host in key.hosts,
        matching=key.matches(window.host),
        open_project=not key.hosts,
    )


def sample_of(row: Row) -> Sample:
    """The connections that a report of NEL stands for: as many as its weight says."""
    v = row.violation
    at = min(v.client_time or row.received_at, row.received_at)
    counts = (v.weight, 0.0) if v.kind is Kind.OK else (0.0, v.weight)
    successes, pin_failures = counts if row.trusted else scaled(*counts)
    return Sample(
        dialect=v.dialect,
        delivery=row.delivery,
        received_at=row.received_at,
        project=row.project,
        project_name=row.project_name,
        app_key=row.app_key,
        environment=row.environment,
        trusted=row.trusted,
        host=row.host,
        app_id=v.app_id,
        app_version=v.app_version,
        platform=v.platform,
        starts=at,
        ends=at,
        successes=successes,
        pin_failures=pin_failures,
        install=row.install_or_estimate,
        network=row.network,
        registered=row.registered,
        matching=row.matching,
        open_project=row.open_project,
    )


def prepare_all(
    items: Sequence[Violation | Window],
    key: Key,
    sender: Sender,
    received_at: datetime,
    secret: bytes,
    asn: int | None = None,
) -> list[Entry]:
    """Rows and samples, in order. Equal samples of success are told apart by their place."""
    entries: list[Entry] = []
    places: dict[bytes, int] = {}
    for item in items:
        if isinstance(item, Window):
            entries.append(prepare_window(item, key, sender, received_at, secret))
            continue
        row = prepare(item, key, sender, received_at, secret, 0, asn)
        if item.kind is not Kind.OK:
            entries.append(row)
            continue
        nth = places.get(row.delivery.key, 0)
        places[row.delivery.key] = nth + 1
        if nth:
            row = prepare(item, key, sender, received_at, secret, nth, asn)
        entries.append(sample_of(row))
    return entries
