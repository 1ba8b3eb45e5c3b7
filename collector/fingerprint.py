"""Keys: what makes two reports one, what groups violations of one fault, who an install is.

Every key is a keyed hash of the parts that say the same thing in any JSON key order, pin order or
PEM wrapping. The forms are frozen by version: a change of one is a new version beside the old.
"""

from __future__ import annotations

import ipaddress
import json
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b, sha256
from typing import NamedTuple

import msgspec

from collector.model import Chain, Dialect, Kind, ProjectId, Violation, Window
from collector.reports.certificates import facts, signed_by
from collector.reports.fields import WORST_ID
from collector.reports.texts import clean

WEAK_WINDOW = timedelta(minutes=10)  # a weak report repeated within it is a duplicate
_CONSTANT_INSTALLS = frozenset({"unit-tests", "n/a", "unknown", "null", "none", "0"})
_ALL_ZERO = "00000000-0000-0000-0000-000000000000"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Grade(StrEnum):
    """How sure a delivery key is.

    STRONG: an event id, or an install id with the client's time: exact for 8 days.
    WEAK: the rest; the key also takes the sender's address and User-Agent.
    """

    STRONG = "strong"
    WEAK = "weak"


class Delivery(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Identity of one violation. key: 16 bytes."""

    key: bytes
    grade: Grade


def _hash(secret: bytes, *parts: object, size: int = 16) -> bytes:
    """BLAKE2b over length-prefixed parts, so that no two lists of parts read the same."""
    return blake2b(_packed(*parts), key=secret, digest_size=size).digest()


def _packed(*parts: object) -> bytes:
    pieces = []
    for part in parts:
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "replace")
        pieces.append(_LENGTHS[len(raw)] if len(raw) < 256 else len(raw).to_bytes(4, "big"))
        pieces.append(raw)
    return b"".join(pieces)


# For parts that many reports have in common, each of them short.
_packed_again = lru_cache(maxsize=8192)(_packed)


_LENGTHS = tuple(length.to_bytes(4, "big") for length in range(256))


def chain_id(chain: Chain) -> bytes:
    """Content address of a chain, 16 bytes; equal for equal certificates (or hashes) in order."""
    if chain.id is None:
        chain.id = _hash(b"chain", *(slot.identity for slot in chain))
    return chain.id


def pin_set_id(violation: Violation) -> bytes:
    """Content address of the client's pin set, 16 bytes."""
    pins = violation.known_pins
    if pins.id is None:
        pins.id = _hash(b"pins", *(pin.kind.encode() + pin.digest for pin in pins))
    return pins.id


def real_install(violation: Violation) -> str | None:
    """The install id, case folded; None where it is missing or a constant of a test suite."""
    return _real(violation.install_id)


def _real(install_id: str | None) -> str | None:
    told = install_id.strip().lower() if install_id else ""
    return None if not told or told == _ALL_ZERO or told in _CONSTANT_INSTALLS else told


def install_hash(secret: bytes, violation: Violation) -> bytes | None:
    """Who an install is, 16 bytes; ids are compared only inside one platform."""
    if violation.install_id is None or _real(violation.install_id) is None:
        return None
    return install_hash_of(secret, violation.platform or "", violation.install_id)


def install_hash_of(secret: bytes, platform: str, install_id: str) -> bytes:
    """platform: as the report names it, else ``""``. An id over 128 characters is in reports as its
    SHA-256 only, and here too."""
    told = install_id.strip()
    if not told.isascii() or "\x00" in told:
        told = clean(install_id).strip()
    if len(told) > WORST_ID:
        told = sha256(told.encode()).hexdigest()
    content = _packed_again(b"install", platform) + _piece(told.lower())
    return blake2b(content, key=secret, digest_size=16).digest()


def estimated_install(secret: bytes, violation: Violation, address: IPAddress) -> bytes:
    """What stands for an install that sends no id: address, app and version. Marked as estimate."""
    return _hash(
        secret, b"estimate", address.packed, violation.app_id or "", violation.app_version or ""
    )


class DeliveryForm(NamedTuple):
    """What the delivery keys of violations have in common that differ only in install, event, time and
    sender. Content of a key: ``first``, then install or event, ``middle``, the time, ``last``, the sender."""

    first: bytes
    middle: bytes
    last: bytes
    has_event: bool
    is_strong: bool


def delivery(
    secret: bytes,
    project: ProjectId,
    violation: Violation,
    address: IPAddress,
    user_agent: str | None,
    nth: int = 0,
) -> Delivery:
    """The identity under which this violation counts once.

    nth: its place among equal samples of success of one body.
    secret: the project's; without it nobody can tell from a key what was in the report.
    """
    return delivered(delivery_form(project, violation, nth), secret, violation, address, user_agent)


def delivery_form(project: ProjectId, violation: Violation, nth: int = 0) -> DeliveryForm:
    v = violation
    install = real_install(v)
    app = (project, v.app_id or "", v.platform or "")
    if v.event_id:
        # An event id counts only within (project, install): nobody uses up another's. Without an
        # install, ids that clients share (a counter) do not swallow each other's reports.
        who: tuple[object, ...] = ()
        if not install:
            who = (_name(v), v.kind.value, pin_set_id(v), chain_id(v.main_chain))
        return DeliveryForm(_packed_again(b"event", *app), b"", _packed(*who), True, True)
    is_strong = bool(install) and v.client_time_raw not in (None, "")
    pieces = [_LENGTHS[16], pin_set_id(v), _LENGTHS[16], chain_id(v.main_chain)]
    if v.kind is Kind.OK:
        # Samples of success are many and alike: what they say of the connection, and their place
        # among equals of one body, tell them apart, and a body that is sent again still is itself.
        extra = json.dumps(dict(v.extra), sort_keys=True)
        pieces.append(_packed(v.sampling_fraction, v.server_ip, extra, nth))
    return DeliveryForm(
        (_STRONG if is_strong else _WEAK) + _packed_again(*app, _family(v.dialect)),
        _packed_again(_name(v), v.noted_host or "", v.kind.value, v.enforced, v.app_version or ""),
        b"".join(pieces),
        False,
        is_strong,
    )


def delivered(
    form: DeliveryForm,
    secret: bytes,
    violation: Violation,
    address: IPAddress,
    user_agent: str | None,
) -> Delivery:
    """form: that of the violation, or of one that is alike."""
    install = _real(violation.install_id)
    who = _piece(install) if install else _EMPTY
    if form.has_event:
        said = _piece(violation.event_id or "")
        content = form.first + said + (who if install else form.last)
    else:
        raw = violation.client_time_raw
        said = _piece(raw) if isinstance(raw, str) else _EMPTY if raw is None else _packed(raw)
        content = form.first + who + form.middle + said + form.last
        if not form.is_strong:
            content += _packed(address.packed, user_agent or "")
    key = blake2b(content, key=secret, digest_size=16).digest()
    return Delivery(key, Grade.STRONG if form.is_strong else Grade.WEAK)


_STRONG, _WEAK, _EMPTY = _packed(b"strong"), _packed(b"weak"), _packed("")


def _piece(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return (_LENGTHS[len(raw)] if len(raw) < 256 else len(raw).to_bytes(4, "big")) + raw


def window_delivery(
    secret: bytes,
    project: ProjectId,
    window: Window,
    address: IPAddress,
    *,
    environment: str,
    trusted: bool,
) -> Delivery:
    """A window of connections counts once, by (project, id), apart for each environment and for
    trusted keys: nobody uses up the ids of a gateway with the key of an app. Without an id it is known by its
    sender and what it says."""
    scope = (project, environment, trusted)
    if window.id is not None:
        who = "" if trusted else _real(window.install_id) or ""
        return Delivery(_hash(secret, b"window", *scope, who, window.id), Grade.STRONG)
    said = (window.host, window.start, window.end, window.successes, window.pin_failures)
    sender = window_install(secret, window, address)
    return Delivery(_hash(secret, b"window content", *scope, sender, *said), Grade.STRONG)


def window_install(secret: bytes, window: Window, address: IPAddress) -> bytes:
    """Who a window is of: its install, else its sender's address with app and version."""
    if window.install_id is not None and _real(window.install_id):
        return install_hash_of(secret, window.platform or "", window.install_id)
    return _hash(secret, b"estimate", address.packed, window.app_id or "", window.app_version or "")


def _name(violation: Violation) -> str:
    """The host, or the common name that stands in for it: never the same as a host of that name."""
    return violation.host if violation.host else f"cn:{violation.common_name or ''}"


def _family(dialect: Dialect) -> str:
    return "trustkit" if dialect in (Dialect.TRUSTKIT_IOS, Dialect.TRUSTKIT_ANDROID) else dialect


def issuer_path(violation: Violation) -> tuple[bytes, ...]:
    """SPKI hashes of the issuers, leaf's issuer first, without leaf and self-signed root.

    A leaf differs by install under interception, and Android 7 and newer leave out the root: both
    would split one fault. Each link is checked: a certificate that did not sign the one below it
    ends the path, so nobody joins a path whose keys they do not hold. A text of OkHttp has only
    hashes; its last is the trust anchor by construction (the chain cleaner appends it).
    """
    chain = violation.main_chain
    path = known_path(chain)
    if path is None:
        path = chain.path = _issuer_path(chain)
        if len(_paths) >= _MOST_PATHS:
            del _paths[next(iter(_paths))]
        _paths[chain_id(chain)] = path
    return path


_MOST_PATHS = 8192
_paths: dict[
    bytes, tuple[bytes, ...]
] = {}  # by chain id, the one that was asked for last at the end


def known_path(chain: Chain) -> tuple[bytes, ...] | None:
    """What ``issuer_path`` has ready; None where it would take milliseconds of checking signatures."""
    if chain.path is None:
        if not chain or chain[0].certificate is None:
            chain.path = _issuer_path(chain)
        else:
            id_ = chain_id(chain)
            chain.path = _paths.pop(id_, None)
            if chain.path is not None:
                _paths[id_] = chain.path
    return chain.path


def _issuer_path(chain: Chain) -> tuple[bytes, ...]:
    if not chain:
        return ()
    if chain[0].certificate is None:
        hashes = [slot.hash for slot in chain]
        return tuple(value.digest for value in hashes[1:-1] if value is not None)
    path = []
    below = chain[0].certificate
    for slot in chain[1:]:
        above = slot.certificate
        if above is None or not signed_by(below, above):
            break
        if facts(above.der).self_signed:
            break
        path.append(above.spki_sha256)
        below = above
    return tuple(path)


@lru_cache(maxsize=8192)
def _signature(project: ProjectId, name: str, kind: str, path: tuple[bytes, ...]) -> bytes:
    return _hash(b"v1", project, name, kind, *path)


def signature_id(project: ProjectId, violation: Violation, path: tuple[bytes, ...]) -> bytes:
    """What groups violations of one fault: (project, host, kind, issuer path). 16 bytes, form v1."""
    return _signature(project, _name(violation), violation.kind.value, path)


def network_of(address: IPAddress) -> bytes:
    """The /24 or /48 that an address lies in."""
    return address.packed[:3] if address.version == 4 else address.packed[:6]


def operator_network_of(address: IPAddress) -> bytes:
    """The /16 or /32: stands for the operator where no ASN table is given."""
    return address.packed[:2] if address.version == 4 else address.packed[:4]


@lru_cache(maxsize=32_768)
def networks(
    secret_of_the_day: bytes, network: bytes, asn: int | None = None
) -> tuple[bytes, bytes]:
    """The hashes of a network, as ``network_of`` tells it, and of the operator network that it lies in:
    the autonomous system, where a table says which."""
    operator = network[:2] if len(network) == 3 else network[:4]
    if asn is not None:
        operator = b"AS%d" % asn
    return (
        network_hash(secret_of_the_day, "network", network),
        network_hash(secret_of_the_day, "operator", operator),
    )


def network_hash(secret_of_the_day: bytes, kind: str, network: bytes) -> bytes:
    """A network as it is stored, 8 bytes; unreadable once the day's secret is deleted."""
    return _hash(secret_of_the_day, kind, network, size=8)
