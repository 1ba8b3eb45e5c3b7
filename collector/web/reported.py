"""A reported violation as pages show it: its chains, its pins, and what both say to each other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

from collector.model import Hash
from collector.store import violations
from collector.store.connect import Connection
from collector.web import rendering
from collector.web.ladder import Place

MEANING = {
    "pin_mismatch": "a trusted chain, but none of the client's pins is in it",
    "chain_untrusted": "the client does not trust the chain: says nothing about pins",
    "name_mismatch": "the certificate is for another name",
    "expired": "the certificate had expired, by the client's clock",
    "not_yet_valid": "the certificate was not valid yet, by the client's clock",
    "revoked": "the certificate is revoked",
    "no_pins": "the client has no pins for this host, and refused it",
    "user_anchor": "the chain ends in a root that the user installed",
    "invalid_parameters": "the client could not evaluate the chain",
    "spki_error": "the client could not hash a key",
    "ct_failure": "the certificate is not logged as the client asks",
    "ocsp_failure": "the server's OCSP staple is missing or bad",
    "tls_other": "the handshake failed for another reason",
    "suspected": "the client only suspects that a pin failed",
}


def _ladder(
    slots: list[dict[str, str]], known: dict[str, asyncpg.Record], pins: set[str]
) -> list[Place]:
    places = []
    for number, slot in enumerate(slots):
        role = "leaf" if number == 0 else "intermediate"
        if slot.get("certificate") in known:
            row = known[slot["certificate"]]
            pin = str(Hash("sha256", row["spki_sha256"]))
            role = "root" if number and row["self_signed"] else role
            sans = json.loads(row["sans"])
            places.append(
                Place(
                    role,
                    pin,
                    row["subject"] if row["subject"] is not None else "too odd to tell",
                    row["issuer"],
                    f"{rendering.time(row['not_before'])} to {rendering.time(row['not_after'])}",
                    ", ".join(sans[:8]) + (" …" if len(sans) > 8 else ""),
                    row["key_type"],
                    pin in pins,
                )
            )
        elif "hash" in slot:
            role = "trust anchor" if number and number == len(slots) - 1 else role
            places.append(
                Place(role, slot["hash"], slot.get("subject"), pinned=slot["hash"] in pins)
            )
        else:
            places.append(Place(role, None, "a certificate that cannot be read"))
    return places


def _verdict(pins: Sequence[str], ladder: list[Place]) -> str:
    """What the pins and the chain of one report say to each other."""
    if not pins:
        return "The report names no pins."
    if not ladder:
        return "The report has no chain to compare its pins with."
    matching = [place.role for place in ladder if place.pinned]
    count = "The pin" if len(pins) == 1 else f"The {len(pins)} pins"
    if matching:
        return (
            f"{count} and the chain agree at: {', '.join(matching)}. The report contradicts itself."
        )
    verb = "does not match" if len(pins) == 1 else "do not match"
    places = "the one certificate" if len(ladder) == 1 else f"any of the {len(ladder)} certificates"
    return f"{count} {verb} {places} of this chain."


async def shown(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[dict[str, Any]]:
    """Rows of ``violations.newest`` for the template, with facts of their certificates."""
    wanted = {
        bytes.fromhex(slot["certificate"])
        for row in rows
        for chain in (row["validated"], row["served"])
        for slot in (json.loads(chain) if chain else [])
        if "certificate" in slot
    }
    known = await violations.certificates(connection, list(wanted))
    return [_violation(row, known) for row in rows]


def _violation(row: asyncpg.Record, known: dict[str, asyncpg.Record]) -> dict[str, Any]:
    pins = json.loads(row["pins"]) if row["pins"] else []
    validated = _ladder(json.loads(row["validated"] or "[]"), known, set(pins))
    served = _ladder(json.loads(row["served"] or "[]"), known, set(pins))
    details = json.loads(row["details"])
    return {
        **row,
        "pins": pins,
        "validated": validated,
        "served": served if served != validated else [],
        "same": bool(served) and served == validated,
        "verdict": _verdict(pins, validated or served),
        "flags": details.get("flags", []),
        "extra": details.get("extra", {}),
        "suspect": details.get("suspect"),
        "message": details.get("error_message"),
        "device": details.get("device"),
    }
