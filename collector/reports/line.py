"""A violation as one line of JSON, for people who ask how their report is read."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

from collector.model import Chain, Hash, Violation, Window
from collector.reports.certificates import facts, role


def utc(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, with milliseconds only where there are any."""
    if at is None:
        return None
    at = at.astimezone(UTC)
    precision = "milliseconds" if at.microsecond else "seconds"
    return at.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _told(pins: tuple[Hash, ...], kind: str) -> list[str]:
    return sorted(pin.spelling or _b64(pin.digest) for pin in pins if pin.kind == kind)


def _of_certificates(chain: Chain) -> list[str]:
    return [_b64(slot.certificate.spki_sha256) for slot in chain if slot.certificate]


def _of_keys(chain: Chain) -> list[str]:
    return [_b64(slot.pin.digest) for slot in chain if slot.pin and slot.pin.kind == "sha256"]


def _of_hashes(chain: Chain, kind: str) -> list[str]:
    return [_b64(slot.hash.digest) for slot in chain if slot.hash and slot.hash.kind == kind]


def chain_as_json(chain: Chain) -> list[dict[str, object] | None]:
    """One entry a place, leaf first; None where nothing could be read."""
    out: list[dict[str, object] | None] = []
    for place, slot in enumerate(chain):
        if slot.certificate is not None:
            known = facts(slot.certificate.der)
            out.append(
                {
                    "role": role(place, slot.certificate),
                    "pin": str(slot.pin),
                    "subject": known.subject,
                    "issuer": known.issuer,
                    "not_before": utc(known.not_before),
                    "not_after": utc(known.not_after),
                }
            )
        elif slot.hash is not None:
            out.append({"pin": str(slot.hash), "subject": slot.subject})
        else:
            out.append(None)
    return out


def violation_as_json(violation: Violation) -> dict[str, object]:
    """Keys are names that tools depend on. ``served_spki_sha256`` is of the served chain, leaf
    first; ``validated_spki_sha256`` of certificates in the report, ``*_pins_*`` of hashes in it."""
    v = violation
    line: dict[str, object] = {
        "format": v.dialect.value,
        "host": v.host,
        "noted_host": v.noted_host,
        "port": v.port,
        "kind": v.kind.value,
        "enforced": v.enforced,
        "blocked": v.blocked,
        "known_pins_sha256": _told(v.known_pins, "sha256"),
        "served_spki_sha256": _of_keys(v.served_chain),
        "validated_spki_sha256": _of_certificates(v.validated_chain),
        "client_time_raw": v.client_time_raw,
        "client_time_utc": utc(v.client_time),
        "time_trust": v.time_trust.value if v.time_trust else None,
        "app_id": v.app_id,
        "app_version": v.app_version,
        "platform": v.platform,
        "os_version": v.os_version,
        "device": v.device,
        "sdk": v.sdk,
        "sdk_version": v.sdk_version,
        "install_id": v.install_id,
    }
    optional = {
        "common_name": v.common_name,
        "event_id": v.event_id,
        "app_build": v.app_build,
        "include_subdomains": v.include_subdomains,
        "pins_expire": v.pins_expire,
        "suspect": v.suspect,
        "server_ip": v.server_ip,
        "error_type": v.error_type,
        "error_code": v.error_code,
        "error_message": v.error_message,
    }
    line.update({name: value for name, value in optional.items() if value is not None})
    for name, chain in (("validated", v.validated_chain), ("served", v.served_chain)):
        for kind in ("sha256", "sha1", "cert-sha256", "cert-sha1"):
            if name == "served" and kind == "sha256":
                continue  # told above
            if hashes := _of_hashes(chain, kind):
                line[f"{name}_pins_{kind.replace('-', '_')}"] = hashes
        if subjects := [slot.subject for slot in chain if slot.subject is not None]:
            line["subjects"] = subjects
        if chain:
            line[f"{name}_chain"] = chain_as_json(chain)
    for kind in ("sha1", "cert-sha256", "cert-sha1"):
        if pins := _told(v.known_pins, kind):
            line[f"known_pins_{kind.replace('-', '_')}"] = pins
    unparseable = sum(
        slot.pin is None for chain in (v.served_chain, v.validated_chain) for slot in chain
    )
    if unparseable:
        line["unparseable_certs"] = unparseable
    if not v.confirmed:
        line["confidence"] = "suspected"
    if v.sampling_fraction is not None:
        line["sampling_fraction"] = v.sampling_fraction
    if v.occurrences != 1:
        line["occurrences"] = v.occurrences
    if v.test:
        line["test"] = True
    if v.flags:
        line["parse_flags"] = list(v.flags)
    if v.extra:
        line["extra"] = dict(v.extra)
    return line


def window_as_json(window: Window) -> dict[str, object]:
    """A window of connections, as it is read."""
    w = window
    told: dict[str, object] = {
        "format": "connections",
        "id": w.id,
        "host": w.host,
        "window_start": utc(w.start),
        "window_end": utc(w.end),
        "successes": w.successes,
        "pin_failures": w.pin_failures,
        "app_id": w.app_id,
        "app_version": w.app_version,
        "platform": w.platform,
        "install_id": w.install_id,
    }
    if w.flags:
        told["parse_flags"] = list(w.flags)
    return told
