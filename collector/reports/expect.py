"""Expect-CT (RFC 9163) and Expect-Staple reports: read and stored, not about pins."""

from __future__ import annotations

import re

from collector.model import Dialect, Kind, Violation
from collector.reports.certificates import read_chain
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints

_CT, _STAPLE = "expect-ct-report", "expect-staple-report"
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{1,700}={0,2}")
_SCTS = 8


def is_expect(item: dict[str, object]) -> bool:
    return isinstance(item.get(_CT), dict) or isinstance(item.get(_STAPLE), dict)


def read_expect(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError(no_host); every other field may be missing or broken."""
    name = _CT if isinstance(item.get(_CT), dict) else _STAPLE
    outer = Fields(item)
    fields = outer.within(name)
    host, host_port = fields.required_host("hostname")
    raw, at, trust = fields.time("date-time", hints=hints)
    validated = read_chain(fields.raw("validated-certificate-chain"), "validated", fields.flags)
    served = read_chain(fields.raw("served-certificate-chain"), "served", fields.flags)
    mode = fields.text("failure-mode", limit=32)
    enforced = None if mode is None else mode == "enforce"
    told: dict[str, object] = {"scts": _scts(fields.raw("scts"))} if name == _CT else {}
    return Violation(
        dialect=Dialect.EXPECT_CT if name == _CT else Dialect.EXPECT_STAPLE,
        host=host,
        port=fields.port() or host_port,
        kind=Kind.CT_FAILURE if name == _CT else Kind.OCSP_FAILURE,
        enforced=enforced,
        blocked=enforced,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        served_chain=served,
        validated_chain=validated,
        pins_expire=fields.text("effective-expiration-date", limit=64),
        test=bool(fields.boolean("test-report")),
        extra=keep({**outer.rest, **fields.rest, **told}, fields.flags),
        flags=tuple(fields.flags),
    )


def _scts(value: object) -> list[dict[str, object]]:
    """Each SCT by words and base64 only; what else stands there is not kept."""
    out: list[dict[str, object]] = []
    for entry in value[:_SCTS] if isinstance(value, list) else []:
        if not isinstance(entry, dict):
            continue
        told: dict[str, object] = {
            name: entry[name]
            for name in ("status", "source")
            if isinstance(entry.get(name), str) and _WORD.fullmatch(entry[name])
        }
        if type(entry.get("version")) is int and abs(entry["version"]) < 100:
            told["version"] = entry["version"]
        sct = entry.get("serialized_sct")
        if isinstance(sct, str) and _BASE64.fullmatch(sct):
            told["sct"] = sct
        out.append(told)
    return out
