"""ssl_config.json of react-native-ssl-manager, for both platforms.

Source: SslConfigStore.kt and SslPinningPolicy.kt of huytdps13400/react-native-ssl-manager 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.errors import PinfallError
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

NAME = "rn-ssl-manager"
_KEYS = "sha256Keys"


def read(document: Document, notes: Notes) -> list[ShippedPinSet] | None:
    """None where the file is other JSON."""
    root = document.value
    if document.shape is not Shape.JSON or not isinstance(root, Mapping) or _KEYS not in root:
        return None
    if not isinstance(root[_KEYS], Mapping):
        raise PinfallError(f"{_KEYS} should be an object of hosts")
    options = root.get("domains") or {}
    if not isinstance(options, Mapping) or not all(
        isinstance(v, Mapping) for v in options.values()
    ):
        raise PinfallError("domains should be an object of objects")
    enforced = read_switch(root.get("enforcePinning"), "enforcePinning", True)
    expires = read_day(root.get("expiration"), "expiration", through=True)
    uris = read_uris(root.get("reportUris"), "reportUris")
    sets = []
    for name, values in root[_KEYS].items():
        host = read_name(name, wildcards="name the domain, with includeSubdomains")
        own: Mapping[Any, Any] = options.get(name, {})
        pins = read_pins(values, notes, host, Prefix.EITHER)
        if not pins:
            notes.add(f"{host}: has no pin, and was left out")
            continue
        ends = read_day(own.get("expirationDate"), f"{host}: expirationDate", through=True)
        sets.append(
            ShippedPinSet(
                host=host,
                pins=pins,
                include_subdomains=read_switch(
                    own.get("includeSubdomains"), f"{host}: includeSubdomains", True
                ),
                enforced=enforced
                and read_switch(own.get("enforcePinning"), f"{host}: enforcePinning", True),
                expires=min((at for at in (expires, ends) if at), default=None),
                report_uris=uris,
                format=NAME,
            )
        )
    for name in options:
        if name not in root[_KEYS]:
            notes.add(f"{quoted(name)}: has options and no pins, and was left out")
    once([one.host for one in sets])
    return sets
