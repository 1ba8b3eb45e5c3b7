"""Unknown keys of a report are kept, but small and without personal data."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping

from collector.reports.fields import clean, fold
from collector.reports.hosts import read_host

WORST_EXTRA = 4096  # bytes of JSON
_DEPTH = 4
_TEXT = 512

_PERSONAL = re.compile(
    r"user|email|mail|^ip$|ipaddr|remoteaddr|clientip|xforwardedfor|token|cookie|auth|secret|passw"
    r"|session|phone|msisdn|imei|imsi|idfa|idfv|gaid|advertis|androidid|deviceid|vendorid|installid"
    r"|serial|latitude|longitude|location|firstname|lastname|fullname|account|customer|apikey|jwt"
    r"|bearer|credential|address|ssid|birth"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,19}://[^\s\"'<>\\]{1,2000}")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![\w:])")
_TOKEN = re.compile(r"(?i)\b(?:bearer|basic|token|key|password|secret)\b[ =:]{1,3}[^\s,;]{4,400}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,2000}(?:\.[A-Za-z0-9_-]{0,2000})?")


def without_personal(text: str, *, known: tuple[str, ...] = ()) -> str:
    """Free text without e-mail addresses, IP addresses, tokens and ``known`` ids; URLs become
    host:port. Linear in its length."""
    for value in known:
        if len(value) >= 4:
            text = re.sub(re.escape(value), "[id]", text, flags=re.IGNORECASE)
    text = _URL.sub(_host_and_port, text)
    text = _EMAIL.sub("[email]", text)
    text = _JWT.sub("[token]", text)
    text = _TOKEN.sub("[token]", text)
    text = _IPV4.sub("[address]", text)
    return _IPV6.sub(_if_address, text)


def _host_and_port(match: re.Match[str]) -> str:
    try:
        host, port = read_host(match[0])
    except ValueError:
        return "[url]"
    return f"{host}:{port}" if port else host


def _if_address(match: re.Match[str]) -> str:
    try:
        ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    return "[address]"


def keep(
    rest: Mapping[str, object], flags: list[str], *, known: tuple[str, ...] = ()
) -> dict[str, object]:
    """What is stored of unknown keys: at most WORST_EXTRA bytes, smallest values first.

    known: ids that the report names elsewhere, and which must not stand here in the clear.
    """
    if not rest:
        return {}
    lost = 0
    kept: dict[str, object] = {}
    size = 2
    entries = []
    for key, value in rest.items():
        name = clean(str(key))[:64]
        if _PERSONAL.search(fold(name)):
            lost += 1
            continue
        told = _reduce(value, known, _DEPTH)
        entries.append((len(json.dumps([name, told])), without_personal(name, known=known), told))
    for length, name, told in sorted(entries, key=lambda entry: entry[0]):
        if size + length > WORST_EXTRA:
            flags.append("cut:extra")
            break
        kept[name] = told
        size += length
    if lost:
        flags.append("private:extra")
    return kept


def _reduce(value: object, known: tuple[str, ...], depth: int) -> object:
    if isinstance(value, str):
        return without_personal(clean(value[:_TEXT]), known=known)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        # Postgres' jsonb refuses NaN and infinities, and a number of a million digits is no detail.
        return value if abs(value) < 1e18 else str(value)[:32]
    if depth == 0:
        return "..."
    if isinstance(value, list):
        return [_reduce(entry, known, depth - 1) for entry in value[:20]]
    if isinstance(value, dict):
        return {
            without_personal(clean(str(key))[:64], known=known): _reduce(entry, known, depth - 1)
            for key, entry in list(value.items())[:40]
            if not _PERSONAL.search(fold(clean(str(key))[:64]))
        }
    return None
