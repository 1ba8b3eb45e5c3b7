"""react-native-ssl-manager: its Android half, and the event that it raises in JavaScript.

Its iOS half posts TrustKit's own reports to the same URL. ``served-pins`` are the SPKI hashes of
the chain as received, leaf first; the event's ``servedPins`` is empty on iOS.
"""

from __future__ import annotations

from collector.model import WORST_CHAIN, Chain, Dialect, Kind, Slot, Violation
from collector.reports.agents import android
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.personal import scrubbed
from collector.reports.pins import pin_set, read_pins
from collector.reports.platforms import platform_of

_MESSAGE = 500


def is_rn_ssl_manager(item: dict[str, object]) -> bool:
    return "served-pins" in item or (
        "servedPins" in item and ("host" in item or "hostname" in item)
    )


def read_rn_ssl_manager(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError(no_host); every other field may be missing or broken."""
    fields = Fields(item)
    posted = "served-pins" in item  # by the native half, which is Android's alone
    host, port = fields.required_host("hostname", "host")
    raw, at, trust = fields.time("date-time", "timestamp", hints=hints)
    known = read_pins(fields.raw("known-pins", "knownPins"), "known-pins", fields.flags)
    served = read_pins(fields.raw("served-pins", "servedPins"), "served-pins", fields.flags)
    enforced = fields.boolean("enforced")
    os_version, device = android(hints.user_agent)
    platform = platform_of(fields.text("platform", limit=32))
    install_id = fields.identifier("installId", "install_id")
    return Violation(
        dialect=Dialect.RN_SSL_MANAGER,
        host=host,
        port=port,
        kind=Kind.PIN_MISMATCH,
        enforced=enforced,
        blocked=enforced,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=pin_set(known),
        served_chain=Chain(Slot(hash=pin) for pin in served[:WORST_CHAIN]),
        app_id=fields.text("appId", "app_id"),
        app_version=fields.text("appVersion", "app_version", limit=64),
        platform=platform or ("ANDROID" if posted or os_version else None),
        os_version=os_version,
        device=device,
        sdk="react-native-ssl-manager",
        install_id=install_id,
        error_message=scrubbed(fields.long_text("message"), install_id, _MESSAGE),
        extra=keep(fields.rest, fields.flags, known=install_id),
        flags=tuple(fields.flags),
    )
