"""The envelope of the Reporting API: ``{age, type, url, user_agent, body}``, in an array or bare.

``network-error`` bodies are NEL; ``hpkp`` bodies are those of RFC 7469. Browsers batch other types
with them, which are ignored: a collector that refused those would be dropped by the browser.
"""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from collector.model import Dialect, Ignored, Kind, Skip, TimeTrust, Violation
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.hpkp import read_hpkp

_WORST_AGE = 7 * 86_400_000  # ms
_TYPE = re.compile(r"[a-z][a-z-]{1,40}")  # as the Reporting API writes them
_OTHERS = {
    "validation-result",
    "app-bundle-id",
    "known-pins",
    "served-pins",
    "message",
    "exception",
}
_SMALLEST_FRACTION = 1e-4  # of a sample: one report may stand for 10,000, and no more
_HTTPS = 443
_WORD = re.compile(r"[^a-z0-9._-]")
_KINDS = {
    "tls.cert.pinned_key_not_in_cert_chain": Kind.PIN_MISMATCH,
    "tls.cert.name_invalid": Kind.NAME_MISMATCH,
    "tls.cert.date_invalid": Kind.EXPIRED,  # or not valid yet: NEL does not tell
    "tls.cert.revoked": Kind.REVOKED,
}


def is_reporting(item: dict[str, object]) -> bool:
    """A ``type`` in the API's spelling and a body, with ``age`` or ``url``; W3C's own examples leave
    out the age, some browsers' reports the body. What has marks of another dialect is that one's."""
    type_, body = item.get("type"), item.get("body")
    if not isinstance(type_, str) or not _TYPE.fullmatch(type_) or _OTHERS & item.keys():
        return False
    return isinstance(body, dict | None) and "url" in item and ("age" in item or "body" in item)


def read_reporting(item: dict[str, object], hints: Hints) -> Violation | Ignored:
    """Raises ReportError(no_host) for a NEL or HPKP report without a host."""
    fields = Fields(item)
    type_ = fields.text("type", limit=64)
    body = fields.within("body")
    agent = fields.text("user_agent", limit=512)
    told = Hints(hints.received_at, agent or hints.user_agent)
    if type_ == "hpkp":
        return msgspec.structs.replace(read_hpkp(body.rest, told), dialect=Dialect.REPORTING)
    if type_ == "network-error":
        return _read_nel(fields, body, told)
    return Ignored(Dialect.REPORTING, Skip.OTHER_TYPE)


def _read_nel(fields: Fields, body: Fields, hints: Hints) -> Violation | Ignored:
    type_ = (body.text("type", limit=64) or "").lower()
    url = fields.raw("url")
    kind = _kind(type_)
    secure = isinstance(url, str) and url.lower().startswith(("https:", "wss:"))
    if kind is None or not secure:
        changed = type_ == "dns.address_changed"
        return Ignored(Dialect.NEL, Skip.ADDRESS_CHANGED if changed else Skip.NOT_TLS)
    host, port = Fields({"url": url}, fields.flags).required_host("url")
    age = min(max(fields.integer("age") or 0, 0), _WORST_AGE)
    at = hints.received_at and hints.received_at - timedelta(milliseconds=age)
    body.rest.pop("referrer", None)  # where people were
    return Violation(
        dialect=Dialect.NEL,
        host=host,
        port=port or _HTTPS,
        kind=kind,
        blocked=kind is not Kind.OK,
        client_time=at,
        time_trust=TimeTrust.SERVER_MINUS_AGE,
        sampling_fraction=_fraction(body),
        server_ip=body.address("server_ip"),
        error_type=_WORD.sub("", type_) if kind is not Kind.OK else None,
        # elapsed_time, method, phase, protocol, status_code: of the connection, not of a person.
        extra=keep(body.rest, fields.flags),
        flags=tuple(fields.flags),
    )


def _kind(type_: str) -> Kind | None:
    if type_ == "ok":
        return Kind.OK
    if type_ in _KINDS:
        return _KINDS[type_]
    if type_.startswith("tls.cert."):  # browsers may add more: known by their beginning
        return Kind.CHAIN_UNTRUSTED
    return Kind.TLS_OTHER if type_.startswith("tls.") else None


def _fraction(body: Fields) -> float:
    value = body.raw("sampling_fraction")
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        if value < _SMALLEST_FRACTION:
            body.flags.append("cut:sampling_fraction")
        return max(float(value), _SMALLEST_FRACTION)
    if value is not None:
        body.flags.append("unreadable:sampling_fraction")
    return 1.0
