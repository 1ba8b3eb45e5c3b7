"""What could be about a person: taken out of free text, by shape and by key. Linear.

It errs on the side of taking out: what a text says about a certificate is in other fields.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from collector.reports.hosts import read_host
from collector.reports.texts import clean, fold

_KEYS = re.compile(
    r"user|email|mail|^ip$|ipaddr|remoteaddr|clientip|forwardedfor|token|cookie|auth|secret|passw|pwd"
    r"|session|phone|msisdn|imei|imsi|idfa|idfv|gaid|adid|advertis|androidid|deviceid|devicename|vendorid"
    r"|installid|serial|latitude|longitude|location|firstname|lastname|fullname|nickname|login|account"
    r"|customer|apikey|jwt|bearer|credential|address|ssid|birth|iban|card|pushid|^uuid$|^udid$|^guid$"
    r"|^uid$|^sub$|^mac$|^tel$|^cell$|^lat$|^lng$|^lon$|^gps$|^fcm$|^path$|^query|^referr?er$|^body$|headers"
)
_UUID = re.compile(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_NO_ID = re.compile(r"[^\w.-]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,19}:(?:\\{0,4}/){2}[^\s\"'<>]{1,2000}")
_NO_SCHEME = re.compile(
    r"(?<![\w/])(?://)?[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?::\d{1,5})?/[^\s\"'<>]{1,2000}"
)
_PATH = re.compile(r"(?<![^\s\"'(=,:])/[^\s\"'<>?]{0,500}\?[^\s\"'<>]{0,2000}")
_EMAIL = re.compile(r"[\w.%+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{4,2000}(?:\.[A-Za-z0-9_-]{0,2000})?")
_SECRET = re.compile(
    r"(?i)(?<![a-z0-9])(?:[a-z0-9]{1,20}[_-]){0,3}(?:refresh|access|id|auth|csrf|session)?"
    # "public key pinning" is no secret: a key's value stands behind a sign, not only a blank.
    r"(?:(?:bearer|basic|token|accesstoken|apikey|password|passwd|pass|pwd|secret|username|sid|session|sessionid|cookie|authorization)"
    r"[\"']?[ =:]{1,3}|key[\"']?[ ]?[=:][ ]?)[\"'\[]?(?:(?:bearer|basic|digest|token)[ :]{1,2})?[^\s,;\"'{}]{4,400}"
)
_COOKIES = re.compile(r"(?i)(?<![a-z0-9])(?:set-)?cookie[\"']?[ ]?[=:][^\n]{1,4000}")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\d|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,9}(?![\w:])")


def is_personal(key: str, under: str = "") -> bool:
    """Whether what stands under this key is likely to be about a person; ``under``: its parent."""
    name = fold(key)
    return bool(_KEYS.search(name) or (under and _KEYS.search(fold(under) + name)))


@lru_cache(maxsize=1024)
def _spellings(id_: str) -> re.Pattern[str] | None:
    """An id as it may stand elsewhere: any case, with or without dashes."""
    bare = _NO_ID.sub("", id_)
    found = {text for text in (bare, bare.replace("-", "")) if len(text) >= 4}
    if not found:
        return None
    return re.compile("|".join(re.escape(text) for text in sorted(found)), re.IGNORECASE)


def without_personal(text: str, *, known: str | None = None) -> str:
    """Free text without ids, e-mail and IP addresses, secrets; of URLs only host and port.

    known: the install id of the report.
    """
    pattern = _spellings(known) if known else None
    if pattern is not None:
        text = pattern.sub("[id]", text)
    text = _UUID.sub("[id]", text)
    if "/" in text:
        text = _URL.sub(_host_and_port, text)
        text = _NO_SCHEME.sub(_host_and_port, text)
        text = _PATH.sub("[path]", text)
    text = _EMAIL.sub("[email]", text)
    text = _JWT.sub("[token]", text)
    if "ookie" in text.lower():
        text = _COOKIES.sub("[token]", text)
    text = _SECRET.sub("[token]", text)
    text = _IPV4.sub("[address]", text)
    return _IPV6.sub(_if_address, text) if ":" in text else text


def scrubbed(text: str | None, known: str | None, limit: int) -> str | None:
    """A field of free text, as it is stored. Scrubbed before it is cut."""
    return without_personal(clean(text[: 2 * limit]), known=known)[:limit] if text else None


def _host_and_port(match: re.Match[str]) -> str:
    try:
        host, port = read_host(match[0].replace("\\", "").lstrip("/"))
    except ValueError:
        return "[url]"
    return f"{host}:{port}" if port else host


def _if_address(match: re.Match[str]) -> str:
    text = match[0]
    for told in (text, text.rpartition(":")[0]):  # with a port, as Java writes it
        try:
            ipaddress.IPv6Address(told)
        except ValueError:
            continue
        return "[address]"
    return text
