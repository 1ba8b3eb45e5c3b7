"""A batch of entries as bytes that say by themselves whether they are whole.

A frame is: magic, length, number of items, a check of these, a digest of the payload, the payload. What
a crash cut off, or a disk changed, is told from what is whole, and what follows it is found again.
It holds what the database would, and no more: no install id, no event id, no address.

Checks and digest are keyed by what no sender knows: reports hold bytes as they came, and what stands within a
frame that is damaged must not read as one of ours.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from uuid import UUID

import msgspec

from collector.fingerprint import Delivery, Grade
from collector.model import (
    Certificate,
    Chain,
    Dialect,
    Hash,
    Kind,
    PinSet,
    ProjectId,
    Slot,
    TimeTrust,
    Violation,
)
from collector.store.ledger import Account
from collector.store.rows import Entry, Row, Sample

_MAGIC = b"PFS1"
_HEAD = struct.Struct(">4sII4s16s")
HEAD = _HEAD.size
MOST = 256 * 1024 * 1024  # bytes of a payload; more is a damaged length
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


@dataclass(frozen=True, slots=True)
class Frame:
    """One batch, under the id that it has in the database. ``counts`` are entries of the ledger."""

    id: UUID
    entries: Sequence[Entry]
    counts: Mapping[Account, int]

    @property
    def items(self) -> int:
        return len(self.entries)


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in a segment from ``start`` to ``end``. payload None: bytes that are no frame."""

    start: int
    end: int
    items: int
    payload: bytes | None


def frame(told: Frame, key: bytes = b"") -> bytes:
    return sealed(packed(told), told.items, key)


def sealed(payload: bytes, items: int, key: bytes) -> bytes:
    """key: at most 64 bytes, see ``segments.key_of``; none where nothing stands beside the frame."""
    size = struct.pack(">II", len(payload), items)
    check = blake2b(size, key=key, digest_size=4).digest()
    return _HEAD.pack(_MAGIC, len(payload), items, check, _digest(payload, key)) + payload


def _digest(payload: bytes, key: bytes) -> bytes:
    return blake2b(payload, key=key, digest_size=16).digest()


def frames(data: bytes, key: bytes = b"") -> Iterator[Found]:
    """Frames in order, with the stretches between them that are none. The last of these may be the
    torn tail of a crash."""
    place = 0
    while place < len(data):
        found = _whole(data, place, key)
        if found is not None:
            yield found
            place = found.end
            continue
        again = data.find(_MAGIC, place + 1)
        while again >= 0 and _whole(data, again, key) is None:
            again = data.find(_MAGIC, again + 1)
        end = again if again >= 0 else len(data)
        yield Found(place, end, _items(data, place, key), None)
        place = end


def header(data: bytes, place: int = 0, key: bytes = b"") -> tuple[int, int, bytes] | None:
    """(length, items, digest) where a header stands."""
    if len(data) - place < HEAD:
        return None
    magic, length, items, check, digest = _HEAD.unpack_from(data, place)
    size = struct.pack(">II", length, items)
    if magic != _MAGIC or length > MOST:
        return None
    if blake2b(size, key=key, digest_size=4).digest() != check:
        return None
    return length, items, digest


def _whole(data: bytes, place: int, key: bytes) -> Found | None:
    head = header(data, place, key)
    if head is None:
        return None
    length, items, digest = head
    end = place + HEAD + length
    payload = data[place + HEAD : end]
    if len(payload) < length or _digest(payload, key) != digest:
        return None
    return Found(place, end, items, payload)


def _items(data: bytes, place: int, key: bytes) -> int:
    head = header(data, place, key)
    return head[1] if head else 0


def packed(told: Frame) -> bytes:
    """A frame's payload."""
    chains: dict[bytes, Chain] = {}
    pins: dict[bytes, PinSet] = {}
    entries: list[tuple[object, ...]] = []
    for entry in told.entries:
        if isinstance(entry, Sample):
            entries.append((1, *msgspec.structs.astuple(entry)))
            continue
        v = entry.violation
        if entry.served_chain is not None:
            chains[entry.served_chain] = v.served_chain
        if entry.validated_chain is not None:
            chains[entry.validated_chain] = v.validated_chain
        pins[entry.pin_set] = v.known_pins
        raw = v.client_time_raw
        slim = msgspec.structs.replace(
            v, install_id=None, event_id=None, known_pins=_NONE, served_chain=_NO_CHAIN,
            validated_chain=_NO_CHAIN,
            client_time_raw=raw if raw is None or isinstance(raw, str) else str(raw),
        )  # fmt: skip
        values = msgspec.structs.astuple(msgspec.structs.replace(entry, violation=slim))
        entries.append((0, msgspec.structs.astuple(slim), *values[1:-1]))
    certificates: dict[bytes, tuple[bytes, bytes, bytes]] = {}
    slots = {}
    for id_, chain in chains.items():
        slots[id_] = [_slot(slot, certificates) for slot in chain]
    counts = [(a.project, a.dialect, a.result, a.reason, n) for a, n in told.counts.items()]
    return _encode(
        (
            told.id.bytes,
            counts,
            certificates,
            slots,
            {id_: [(p.kind, p.digest, p.spelling) for p in set_] for id_, set_ in pins.items()},
            entries,
        )
    )


_NONE, _NO_CHAIN = PinSet(), Chain()


def _slot(slot: Slot, certificates: dict[bytes, tuple[bytes, bytes, bytes]]) -> tuple[object, ...]:
    certificate = slot.certificate
    if certificate is not None:
        certificates[certificate.sha256] = (
            certificate.der,
            certificate.spki_sha256,
            certificate.spki_sha1,
        )
    told = slot.hash
    return (
        certificate.sha256 if certificate else None,
        (told.kind, told.digest, told.spelling) if told else None,
        slot.subject,
        slot.fingerprint,
    )


def read_frame(payload: bytes) -> Frame:
    """Undo ``frame``. Raises ValueError (or what it is made of) where the payload is of another form."""
    id_, counts, certificates, chains, pin_sets, entries = _decode(payload)
    known = {
        sha: Certificate(der, sha, spki, sha1) for sha, (der, spki, sha1) in certificates.items()
    }
    read = {
        key: Chain(
            Slot(
                certificate=known[sha] if sha else None,
                hash=Hash(*hash_) if hash_ else None,
                subject=subject,
                fingerprint=fingerprint,
            )
            for sha, hash_, subject, fingerprint in slots
        )
        for key, slots in chains.items()
    }
    sets = {key: PinSet(Hash(*pin) for pin in pins) for key, pins in pin_sets.items()}
    for key, chain in read.items():
        chain.id = key
    for key, set_ in sets.items():
        set_.id = key
    return Frame(
        UUID(bytes=id_),
        [_entry(told, read, sets) for told in entries],
        Counter({Account(p and ProjectId(p), d, r, why): n for p, d, r, why, n in counts}),
    )


_VIOLATION, _ROW, _SAMPLE = (kind.__struct_fields__ for kind in (Violation, Row, Sample))
_ROW = _ROW[:-1]  # what rows share is of this process


def _entry(
    told: Sequence[Any], chains: Mapping[bytes, Chain], pin_sets: Mapping[bytes, PinSet]
) -> Entry:
    if told[0] == 1:
        values = dict(zip(_SAMPLE, told[1:], strict=True))
        values |= {"dialect": Dialect(values["dialect"]), "delivery": _delivery(values["delivery"])}
        return Sample(**values)
    fields = told[1:]
    if len(fields) == len(_ROW) - 1:  # of the version before, which silenced no networks
        fields = (*fields, False)
    values = dict(zip(_ROW, fields, strict=True))
    v = dict(zip(_VIOLATION, values["violation"], strict=True))
    served, validated = values["served_chain"], values["validated_chain"]
    v |= {
        "dialect": Dialect(v["dialect"]),
        "kind": Kind(v["kind"]),
        "time_trust": TimeTrust(v["time_trust"]) if v["time_trust"] else None,
        "known_pins": pin_sets[values["pin_set"]],
        "served_chain": chains[served] if served else _NO_CHAIN,
        "validated_chain": chains[validated] if validated else _NO_CHAIN,
        "flags": tuple(v["flags"]),
    }
    values |= {
        "violation": Violation(**v),
        "delivery": _delivery(values["delivery"]),
        "issuer_path": tuple(values["issuer_path"]),
    }
    return Row(**values)


def _delivery(told: Sequence[Any]) -> Delivery:
    key, grade = told
    return Delivery(key, Grade(grade))
