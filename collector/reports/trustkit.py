"""TrustKit's own reports: iOS, macOS, tvOS, watchOS, and Android.

Same keys on both. iOS sends only the validated chain and true UTC; Android sends both chains, no
OS version, and its local time labelled ``Z``. Both always send port 0.
"""

from __future__ import annotations

from collector.errors import Reason, ReportError
from collector.model import Dialect, Kind, Violation
from collector.reports.agents import android
from collector.reports.certificates import read_chain
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.pins import pin_set, read_pins
from collector.reports.platforms import platform_of

# TSKTrustDecision.h and PinningValidationResult.java: the same ordinals.
RESULTS = {
    1: Kind.PIN_MISMATCH,
    2: Kind.CHAIN_UNTRUSTED,  # default validation failed: says nothing about pins
    3: Kind.INVALID_PARAMETERS,
    4: Kind.USER_ANCHOR,
    5: Kind.SPKI_ERROR,
}
TEST_APPS = frozenset({"N/A", "unit-tests"})


def is_trustkit(item: dict[str, object]) -> bool:
    return "validation-result" in item or "app-bundle-id" in item or "trustkit-version" in item


def read_trustkit(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError(no_host); every other field may be missing or broken."""
    fields = Fields(item)
    platform = platform_of(fields.text("app-platform", limit=32))
    on_android = platform == "ANDROID" or (platform is None and "served-certificate-chain" in item)
    noted_host, _ = fields.host("noted-hostname")
    host, host_port = fields.host("hostname")
    if host is None:
        host = noted_host
        fields.flags.append("host_from:noted-hostname")
    if host is None:
        raise ReportError(Reason.NO_HOST, "no usable host in hostname or noted-hostname")
    port = fields.port() or host_port

    kind = Kind.PIN_MISMATCH  # a report without a result is one of a pin failure
    if fields.rest.get("validation-result") is not None:
        kind = RESULTS.get(fields.integer("validation-result") or 0, Kind.UNKNOWN)
        if kind is Kind.UNKNOWN:
            fields.flags.append("unknown_enum:validation-result")
    enforced = fields.boolean("enforce-pinning")
    blocked = True if kind is not Kind.PIN_MISMATCH else enforced

    raw, at, trust = fields.time("date-time", hints=hints, local_labelled_utc=on_android)
    known_pins = pin_set(read_pins(fields.raw("known-pins"), "known-pins", fields.flags))
    validated = read_chain(fields.raw("validated-certificate-chain"), "validated", fields.flags)
    served = read_chain(fields.raw("served-certificate-chain"), "served", fields.flags)

    app_id = fields.text("app-bundle-id")
    install_id = fields.identifier("app-vendor-id")
    os_version = fields.text("app-platform-version", limit=32)
    agent_version, device = android(hints.user_agent)
    return Violation(
        dialect=Dialect.TRUSTKIT_ANDROID if on_android else Dialect.TRUSTKIT_IOS,
        host=host,
        noted_host=noted_host,
        port=port,
        kind=kind,
        include_subdomains=fields.boolean("include-subdomains"),
        enforced=enforced,
        blocked=blocked,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=known_pins,
        served_chain=served,
        validated_chain=validated,
        pins_expire=fields.text("known-pins-expiration-date", limit=64),
        app_id=app_id,
        app_version=fields.text("app-version", limit=64),
        platform=platform or ("ANDROID" if on_android else None),
        os_version=os_version or agent_version,
        device=device,
        sdk=_sdk(item, fields.flags, on_android=on_android),
        sdk_version=fields.text("trustkit-version", limit=32),
        install_id=install_id,
        test=app_id in TEST_APPS or install_id == "unit-tests",
        extra=keep(fields.rest, fields.flags, known=install_id),
        flags=tuple(fields.flags),
    )


def _sdk(item: dict[str, object], flags: list[str], *, on_android: bool) -> str | None:
    """Which TrustKit, where one says so; else where the fields that every TrustKit sends are there
    in the types that it writes. What somebody rebuilt by hand is not TrustKit's."""
    own = {"include-subdomains", "validation-result"} <= item.keys()
    if "trustkit-version" in item or (own and not any(f.startswith("coerced:") for f in flags)):
        return "trustkit-android" if on_android else "trustkit-ios"
    return None
