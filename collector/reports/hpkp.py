"""Reports of RFC 7469 section 3, as Chrome 46 to 71 sent them and lookalikes still do."""

from __future__ import annotations

from collector.model import Dialect, Kind, Violation
from collector.reports.certificates import read_chain
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.pins import pin_set, read_pins


def is_hpkp(item: dict[str, object]) -> bool:
    return "known-pins" in item and "served-pins" not in item


def read_hpkp(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError(no_host); every other field may be missing or broken."""
    fields = Fields(item)
    host, host_port = fields.required_host("hostname")
    noted_host, _ = fields.host("noted-hostname")
    raw, at, trust = fields.time("date-time", hints=hints)
    known_pins = pin_set(read_pins(fields.raw("known-pins"), "known-pins", fields.flags))
    validated = read_chain(fields.raw("validated-certificate-chain"), "validated", fields.flags)
    served = read_chain(fields.raw("served-certificate-chain"), "served", fields.flags)
    return Violation(
        dialect=Dialect.HPKP,
        host=host,
        port=fields.port() or host_port,
        noted_host=noted_host,
        include_subdomains=fields.boolean("include-subdomains"),
        kind=Kind.PIN_MISMATCH,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=known_pins,
        served_chain=served,
        validated_chain=validated,
        pins_expire=fields.text("effective-expiration-date", limit=64),
        extra=keep(fields.rest, fields.flags),
        flags=tuple(fields.flags),
    )
