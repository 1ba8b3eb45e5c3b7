"""Products that inspect TLS, by what they call themselves.

A name proves nothing: anybody can make a root of any name, so a hit says "calls itself". The list is
data/interception.toml, which says where each name is from.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources

from collector.detect.names import parts


class Inspection(StrEnum):
    """What a product is for."""

    CORPORATE_PROXY = "corporate proxy"
    ANTIVIRUS = "antivirus"
    DEBUGGING_PROXY = "debugging proxy"
    PARENTAL_CONTROL = "parental control"
    CAPTIVE_PORTAL = "captive portal"
    AD_BLOCKER = "ad blocker"
    ADWARE = "adware"


@dataclass(frozen=True, slots=True)
class Product:
    """``cn`` and ``o``: patterns of whole values, ``*`` is any text; one that fits is enough."""

    name: str
    kind: Inspection
    cn: tuple[str, ...]
    o: tuple[str, ...]
    source: str


def _read() -> tuple[int, tuple[Product, ...]]:
    text = resources.files("collector.detect").joinpath("data/interception.toml").read_text("utf-8")
    told = tomllib.loads(text)
    products = tuple(
        Product(
            entry["name"],
            Inspection(entry["kind"]),
            tuple(entry.get("cn", ())),
            tuple(entry.get("o", ())),
            entry["source"],
        )
        for entry in told["product"]
    )
    return int(told["version"]), products


VERSION, PRODUCTS = _read()  # once, at import: the room stays dry from then on


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    fits = "|".join(re.escape(text).replace(r"\*", ".*") for text in texts)
    return re.compile(f"(?:{fits})" if fits else r"(?!)", re.IGNORECASE | re.DOTALL)


_PATTERNS = tuple((product, _pattern(product.cn), _pattern(product.o)) for product in PRODUCTS)


@lru_cache(maxsize=4096)
def product_of(name: str) -> Product | None:
    """The product that a distinguished name calls itself, by its common name or organisation."""
    told = parts(name)
    for product, cn, o in _PATTERNS:
        if any(cn.fullmatch(value) for value in told.get("CN", ())):
            return product
        if any(o.fullmatch(value) for value in told.get("O", ())):
            return product
    return None


def product_among(names: Iterable[str]) -> Product | None:
    """Of the first name that has one; names: of issuers, the leaf's first."""
    return next((found for name in names if (found := product_of(name))), None)
