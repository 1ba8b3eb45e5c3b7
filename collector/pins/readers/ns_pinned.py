"""NSPinnedDomains of an Info.plist: pins that iOS itself checks. It reports nothing, and never expires.

Source: developer.apple.com, "NSPinnedDomains" (Information Property List).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from collector.errors import PinfallError
from collector.pins.model import ShippedPinSet
from collector.pins.readers import bundle
from collector.pins.readers.document import Document, Shape
from collector.pins.readers.values import Notes, Prefix, once, read_name, read_pins, read_switch

NAME = "ns-pinned-domains"
_DOMAINS = "NSPinnedDomains"
_SUBDOMAINS = "NSIncludesSubdomains"
_LEAF, _CA = "NSPinnedLeafIdentities", "NSPinnedCAIdentities"
_PIN = "SPKI-SHA256-BASE64"


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the file holds no such domains."""
    root = document.value
    if document.shape is not Shape.PLIST or not isinstance(root, Mapping):
        return None
    security = root.get("NSAppTransportSecurity", root)
    domains = security.get(_DOMAINS) if isinstance(security, Mapping) else None
    if domains is None:
        return None
    if not isinstance(domains, Mapping):
        raise PinfallError(f"{_DOMAINS} should be a dictionary of domains")
    sets = [made for name, told in domains.items() if (made := _set(name, told, notes))]
    once([one.host for one in sets])
    release = bundle.release(root)
    return [replace(one, **release, format=NAME) for one in sets]


def _set(name: object, told: object, notes: Notes) -> ShippedPinSet | None:
    host = read_name(name, wildcards=f"name the domain, with {_SUBDOMAINS}")
    if not isinstance(told, Mapping):
        raise PinfallError(f"{host}: should be a dictionary with {_LEAF} or {_CA}")
    values: list[object] = []
    for key in (_LEAF, _CA):
        identities = told.get(key)
        if identities is None:
            continue
        if not isinstance(identities, list):
            raise PinfallError(f"{host}: {key} should be a list")
        for place, identity in enumerate(identities, 1):
            if not isinstance(identity, Mapping) or _PIN not in identity:
                raise PinfallError(f"{host}: {key}: number {place} should have {_PIN}")
            values.append(identity[_PIN])
    if told.get(_LEAF) and told.get(_CA):
        notes.add(
            f"{host}: pins of leafs and of authorities are kept as one set, without their places"
        )
    pins = read_pins(values, notes, host, Prefix.NEVER)
    if not pins:
        notes.add(f"{host}: has no pin, and was left out")
        return None
    return ShippedPinSet(
        host=host,
        pins=pins,
        include_subdomains=read_switch(told.get(_SUBDOMAINS), f"{host}: {_SUBDOMAINS}", False),
        enforced=True,
    )
