"""``pin-report/1``: the neutral format, for clients and adapters that choose their own.

Only ``host`` (or ``common_name``) and ``outcome`` are required.
"""

from __future__ import annotations

import msgspec

from collector.errors import Reason, ReportError
from collector.model import WORST_CHAIN, Chain, Dialect, Hash, Kind, Slot, Violation
from collector.reports.agents import android
from collector.reports.certificates import read_chain
from collector.reports.extra import keep
from collector.reports.fields import Fields, Hints
from collector.reports.okhttp import Text, read_text
from collector.reports.personal import scrubbed
from collector.reports.pins import pin_set, read_pins
from collector.reports.platforms import platform_of
from collector.reports.texts import clean

SCHEMA = "pin-report/1"
KINDS = {
    "spki-sha256": "sha256",
    "spki-sha1": "sha1",
    "cert-sha256": "cert-sha256",
    "cert-sha1": "cert-sha1",
}
_SYNONYMS = {
    "no_pins_for_host": Kind.NO_PINS,
    "empty": Kind.NO_PINS,
    "untrusted": Kind.CHAIN_UNTRUSTED,
}
_MESSAGE = 2000  # characters kept of an error's message


def is_neutral(item: dict[str, object]) -> bool:
    schema = item.get("schema")
    return isinstance(schema, str) and schema.startswith("pin-report/")


def read_neutral(item: dict[str, object], hints: Hints) -> Violation:
    """Raises ReportError: unrecognised for another version or no outcome, no_host without a host."""
    fields = Fields(item)
    if fields.raw("schema") != SCHEMA:
        raise ReportError(Reason.UNRECOGNISED, f"schema is not {SCHEMA}")
    outcome = fields.text("outcome", limit=64)
    if outcome is None:
        raise ReportError(Reason.UNRECOGNISED, "outcome is missing")
    kind = _kind(outcome, fields)

    error, pins = fields.within("error"), fields.within("pins")
    message = error.long_text("message")
    expected, served_hashes = _pins(pins)
    told = read_text(message) if message and not expected and not served_hashes else None

    host, host_port = fields.host("host")
    common_name = fields.common_name("common_name")
    if host is None and told is not None:
        host = told.host
    if host is None and not common_name:
        raise ReportError(Reason.NO_HOST, "no usable host, and no common_name")

    served = read_chain(fields.raw("served_chain"), "served", fields.flags)
    validated = read_chain(fields.raw("validated_chain"), "validated", fields.flags)
    if not served and served_hashes:
        subjects = _subjects(fields)
        served = Chain(
            Slot(hash=value, subject=subjects[i] if i < len(subjects) else None)
            for i, value in enumerate(served_hashes[:WORST_CHAIN])
        )
    if told is not None:
        expected = list(told.known_pins)
        validated = validated or told.chain
        fields.flags.extend(told.flags)

    policy, counts = fields.within("policy"), fields.within("counts")
    app, os_, device, sdk = (fields.within(name) for name in ("app", "os", "device", "sdk"))
    network, more = fields.within("network"), fields.within("extra")
    raw, at, trust = fields.time("observed_at", hints=hints)
    agent_version, agent_device = android(hints.user_agent)
    enforced = fields.boolean("enforced")
    install_id = fields.identifier("install_id")
    violation = Violation(
        dialect=Dialect.GENERIC,
        host=host,
        common_name=common_name,
        port=fields.port() or host_port,
        noted_host=policy.host("pattern")[0] if _no_wildcard(policy) else None,
        include_subdomains=policy.boolean("include_subdomains"),
        kind=kind,
        confirmed=fields.text("confidence", limit=16) != "suspected" and kind is not Kind.SUSPECTED,
        enforced=enforced,
        blocked=False if kind is Kind.OK else enforced,
        client_time_raw=raw,
        client_time=at,
        time_trust=trust,
        known_pins=pin_set(expected),
        served_chain=served,
        validated_chain=validated,
        pins_expire=policy.text("expires", limit=64),
        app_id=app.text("id"),
        app_version=app.text("version", limit=64),
        app_build=app.text("build", limit=64),
        platform=platform_of(os_.text("name", limit=32)) or ("ANDROID" if agent_version else None),
        os_version=os_.text("version", limit=32) or agent_version,
        device=scrubbed(device.text("model", limit=160), install_id, 80) or agent_device,
        sdk=sdk.text("name", limit=64),
        sdk_version=sdk.text("version", limit=32),
        install_id=install_id,
        event_id=fields.identifier("event_id"),
        occurrences=min(max(counts.integer("occurrences") or 1, 1), 1_000_000),
        sampling_fraction=fields.weight(),
        server_ip=network.address("server_ip"),
        error_type=scrubbed(error.text("type"), install_id, 128),
        error_code=scrubbed(error.text("code"), install_id, 64),
        error_message=_message(message, told, install_id),
        suspect=told.suspect if told else None,
    )
    # Everything that was asked for is out of the parts by now; what is left is unknown.
    left: dict[str, object] = {**more.rest, **fields.rest}
    for part in (policy, counts, app, os_, device, sdk, error, pins, network):
        left.update({f"{part.name}{key}": value for key, value in part.rest.items()})
    extra = keep(left, fields.flags, known=install_id)
    return msgspec.structs.replace(violation, extra=extra, flags=tuple(fields.flags))


def _kind(outcome: str, fields: Fields) -> Kind:
    name = outcome.strip().lower().replace("-", "_")
    if name in _SYNONYMS:
        return _SYNONYMS[name]
    try:
        return Kind(name)
    except ValueError:
        fields.flags.append("unknown_enum:outcome")
        return Kind.UNKNOWN


def _pins(pins: Fields) -> tuple[list[Hash], list[Hash]]:
    """(expected, served). Encoding alone cannot tell a key's hash from a certificate's, so bare
    hashes without a ``kind`` are not read."""
    told = pins.text("kind", limit=16)
    pins.raw("encoding")  # base64 and hex tell themselves apart by their length
    kind = KINDS.get(told.lower()) if told else None
    if told and kind is None:
        pins.flags.append("unknown_enum:pins.kind")
    found = []
    for name in ("expected", "served"):
        value = pins.raw(name)
        if kind is None and isinstance(value, list):
            prefixed = [
                v
                for v in value
                if isinstance(v, str) and v.lower().lstrip().startswith(("sha", "pin-"))
            ]
            if len(prefixed) < len(value):
                pins.flags.append(f"no_pin_kind:{name}")
            value = prefixed
        found.append(read_pins(value, name, pins.flags, kind))
    return found[0], found[1]


def _subjects(fields: Fields) -> list[str]:
    value = fields.raw("subjects")
    return [clean(str(entry)[:512]) for entry in value[:12]] if isinstance(value, list) else []


def _no_wildcard(policy: Fields) -> bool:
    """A pattern such as ``**.example.com`` is no host; it stays among the unknown keys."""
    pattern = policy.rest.get("pattern")
    return isinstance(pattern, str) and "*" not in pattern


def _message(message: str | None, told: Text | None, known: str | None) -> str | None:
    """The error's message, unless all it says has become fields."""
    if message is None or (told is not None and told.chain):
        return None
    return scrubbed(message, known, _MESSAGE)
