"""Host names as clients write them, to lower-case A-labels; addresses to their one spelling."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

import idna

_PLAIN = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,19}://")
_WORST = 253  # octets of a name, RFC 1035 section 2.3.4


def read_host(text: str) -> tuple[str, int | None]:
    """(host, port or None) of a name, an address, ``host:port`` or a URL.

    Of a URL only host and port are kept: the rest can hold personal data.
    Raises ValueError if no usable host is in it.
    """
    return _read_cached(text) if len(text) <= _SHORT else _read(text)


def _read(text: str) -> tuple[str, int | None]:
    text = text.strip()
    if len(text) > 4 * _WORST and not _SCHEME.match(text):
        raise ValueError("too long for a host")
    scheme = _SCHEME.match(text)
    if scheme:
        text = text[scheme.end() :]
    for stop in "/?#\\":
        text = text.partition(stop)[0]
    text = text.rpartition("@")[2]
    port = None
    if text.startswith("["):
        text, _, rest = text[1:].partition("]")
        port = _port(rest[1:]) if rest.startswith(":") else None
    elif text.count(":") == 1:
        text, _, number = text.partition(":")
        port = _port(number)
    return _canonical(text), port


_SHORT = 256  # characters: of texts that are remembered, 3 MB in all
_read_cached = lru_cache(maxsize=4096)(_read)


def _port(text: str) -> int | None:
    if text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536:
        return int(text)
    return None


def _canonical(text: str) -> str:
    host = text.lower().rstrip(".")
    if _PLAIN.fullmatch(host) and len(host) <= _WORST and not host[-1].isdigit():
        return host
    address = host.partition("%")[0]  # fe80::1%eth0: the zone is the device's own business
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        pass
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, transitional=False).decode()
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("not a host name") from error
    if not _PLAIN.fullmatch(host) or len(host) > _WORST:
        raise ValueError("not a host name")
    return host


def matches(pattern: str, host: str) -> bool:
    """Whether ``host`` is ``pattern``, or under it where that is ``*.example.com`` (any depth)."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def read_pattern(text: str) -> str:
    """A host, or ``*.`` and a domain, in canonical form. Raises ValueError."""
    text = text.strip()
    if text.startswith("*."):
        host, port = read_host(text[2:])
        if "." not in host:
            raise ValueError("a wildcard needs a domain of two labels or more")
        host = "*." + host
    else:
        host, port = read_host(text)
    if port is not None or "/" in text:
        raise ValueError("a host pattern has no port and no path")
    return host
