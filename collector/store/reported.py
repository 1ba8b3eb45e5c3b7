"""Chains and pin sets of sightings, read again as reports had them."""

from __future__ import annotations

import json
from collections.abc import Collection

from collector.detect.classes import Reported
from collector.model import Certificate, Hash
from collector.store.connect import Connection

_CHAINS = "SELECT id, slots FROM chain WHERE id = ANY($1)"
_CERTIFICATES = """
SELECT sha256, der, spki_sha256, spki_sha1 FROM certificate WHERE sha256 = ANY($1)
"""
_PINS = "SELECT id, pins FROM pin_set WHERE id = ANY($1)"


async def chains(connection: Connection, ids: Collection[bytes]) -> dict[bytes, Reported]:
    """By their ids; one that is gone is missing."""
    if not ids:
        return {}
    rows = {
        row["id"]: json.loads(row["slots"]) for row in await connection.fetch(_CHAINS, list(ids))
    }
    wanted = {
        bytes.fromhex(s["certificate"])
        for slots in rows.values()
        for s in slots
        if "certificate" in s
    }
    found = {
        row["sha256"]: Certificate(row["der"], row["sha256"], row["spki_sha256"], row["spki_sha1"])
        for row in await connection.fetch(_CERTIFICATES, list(wanted))
    }
    return {id_: _reported(slots, found) for id_, slots in rows.items()}


def _reported(slots: list[dict[str, str]], known: dict[bytes, Certificate]) -> Reported:
    hashes: list[Hash | None] = []
    certificates, subjects = [], []
    for slot in slots:
        certificate = known.get(bytes.fromhex(slot.get("certificate", "")))
        if certificate is not None:
            certificates.append(certificate)
            hashes.append(Hash("sha256", certificate.spki_sha256))
        else:
            hashes.append(Hash.parse(slot["hash"]) if "hash" in slot else None)
            if slot.get("subject") is not None:
                subjects.append(slot["subject"])
    return Reported(tuple(hashes), tuple(certificates), tuple(subjects))


async def pin_sets(connection: Connection, ids: Collection[bytes]) -> dict[bytes, tuple[Hash, ...]]:
    if not ids:
        return {}
    rows = await connection.fetch(_PINS, list(ids))
    return {row["id"]: tuple(Hash.parse(pin) for pin in json.loads(row["pins"])) for row in rows}
