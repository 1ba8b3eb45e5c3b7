"""Rows of violations that are alike: every hash and every flag that does not tell of the sender is worked
out once for a key."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import force_setattr, replace

from collector.fingerprint import (
    DeliveryForm,
    delivered,
    delivery_form,
    estimated_install,
    install_hash,
    network_of,
    networks,
)
from collector.intake.keyring import Key
from collector.intake.prepare import Sender, prepare
from collector.model import Violation
from collector.reports.alike import Like
from collector.store.rows import Row, Shared


@dataclass(frozen=True, slots=True)
class _Filed:
    key: Key
    row: Row
    form: DeliveryForm


def file(
    like: Like,
    violation: Violation,
    key: Key,
    sender: Sender,
    received_at: datetime,
    day_secret: bytes,
    asn: int | None = None,
) -> Row:
    """``prepare``, for a violation that is like others."""
    filed: _Filed | None = like.filed
    if filed is None or filed.key is not key:
        row = prepare(violation, key, sender, received_at, day_secret, 0, asn)
        if not row.deferred:  # its path is not known yet
            row = replace(row, shared=Shared())
            like.filed = _Filed(key, row, delivery_form(key.project, violation))
        return row
    row = copy(filed.row)
    secret, address = key.secret, sender.address
    install = install_hash(secret, violation)
    network, operator_network = networks(day_secret, network_of(address), asn)
    force_setattr(row, "violation", violation)
    force_setattr(
        row, "delivery", delivered(filed.form, secret, violation, address, sender.user_agent)
    )
    force_setattr(row, "received_at", received_at)
    force_setattr(row, "install", install)
    force_setattr(
        row, "install_or_estimate", install or estimated_install(secret, violation, address)
    )
    force_setattr(row, "network", network)
    force_setattr(row, "operator_network", operator_network)
    force_setattr(row, "local", address.is_loopback)
    return row
