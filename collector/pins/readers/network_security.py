"""Android's network-security-config, also with TrustKit-Android's part of it.

Sources: developer.android.com, "Network security configuration"; TrustKitConfigurationParser.java and
DomainPinningPolicy.java of TrustKit-Android for what it adds and its defaults.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from collector.errors import PinfallError
from collector.model import Hash
from collector.pins.model import ShippedPinSet
from collector.pins.readers.document import Document, Shape
from collector.pins.readers.quoting import quoted
from collector.pins.readers.values import (
    Notes,
    Prefix,
    once,
    read_day,
    read_name,
    read_pins,
    read_switch,
    read_uris,
)

NAME = "network-security-config"
TRUSTKIT = "trustkit-android"
_DEEPEST = 20
_MOST = 2000  # domains


@dataclass(frozen=True, slots=True)
class _Config:
    """What a domain-config has, or takes over from the one around it. pins None: nothing told yet."""

    pins: tuple[Hash, ...] | None = None
    expires: datetime | None = None
    trustkit: bool = False
    enforced: bool = False
    uris: tuple[str, ...] = ()
    default_uri: bool = True


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the file is another XML."""
    if document.shape is not Shape.XML or document.value.tag != "network-security-config":
        return None
    found: list[ShippedPinSet] = []
    for child in document.value:
        if child.tag == "domain-config":
            _domains(child, _Config(), found, notes, 0)
        elif child.tag == "base-config" and child.find("pin-set") is not None:
            notes.add("base-config: Android reads no pin-set there, and it was left out")
    once([one.host for one in found])
    pinned = [one for one in found if one.pins]
    above = [one for one in pinned if one.include_subdomains]
    kept = []
    for one in found:
        if one.pins or any(parent.covers_host(one.host) for parent in above):
            kept.append(one)
        else:
            notes.add(f"{one.host}: has no pin-set, and was left out")
    return kept


def _domains(
    element: Any, around: _Config, found: list[ShippedPinSet], notes: Notes, depth: int
) -> None:
    if depth > _DEEPEST:
        raise PinfallError(f"domain-config stands deeper than {_DEEPEST} levels")
    names = [child for child in element if child.tag == "domain"]
    hosts = [
        read_name(child.text or "", wildcards='name the domain, with includeSubdomains="true"')
        for child in names
    ]
    if len(found) + len(hosts) > _MOST:
        raise PinfallError(f"more than {_MOST} domains")
    where = hosts[0] if hosts else "a domain-config without domain"
    own = _config(element, around, notes, where)
    if own.trustkit and len(hosts) > 1:
        # Its parser keeps one name a domain-config; Android's own goes on to pin all of them.
        notes.add(
            f"{', '.join(hosts[:-1])[:200]}: TrustKit reads the last domain of a domain-config only"
        )
    for child, host in zip(names, hosts, strict=True):
        under = read_switch(child.get("includeSubdomains"), f"{host}: includeSubdomains", False)
        found.append(_set(host, under, own))
    for child in element:
        if child.tag == "domain-config":
            _domains(child, own, found, notes, depth + 1)


def _set(host: str, under: bool, own: _Config) -> ShippedPinSet:
    return ShippedPinSet(
        host=host,
        pins=own.pins or (),
        include_subdomains=under,
        platform="ANDROID",
        enforced=own.enforced if own.trustkit else True,
        expires=own.expires,
        report_uris=own.uris,
        default_report_uri=own.trustkit and own.default_uri,
        format=TRUSTKIT if own.trustkit else NAME,
    )


def _config(element: Any, around: _Config, notes: Notes, where: str) -> _Config:
    own = around
    pin_sets = [child for child in element if child.tag == "pin-set"]
    if len(pin_sets) > 1:
        raise PinfallError(f"{where}: has {len(pin_sets)} pin-sets, and Android takes one")
    for pin_set in pin_sets:
        own = replace(
            own,
            pins=_pins(pin_set, notes, where),
            expires=read_day(pin_set.get("expiration"), f"{where}: expiration"),
        )
    for told in element:
        if told.tag == "trustkit-config":
            uris = [(child.text or "").strip() for child in told if child.tag == "report-uri"]
            enforce, off = told.get("enforcePinning"), told.get("disableDefaultReportUri")
            own = replace(
                own,
                trustkit=True,
                enforced=read_switch(enforce, f"{where}: enforcePinning", around.enforced),
                default_uri=not read_switch(
                    off, f"{where}: disableDefaultReportUri", not around.default_uri
                ),
                uris=read_uris(uris, f"{where}: report-uri"),
            )
    for anchors in element:
        if anchors.tag == "trust-anchors":
            for source in anchors:
                if read_switch(source.get("overridePins"), f"{where}: overridePins", False):
                    told_source = quoted(source.get("src") or "")
                    notes.add(
                        f"{where}: chains to the anchors {told_source} are not pinned (overridePins)"
                    )
    return own


def _pins(pin_set: Any, notes: Notes, where: str) -> tuple[Hash, ...]:
    values = []
    for child in pin_set:
        if child.tag != "pin":
            continue
        kind = child.get("digest")
        if kind is None or kind.upper() != "SHA-256":
            raise PinfallError(
                f"{where}: a pin of digest {quoted(kind)}: Android takes SHA-256 only"
            )
        values.append(child.text or "")
    return read_pins(values, notes, where, Prefix.NEVER)
