"""What holds of everything that is read from outside, whatever the bytes were."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import timedelta

from collector.errors import ReportError
from collector.intake.prepare import Sender, canonical, looked_into, prepare_all
from collector.model import WORST_CHAIN, WORST_PINS, Chain, Violation, Window
from collector.reports.body import LIMITS, READER_FAILED, Item
from collector.reports.hosts import read_host
from collector.reports.line import violation_as_json, window_as_json
from collector.reports.pins import SIZES
from collector.store.rows import Row, Sample, details, slots
from tests.make import KEY, NOON

SENDER = Sender(canonical("198.51.100.7"), "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 7 Build/U)")
# Characters of each text of a violation, at the most.
LENGTHS = {
    "host": 253, "common_name": 260, "noted_host": 253, "client_time_raw": 64, "pins_expire": 64,
    "app_id": 256, "app_version": 64, "app_build": 64, "platform": 16, "os_version": 32, "device": 80,
    "sdk": 64, "sdk_version": 32, "install_id": 128, "event_id": 128, "server_ip": 45,
    "error_type": 128, "error_code": 64, "error_message": 2000, "suspect": 64,
}  # fmt: skip
_SUBJECT = 512  # characters
_FLAGS, _FLAG = 200, 80  # of one violation; characters of one
_EXTRA = 4096  # bytes of JSON
_DETAILS, _SLOTS = 40_000, 60_000  # characters of JSON as it is stored
_REFUSAL = 200  # characters of a detail, which quotes names and no values


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)
    elif type(value).__module__.startswith("collector."):
        for name in getattr(type(value), "__annotations__", ()):
            yield from texts(getattr(value, name))


def storable(value: object) -> None:
    """Postgres takes neither NUL nor lone surrogates, and jsonb no NaN."""
    for text in texts(value):
        assert "\x00" not in text, "NUL"
        text.encode()


def refusal(error: ReportError) -> None:
    assert READER_FAILED not in error.detail, error.detail
    assert error.detail.isprintable(), error.detail
    assert len(error.detail) <= _REFUSAL, error.detail


def same(one: Item, other: Item) -> bool:
    if isinstance(one, ReportError) and isinstance(other, ReportError):
        return (one.reason, one.detail) == (other.reason, other.detail)
    return one == other


def item(found: Item) -> Row | Sample | None:
    """Check one item and all that is made of it; what would be stored."""
    if isinstance(found, ReportError):
        refusal(found)
        return None
    if isinstance(found, Violation):
        violation(found)
    elif isinstance(found, Window):
        window(found)
    else:
        return None
    (entry,) = prepare_all([found], KEY, SENDER, NOON, b"d" * 32)
    assert len(entry.delivery.key) == 16
    if isinstance(entry, Row):
        entry = looked_into(entry) if entry.deferred else entry
        row(entry)
    else:
        assert math.isfinite(entry.successes)
        assert math.isfinite(entry.pin_failures)
        assert entry.starts <= entry.ends <= NOON
    return entry


def row(entry: Row) -> None:
    assert len(entry.signature) == len(entry.pin_set) == len(entry.install_or_estimate) == 16
    assert len(entry.network) == len(entry.operator_network) == 8
    assert len(entry.issuer_path) < WORST_CHAIN
    told = details(entry.violation)
    assert len(told) <= _DETAILS
    storable(json.loads(told, parse_constant=_no_constant))
    for found in (entry.violation.served_chain, entry.violation.validated_chain):
        told = slots(found)
        assert len(told) <= _SLOTS
        storable(json.loads(told, parse_constant=_no_constant))


def _no_constant(name: str) -> None:
    raise AssertionError(name)


def violation(found: Violation) -> None:
    for name, most in LENGTHS.items():
        value = getattr(found, name)
        assert len("" if value is None else str(value)) <= most, name
    storable(found)
    assert found.host or found.common_name
    assert found.port is None or 0 < found.port < 65536
    assert 0 < found.occurrences <= 1_000_000
    assert 1 <= found.weight <= 10_000.000001
    for host in (found.host, found.noted_host):
        assert host is None or read_host(host) == (host, None)
    assert found.client_time is None or found.client_time.utcoffset() == timedelta()
    assert len(found.known_pins) <= WORST_PINS
    assert list(found.known_pins) == sorted(set(found.known_pins))
    for pin in found.known_pins:
        assert len(pin.digest) == SIZES[pin.kind]
    for chain in (found.served_chain, found.validated_chain):
        _chain(chain)
    assert len(found.flags) <= _FLAGS
    assert all(len(flag) <= _FLAG for flag in found.flags)
    assert len(json.dumps(dict(found.extra), allow_nan=False)) <= _EXTRA
    told = violation_as_json(found)
    json.dumps(told, allow_nan=False)
    storable(told)


def _chain(chain: Chain) -> None:
    assert len(chain) <= WORST_CHAIN
    for slot in chain:
        assert len(slot.subject or "") <= _SUBJECT
        assert slot.hash is None or len(slot.hash.digest) == SIZES[slot.hash.kind]
        assert slot.certificate is None or len(slot.certificate.der) <= LIMITS.item_bytes


def window(found: Window) -> None:
    for name in ("id", "host", "app_id", "app_version", "platform", "install_id"):
        assert len(getattr(found, name) or "") <= 256, name
    storable(found)
    assert read_host(found.host) == (found.host, None)
    assert 0 <= found.successes <= 10**12
    assert 0 <= found.pin_failures <= 10**12
    json.dumps(window_as_json(found), allow_nan=False)
