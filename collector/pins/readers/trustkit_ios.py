"""TrustKit for Apple platforms: TSKConfiguration of an Info.plist, or the dictionary itself, also as
JSON. Keys: TSKTrustKitConfig.h of TrustKit; defaults: its parse_configuration.m."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from collector.errors import PinfallError
from collector.pins.model import ShippedPinSet
from collector.pins.readers import bundle
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

NAME = "trustkit-ios"
_DOMAINS = "TSKPinnedDomains"
_HASHES, _SUBDOMAINS = "TSKPublicKeyHashes", "TSKIncludeSubdomains"
_ENFORCED, _EXPIRES = "TSKEnforcePinning", "TSKExpirationDate"
_URIS, _NO_DEFAULT = "TSKReportUris", "TSKDisableDefaultReportUri"
_EXCLUDED = "TSKExcludeSubdomainFromParentPolicy"
_KNOWN = frozenset({
    _HASHES, _SUBDOMAINS, _ENFORCED, _EXPIRES, _URIS, _NO_DEFAULT, _EXCLUDED,
    "TSKPublicKeyAlgorithms", "TSKAdditionalTrustAnchors",
})  # fmt: skip


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the file holds no such configuration."""
    root = document.value
    if document.shape not in (Shape.PLIST, Shape.JSON) or not isinstance(root, Mapping):
        return None
    told = root.get("TSKConfiguration", root)
    domains = _plain(told).get(_DOMAINS) if isinstance(told, Mapping) else None
    if domains is None:
        return None
    if not isinstance(domains, Mapping):
        raise PinfallError(f"{_DOMAINS} should be a dictionary of domains")
    sets = [made for name, policy in domains.items() if (made := _set(name, policy, notes))]
    once([one.host for one in sets])
    release = bundle.release(root)
    return [replace(one, **release, format=NAME) for one in sets]


def _plain(told: Mapping[Any, Any]) -> dict[Any, Any]:
    """Keys as their values are: sources that are turned into JSON often say kTSKPinnedDomains."""
    return {
        key[1:] if isinstance(key, str) and key.startswith("kTSK") else key: value
        for key, value in told.items()
    }


def _set(name: object, policy: object, notes: Notes) -> ShippedPinSet | None:
    host = read_name(name, wildcards=f"name the domain, with {_SUBDOMAINS}")
    if not isinstance(policy, Mapping):
        raise PinfallError(f"{host}: should be a dictionary of {_HASHES} and the like")
    told = _plain(policy)
    for key in told:
        if key not in _KNOWN:
            notes.add(f"{host}: {quoted(key)} is no key of TrustKit, and was left out")
    try:
        if read_switch(told.get(_EXCLUDED), _EXCLUDED, False):
            return ShippedPinSet(host=host, pins=())
        pins = read_pins(told.get(_HASHES, []), notes, host, Prefix.NEVER)
        if not pins:
            notes.add(f"{host}: has no pin, and was left out")
            return None
        return ShippedPinSet(
            host=host,
            pins=pins,
            include_subdomains=read_switch(told.get(_SUBDOMAINS), _SUBDOMAINS, False),
            enforced=read_switch(told.get(_ENFORCED), _ENFORCED, True),
            expires=read_day(told.get(_EXPIRES), _EXPIRES),
            report_uris=read_uris(told.get(_URIS), _URIS),
            default_report_uri=not read_switch(told.get(_NO_DEFAULT), _NO_DEFAULT, False),
        )
    except PinfallError as error:
        text = str(error)
        raise PinfallError(text if text.startswith(f"{host}: ") else f"{host}: {text}") from None
