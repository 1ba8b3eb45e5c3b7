"""The operator's page: hosts, signatures, the newest violations with their chains."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import jinja2
from aiohttp import web

from collector.model import Hash
from collector.store import hosts, ledger, signatures, violations
from collector.web.shown import shown
from collector.web.source import OneAddress

_HOSTS, _SIGNATURES, _VIOLATIONS = 100, 50, 50
_MEANING = {
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
    "suspected": "the client only suspects that a pin failed",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One certificate of a chain, as the page shows it."""

    role: str
    pin: str | None
    subject: str | None
    issuer: str | None = None
    validity: str | None = None
    sans: str | None = None
    key: str | None = None
    pinned: bool = False


def _time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "unknown"


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


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
                    f"{_time(row['not_before'])} to {_time(row['not_after'])}",
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


@dataclass(frozen=True, slots=True)
class Pages:
    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    one_address: OneAddress
    ingest_url: Callable[[], str | None]
    _templates: jinja2.Environment = field(init=False)

    def __post_init__(self) -> None:
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("collector.web"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["shown"] = shown
        environment.filters["time"] = _time
        object.__setattr__(self, "_templates", environment)

    async def overview(self, _request: web.Request) -> web.Response:
        now = self.clock()
        async with self.pool.acquire() as connection:
            listed = await hosts.listed(connection, now - timedelta(days=1), _HOSTS)
            groups = await signatures.newest(connection, _SIGNATURES)
            newest = await violations.newest(connection, _VIOLATIONS)
            totals = await ledger.totals(connection)
            others = await hosts.others(connection, now - timedelta(days=1))
            wanted = {
                bytes.fromhex(slot["certificate"])
                for row in newest
                for chain in (row["validated"], row["served"])
                for slot in (json.loads(chain) if chain else [])
                if "certificate" in slot
            }
            known = await violations.certificates(connection, list(wanted))
        template = self._templates.get_template("overview.html")
        html = template.render(
            now=now,
            ago=lambda at: _ago(at, now),
            meaning=_MEANING,
            hosts=listed,
            signatures=[{**row, "issuer_path": json.loads(row["issuer_path"])} for row in groups],
            violations=[_violation(row, known) for row in newest],
            totals=totals,
            others=others,
            warning=self.one_address.warning,
            ingest_url=self.ingest_url(),
        )
        return web.Response(text=html, content_type="text/html")


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
