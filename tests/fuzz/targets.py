"""Everything that reads bytes from outside, each as a function that fails where it should not.

A target takes any bytes. It raises where an invariant does not hold, or where a reader lets
anything escape but the errors that it names.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import ipaddress
import json
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from cryptography import x509

from collector.commands.connections import windows
from collector.errors import PinfallError, ReportError, SettingsError
from collector.fingerprint import network_of, operator_network_of
from collector.intake.prepare import canonical
from collector.model import WORST_CHAIN, Hash, Window
from collector.reports import certificates
from collector.reports.agents import android
from collector.reports.apple import read_apple_text
from collector.reports.body import LIMITS, gunzip, read_body
from collector.reports.dialects import read_object, read_text_item
from collector.reports.fields import Hints
from collector.reports.hosts import matches, read_host, read_pattern
from collector.reports.personal import scrubbed, without_personal
from collector.reports.pins import SIZES, parse_pin, read_pins
from collector.reports.platforms import platform_of
from collector.reports.quick import read_quick
from collector.reports.times import client_time, parse_time
from collector.settings import load_settings
from collector.web.proxy_protocol import parse
from collector.web.source import client_address
from tests.fuzz import invariants, seeds
from tests.make import NOON, chain

HINTS = Hints(NOON, invariants.SENDER.user_agent)
_GZIP = b"\x1f\x8b\x08"
_PIN_KEYS = {"known-pins", "known_pins", "knownPins", "pins", "expected", "fingerprints"}
SECONDS = 1.0  # of processor time, for 128 KiB
_CHECKED = 40  # items of one body that are looked at one by one


@dataclass(frozen=True, slots=True)
class Target:
    check: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    json: bool = False  # mutated as JSON too
    share: int = 1  # of the time, beside the others


def bodies(raw: bytes) -> None:
    """read_body and all that follows, up to what is stored."""
    try:
        items = read_body(raw, HINTS)
    except ReportError as error:
        invariants.refusal(error)
        return
    assert 1 <= len(items) <= LIMITS.items
    again = read_body(raw, HINTS)
    assert len(again) == len(items)
    assert all(map(invariants.same, items, again)), "two readings differ"
    for found in items[:_CHECKED]:
        invariants.item(found)
    if len(items) == 1:
        _in_any_order(raw)


def _in_any_order(raw: bytes) -> None:
    """Neither the order of keys nor that of pins is part of an identity."""
    try:
        told = json.loads(raw, object_pairs_hook=_each_once)
        orders = [json.dumps(_turned(told, turn), allow_nan=False) for turn in (False, True)]
    except (ValueError, RecursionError):
        return
    if not isinstance(told, dict) or len(orders[0]) > LIMITS.item_bytes:
        return
    entries = [
        [invariants.item(found) for found in read_body(order.encode(), HINTS)] for order in orders
    ]
    keys = [[entry and entry.delivery for entry in found] for found in entries]
    assert keys[0] == keys[1], "the order of keys or of pins changes the delivery"


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice: which one counts depends on their order")
    return dict(pairs)


def _turned(value: Any, turn: bool, under: str = "") -> Any:
    if isinstance(value, dict):
        pairs = [(key, _turned(inner, turn, key)) for key, inner in value.items()]
        return dict(reversed(pairs) if turn else pairs)
    if isinstance(value, list):
        entries = [_turned(inner, turn) for inner in value]
        few = under in _PIN_KEYS and len(entries) <= 1000  # further ones are not looked at
        return entries[::-1] if turn and few else entries
    return value


def quick(raw: bytes) -> None:
    """What the short way reads, the long way reads alike."""
    found = read_quick(raw, HINTS)
    if found is not None:
        invariants.item(found)
        long = read_object(json.loads(raw.decode("utf-8", "replace")), HINTS)
        assert found == long, "the short way reads otherwise"


def packed(raw: bytes) -> None:
    """gzip, as it comes and around the same bytes."""
    try:
        assert len(gunzip(raw)) <= LIMITS.body_bytes
    except ReportError as error:
        invariants.refusal(error)
    if not raw.startswith(_GZIP):
        told = []
        for sent in (raw, gzip.compress(raw, 1, mtime=0)):
            try:
                told.append(read_body(sent, HINTS))
            except ReportError as error:
                told.append([error])
        assert all(map(invariants.same, *told)), "gzip changes what is read"


def texts(raw: bytes) -> None:
    """Exceptions' texts, and what is taken out of free text."""
    text = raw.decode("utf-8", "replace")
    try:
        invariants.item(read_text_item(text, HINTS))
    except ReportError as error:
        invariants.refusal(error)
    found = read_apple_text(text)
    assert found is None or found[1].host is None or read_host(found[1].host)
    assert len(scrubbed(text, "x-1", 100) or "") <= 100
    for piece in (text[:4096], text[-4096:]):
        without_personal(piece, known="install-1234")


def one_certificate(raw: bytes) -> None:
    """DER: ours takes whatever the strict library takes, and tells the same bytes."""
    try:
        found = certificates.certificate_from_der(raw)
    except ValueError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                x509.load_der_x509_certificate(raw)
            except Exception:  # noqa: BLE001 (whatever it says)
                return
        raise AssertionError("a certificate that is one was not read") from None
    assert raw.startswith(found.der)
    facts = certificates.facts(found.der)
    invariants.storable(facts)
    assert len(facts.subject or "") <= 512
    assert len(facts.issuer or "") <= 512
    assert len(facts.sans) <= 50
    for other in (found, *(certificates.certificate_from_der(i.der) for i in chain())):
        certificates.signed_by(found, other)
        certificates.signed_by(other, found)


def chains(raw: bytes) -> None:
    """PEM in all its spellings, and lists of it."""
    text = raw.decode("utf-8", "replace")
    told: list[object] = [text, text.split("\n\n")]
    with suppress(ValueError, RecursionError):
        told.append(json.loads(text))
    for value in told:
        flags: list[str] = []
        found = certificates.read_chain(value, "served", flags)
        assert len(found) <= WORST_CHAIN
        assert len(flags) <= WORST_CHAIN + 2
        assert found == certificates.read_chain(value, "served", [])


def values(raw: bytes) -> None:
    """Hosts, patterns, times, pins, platforms, User-Agents."""
    text = raw.decode("utf-8", "surrogateescape")
    try:
        host, port = read_host(text)
    except ValueError:
        pass
    else:
        assert read_host(host) == (host, None)
        assert host.isascii()
        assert len(host) <= 253
        assert port is None or 0 < port < 65536
    try:
        pattern = read_pattern(text)
    except ValueError:
        pass
    else:
        assert read_pattern(pattern) == pattern
        assert matches(pattern, pattern.replace("*", "x"))
    for raw_time in (text, *_numbers(text)):
        at, _ = client_time(raw_time, NOON)
        assert at is None or abs(at - NOON).days <= 31
        parse_time(raw_time)
        client_time(raw_time, NOON, local_labelled_utc=True)
    pin = parse_pin(text)
    if pin is not None:
        assert len(pin.digest) == SIZES[pin.kind]
        assert Hash.parse(str(pin)) == pin
        assert len(pin.spelling or "") <= 44
    flags: list[str] = []
    assert len(read_pins(text.split(","), "known-pins", flags)) <= 1000
    assert len(flags) <= 40
    assert len(platform_of(text) or "") <= 16
    version, device = android(text)
    invariants.storable([version or "", device or ""])


def _numbers(text: str) -> list[int | float]:
    told: list[int | float] = []
    for read in (float, int):
        try:
            told.append(read(text))
        except (ValueError, OverflowError):
            continue
    return told


_PEER = canonical("10.0.0.1")
_PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:ff::/48"))


def headers(raw: bytes) -> None:
    """X-Forwarded-For, and Forwarded in the lines that begin with ``=``."""
    lines = raw.decode("utf-8", "surrogateescape").split("\n")
    forwarded = [line[1:] for line in lines if line.startswith("=")]
    forwarded_for = [line for line in lines if not line.startswith("=")]
    stranger = canonical("203.0.113.77")
    assert client_address(stranger, forwarded_for, forwarded, _PROXIES) == stranger
    assert client_address(_PEER, forwarded_for, forwarded, ()) == _PEER
    found = client_address(_PEER, forwarded_for, [], _PROXIES)
    assert len(network_of(found)) in (3, 6)
    assert len(operator_network_of(found)) in (2, 4)
    if not any(found.version == n.version and found in n for n in _PROXIES):
        forged = ["6.6.6.6, 7.7.7.7", *forwarded_for]  # whatever the client wrote to the left
        assert client_address(_PEER, forged, [], _PROXIES) == found
    client_address(_PEER, forwarded_for, forwarded, _PROXIES)


def proxy_headers(raw: bytes) -> None:
    """PROXY protocol: the length is of the header; every cut of it asks for more."""
    try:
        found = parse(raw)
    except ValueError:
        return
    if found is None:
        assert len(raw) < 16 + 536
        return
    length, peer = found
    assert 16 <= length <= min(len(raw), 16 + 536)
    assert parse(raw[:length]) == found
    assert all(parse(raw[:cut]) is None for cut in range(length))
    if peer is not None:
        canonical(peer[0])
        assert 0 <= peer[1] < 65536


def tables(raw: bytes) -> None:
    """CSV to windows: one line of an error, or windows that the collector reads."""
    text = raw.decode("utf-8", "replace")
    told = argparse.Namespace(host=None, host_column=None, time_column=None, count_column=None,
                              failure_column=None, interval=5)  # fmt: skip
    try:
        made = list(islice(windows(csv.DictReader(io.StringIO(text, newline="")), told), 200))
    except (PinfallError, csv.Error):
        return
    if made:
        for found in read_body(json.dumps(made).encode(), HINTS):
            assert isinstance(found, Window | ReportError)
            invariants.item(found)


def environments(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape").replace("\x00", "")
    pairs = (line.partition("=") for line in text.split("\n"))
    try:
        found = load_settings({name: value for name, _, value in pairs if name})
    except SettingsError as error:
        assert str(error)
        return
    for secret in (found.database_url, found.operator_token, found.hash_key):
        assert secret is None or len(secret) < 8 or secret not in repr(found)


TARGETS = {
    "bodies": Target(bodies, seeds.bodies, json=True, share=5),
    "quick": Target(quick, seeds.trustkits, json=True, share=2),
    "texts": Target(texts, seeds.texts, share=2),
    "certificates": Target(one_certificate, seeds.certificates),
    "chains": Target(chains, seeds.chains),
    "values": Target(values, seeds.values),
    "windows": Target(bodies, seeds.windows, json=True, share=2),
    "gzip": Target(packed, seeds.bodies),
    "headers": Target(headers, seeds.headers),
    "proxy": Target(proxy_headers, seeds.proxy_headers),
    "csv": Target(tables, seeds.tables),
    "settings": Target(environments, seeds.environments),
}


def run(name: str, raw: bytes) -> None:
    """Raises whatever is found; AssertionError for an input of 128 KiB that takes over a second."""
    began = time.process_time()
    TARGETS[name].check(raw)
    took = time.process_time() - began
    assert took < SECONDS or len(raw) > LIMITS.item_bytes, f"{took:.1f} s of processor time"
