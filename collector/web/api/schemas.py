"""Shapes of what /api/v1 answers: the schemas of its OpenAPI document."""

from __future__ import annotations

from typing import Any

from collector.alert import SCHEMA as ALERT_SCHEMA
from collector.alert import Audience, State
from collector.alert import Event as AlertEvent
from collector.alert import Severity as AlertSeverity
from collector.detect.judgement import Cause, Confidence
from collector.detect.probed import Asked, ProbeState
from collector.detect.served import RotationSource, RotationState
from collector.metrics import CLASSES, SOURCES
from collector.model import ENVIRONMENTS, Dialect, Kind, TimeTrust
from collector.pins.findings import Code, Severity
from collector.store.alert_orders import What
from collector.web.access import Role

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_DAY: Schema = {"type": "string", "format": "date"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_BOOLEAN: Schema = {"type": "boolean"}
_HEX: Schema = {"type": "string", "pattern": "^([0-9a-f]{2})*$"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _of(told: str, **properties: Schema) -> Schema:
    """An answer's object: every property is there."""
    return {
        "type": "object",
        "description": told,
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


_OPTIONAL_TEXT, _OPTIONAL_TIME = nullable(_TEXT), nullable(_TIME)
_OPTIONAL_BOOLEAN, _OPTIONAL_HEX = nullable(_BOOLEAN), nullable(_HEX)
# quota: items a second. origins: whose pages may send app dialects.
_LIMITS = {"quota": nullable(_NUMBER), "origins": listed(_TEXT)}
_CERTIFICATE = {
    "sha256": _HEX, "spki_sha256": _HEX, "spki_sha1": _HEX, "pin": _TEXT, "subject": _OPTIONAL_TEXT,
    "issuer": _OPTIONAL_TEXT, "sans": listed(_TEXT), "not_before": _OPTIONAL_TIME, "not_after": _OPTIONAL_TIME,
    "is_ca": _OPTIONAL_BOOLEAN, "self_signed": _BOOLEAN, "key_type": _OPTIONAL_TEXT, "first_seen": _TIME,
}  # fmt: skip
_BY_CAUSE: Schema = {"type": "object", "additionalProperties": _COUNT}

_ALERT: dict[str, Schema] = {
    "schema": {"const": ALERT_SCHEMA}, "id": _TEXT, "kind": _TEXT, "severity": {"enum": [*AlertSeverity]},
    "audience": {"enum": [*Audience]}, "state": {"enum": [*State]},
    "acknowledged": nullable(_of("Who is on it, since when.", by=_TEXT, at=_TIME)),
    "silenced_until": _OPTIONAL_TIME, "project": _TEXT, "host": _TEXT, "apps": listed(_TEXT),
    "started_at": _TIME, "updated_at": _TIME, "ended_at": _OPTIONAL_TIME, "summary": _TEXT,
    "cause": _of("Why, and what a person can check.", label=_TEXT, confidence=_NUMBER,
                 evidence=listed(_of("One fact.", fact=_TEXT, value=_TEXT))),
    "reach": _of("How many are affected.", installs=_COUNT, networks=_COUNT, expected=_NUMBER,
                 share=nullable(_NUMBER), app_versions=listed(_TEXT), platforms=listed(_TEXT)),
    "chain": listed(_of("As reported. `subject` null: of a private issuer.", role=_TEXT,
                        subject=_OPTIONAL_TEXT, pin=_TEXT, not_after=_OPTIONAL_TIME)),
    "pins": listed(_TEXT),
    "rotation": nullable(_of("What it began with.", at=_TIME, state=_TEXT, sources=listed(_TEXT), note=_TEXT)),
    "next_steps": listed(_TEXT), "links": _of("For people.", page=_OPTIONAL_TEXT, runbook=_OPTIONAL_TEXT),
    "dedup_key": _TEXT,
}  # fmt: skip
_SILENCE: dict[str, Schema] = {
    "id": _COUNT, "project": _OPTIONAL_TEXT, "host": _OPTIONAL_TEXT, "kind": _OPTIONAL_TEXT,
    "signature": _OPTIONAL_TEXT, "network": _OPTIONAL_TEXT, "alert": _OPTIONAL_TEXT, "until": _TIME,
    "created_at": _TIME, "created_by": _TEXT, "note": _TEXT, "ended_at": _OPTIONAL_TIME,
    "ended_by": _OPTIONAL_TEXT,
}  # fmt: skip

PIN_SET: dict[str, Schema] = {
    "host": _TEXT, "pins": listed(_TEXT), "include_subdomains": _BOOLEAN, "app": _OPTIONAL_TEXT,
    "platform": _OPTIONAL_TEXT, "version_from": _OPTIONAL_TEXT, "version_to": _OPTIONAL_TEXT,
}  # fmt: skip

SCHEMAS: Schema = {
    "Problem": {
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
        },
    },
    "Project": _of(
        "A team with all its apps.",
        name=_TEXT, hosts=listed(_TEXT), created_at=_TIME, keys=_COUNT,
    ),
    "ProjectHosts": _of("A project and its host patterns.", name=_TEXT, hosts=listed(_TEXT)),
    "Key": _of(
        "The public part of an ingest URL; with `trusted`, a secret of servers of ours.",
        key=_TEXT, project=_TEXT, app=_TEXT, environment={"enum": [*ENVIRONMENTS]}, trusted=_BOOLEAN,
        **_LIMITS, created_at=_TIME, disabled_at=_OPTIONAL_TIME,
    ),
    "NewKey": _of(
        "A key that was just made.",
        key=_TEXT, ingest_url=_TEXT, project=_TEXT, app=_TEXT, environment={"enum": [*ENVIRONMENTS]},
        trusted=_BOOLEAN, **_LIMITS,
    ),
    "KeyLimits": _of("What a key is limited to.", **_LIMITS),
    "Cert": _of(
        "A public key that we had certified. `project` null: of every project. `sha256`, `subject`: of the"
        " certificate that it was taken from.",
        pin=_TEXT, project=_OPTIONAL_TEXT, sha256=_OPTIONAL_HEX, subject=_OPTIONAL_TEXT, note=_TEXT,
        added_at=_TIME, added_by=_TEXT,
    ),
    "NewCerts": _of(
        "Keys that were just registered. `issuers`: authorities that came along, and were left out.",
        project=_OPTIONAL_TEXT,
        certs=listed(_of("One key.", pin=_TEXT, subject=_OPTIONAL_TEXT, is_new=_BOOLEAN)),
        issuers=listed(_of("One authority.", pin=_TEXT, subject=_OPTIONAL_TEXT)),
    ),
    "Rotation": _of(
        "A change of the keys that a host serves. `at`: the best known time of it. `project` null: of the host, in"
        " every project. Leaves are pins; `new_leaves` were seen, `declared_leaf` was told to come.",
        id=_COUNT, project=_OPTIONAL_TEXT, host=_TEXT, at=_TIME, state={"enum": [*RotationState]},
        sources=listed({"enum": [*RotationSource]}), planned_at=_OPTIONAL_TIME, declared_at=_OPTIONAL_TIME,
        declared_by=_OPTIONAL_TEXT, probed_at=_OPTIONAL_TIME, observed_at=_OPTIONAL_TIME, ended_at=_OPTIONAL_TIME,
        old_leaves=listed(_TEXT), new_leaves=listed(_TEXT), declared_leaf=_OPTIONAL_TEXT,
        chain=listed(_of("A certificate of the declared chain.", role=_TEXT, pin=_TEXT, subject=_OPTIONAL_TEXT,
                         not_after=_OPTIONAL_TIME)),
        note=_TEXT,
    ),
    "Renewal": _of(
        "A new certificate for a key that was served before, or other issuers above it: no rotation for who pins"
        " the leaf. `new_issuers`: pins that never stood above it before.",
        host=_TEXT, at=_TIME, leaf=_TEXT, certificate=_HEX, is_new_certificate=_BOOLEAN, not_after=_OPTIONAL_TIME,
        new_issuers=listed(_TEXT),
    ),
    "PinSet": _of(
        "What releases of an app pin for a host. `pins` empty: the host is taken out of the pins of the domain above"
        " it. `proven`: pins whose keys were shown to be there.",
        id=_COUNT, project=_TEXT, **PIN_SET, enforced=_OPTIONAL_BOOLEAN, starts=_OPTIONAL_TIME,
        expires=_OPTIONAL_TIME, report_uris=listed(_TEXT), default_report_uri=_BOOLEAN, format=_TEXT, source=_TEXT,
        imported_at=_TIME, imported_by=_TEXT, proven=listed(_TEXT),
    ),
    "LearnedPinSet": _of(
        "A pin set that at least 20 installs in 10 networks agree on. It informs, and is never the registry.",
        host=_TEXT, app=_TEXT, app_version=_TEXT, platform=_TEXT, pins=listed(_TEXT), installs=_COUNT,
        networks=_COUNT, first_seen=_TIME, last_seen=_TIME,
    ),
    "ImportedPinSets": _of(
        "What became of each pin set. `registered`: host patterns that the project has from here on."
        " `warnings`: what was left out, and what looks wrong.",
        project=_TEXT, registered=listed(_TEXT), warnings=listed(_TEXT),
        pin_sets=listed(_of("One.", **PIN_SET, result={"enum": ["new", "changed", "known"]})),
    ),
    "Finding": _of(
        "What is wrong with a pin set, and what to do. `releases`: which it is of, in words.",
        project=_TEXT, code={"enum": [*Code]}, severity={"enum": [*Severity]}, host=_TEXT, releases=_TEXT,
        reason=_TEXT, advice=_TEXT, pins=listed(_TEXT), app=_OPTIONAL_TEXT, platform=_OPTIONAL_TEXT,
        version_from=_OPTIONAL_TEXT, version_to=_OPTIONAL_TEXT, expires=_OPTIONAL_TIME, source=_TEXT,
    ),
    "Host": _of(
        "A host that is a label of metrics. `last_seen`: the last day it was reported, or registered.",
        project=_TEXT, host=_TEXT, state={"enum": ["registered", "admitted"]}, admitted_at=_TIME,
        last_seen=_DAY, port=_COUNT, third_party=_BOOLEAN,
    ),
    "ServedChain": _of(
        "A chain that a probe saw, leaf first, as sent. `trusted`, `problem`: when it was last seen.",
        id=_HEX, port=_COUNT, key_type=_OPTIONAL_TEXT, trusted=_BOOLEAN, problem=_OPTIONAL_TEXT,
        first_seen=_TIME, last_seen=_TIME, chain=listed(_of(
            "One certificate.", role={"enum": ["leaf", "intermediate", "root"]}, pin=_TEXT, sha256=_HEX,
            subject=_OPTIONAL_TEXT, issuer=_OPTIONAL_TEXT, not_before=_OPTIONAL_TIME, not_after=_OPTIONAL_TIME)),
    ),
    "ProbeState": _of(
        "How asking one address for one kind of chain went. `address` empty: the host as a whole. `chain`:"
        " id of a served chain. `since`: that state and chain are as they are.",
        port=_COUNT, vantage=_TEXT, address=_TEXT, asked={"enum": [*Asked]}, state={"enum": [*ProbeState]},
        detail=_TEXT, chain=_OPTIONAL_HEX, at=_TIME, since=_TIME,
    ),
    "Submitted": _of(
        "What became of each chain that a vantage submitted.",
        host=_TEXT, port=_COUNT, vantage=_TEXT, states=_COUNT, chains=listed(_of(
            "One chain.", leaf=_TEXT, kept=_BOOLEAN, problem=_OPTIONAL_TEXT)),
    ),
    "Proposal": _of(
        "A host that was reported within 3 days and is none of the project's. `networks`: that"
        " reported it, added up by day.",
        project=_TEXT, host=_TEXT, networks=_COUNT, last_seen=_DAY,
    ),
    "Token": _of(
        "Who may use this API, and as what.",
        name=_TEXT, role={"enum": [*Role]}, created_at=_TIME, created_by=_TEXT, expires_at=_OPTIONAL_TIME,
        revoked_at=_OPTIONAL_TIME,
    ),
    "NewToken": _of(
        "A token that was just made; it is not told again.",
        name=_TEXT, role={"enum": [*Role]}, token=_TEXT, expires_at=_OPTIONAL_TIME,
    ),
    "Change": _of(
        "One line of the audit.",
        id=_COUNT, at=_TIME, who=_TEXT, action=_TEXT, subject=_TEXT, details={"type": "object"},
    ),
    "Violation": _of(
        "One client that refused, or would have refused, one TLS server. All of it is as reported.",
        received_at=_TIME, project=_TEXT, app=_TEXT, environment={"enum": [*ENVIRONMENTS]}, trusted=_BOOLEAN,
        dialect={"enum": [*Dialect]}, kind={"enum": [*Kind]}, host=_TEXT, noted_host=_OPTIONAL_TEXT,
        port=nullable(_COUNT), enforced=_OPTIONAL_BOOLEAN, blocked=_OPTIONAL_BOOLEAN,
        identity={"enum": ["strong", "weak"]}, client_time=_OPTIONAL_TIME, client_time_raw=_OPTIONAL_TEXT,
        time_trust=nullable({"enum": [*TimeTrust]}), app_id=_OPTIONAL_TEXT, app_version=_OPTIONAL_TEXT,
        platform=_OPTIONAL_TEXT, os_version=_OPTIONAL_TEXT, sdk=_OPTIONAL_TEXT, sdk_version=_OPTIONAL_TEXT,
        install=_OPTIONAL_HEX, occurrences=_COUNT, weight=_NUMBER, test=_BOOLEAN, signature=_HEX,
        pins=listed(_TEXT), validated_chain=_OPTIONAL_HEX, served_chain=_OPTIONAL_HEX,
        details={"type": "object"},
    ),
    "Signature": _of(
        "Violations of one fault: the same host, kind and issuers. `whole`: how many of them are stored; the"
        " others are counted.",
        id=_HEX, project=_TEXT, host=_TEXT, kind={"enum": [*Kind]}, issuer_path=listed(_HEX),
        first_seen=_TIME, last_seen=_TIME, violations=_COUNT, whole=_COUNT,
    ),
    "SignatureWithCause": _of(
        "`cause`: as the rules judge, null until they did; `label`: theirs, or what an operator says instead.",
        id=_HEX, project=_TEXT, host=_TEXT, kind={"enum": [*Kind]}, issuer_path=listed(_HEX),
        first_seen=_TIME, last_seen=_TIME, violations=_COUNT, whole=_COUNT, cause_at=_OPTIONAL_TIME,
        label=nullable({"enum": [*Cause]}), relabelled=_BOOLEAN,
        cause=nullable(_of(
            "A judgement, and the facts that decided it.",
            label={"enum": [*Cause]}, confidence={"enum": [*Confidence]}, rule=_TEXT,
            evidence=listed(_of("One fact.", fact=_TEXT, value=_TEXT)), **{"class": {"enum": [*CLASSES]}},
        )),
        relabels=listed(_of(
            "`label` null: back to what the rules say; `was`: what it was called before.",
            label=_OPTIONAL_TEXT, was=_OPTIONAL_TEXT, note=_TEXT, at=_TIME, who=_TEXT,
        )),
    ),
    "Certificate": _of(
        "A certificate in a report: it proves nothing about who served it.", **_CERTIFICATE
    ),
    "CertificateWithPem": _of("One certificate, whole.", **_CERTIFICATE, pem=_TEXT),
    "Chain": _of(
        "A chain, leaf first; null is a place that could not be read.",
        id=_HEX, first_seen=_TIME,
        slots=listed(nullable({"type": "object", "required": ["pin"], "properties": {"pin": _TEXT}})),
    ),
    "Connections": _of(
        "Connections of one hour. Public ones are claims, within caps.",
        project=_TEXT, host=_TEXT, environment={"enum": [*ENVIRONMENTS]}, source={"enum": [*SOURCES]},
        hour=_TIME, successes=_NUMBER, pin_failures=_NUMBER,
    ),
    "Preflight": {
        "type": "object",
        "description": "Who breaks if a chain is served. Shares are texts, with no more digits than are known;"
        " null: not known.",
        "required": ["schema", "host", "at", "exit", "verdict", "registered", "chain", "notes", "parts", "totals",
                     "basis", "safe_in_days", "steps"],
        "properties": {
            "exit": {"enum": [0, 1, 3]}, "host": _TEXT, "at": _TIME, "verdict": _TEXT, "registered": _COUNT,
            "notes": listed(_TEXT), "steps": listed(_TEXT), "safe_in_days": nullable(_COUNT),
            "parts": listed({"type": "object", "required": ["outcome", "reason", "shares", "held", "versions"]}),
        },
    },
    "Readiness": _of(
        "Whether pins may be enforced. Counts are reports that were not enforced, by cause; `days`: newest first.",
        project=_TEXT, host=_TEXT, verdict={"enum": ["ready", "not_ready", "cannot_tell"]}, reasons=listed(_TEXT),
        by_cause=_BY_CAUSE, days=listed(_of("One day.", day=_DAY, by_cause=_BY_CAUSE)),
        connections=nullable(_COUNT), unseen=listed(_TEXT),
    ),
    "Verdict": _of(
        "Whether pinning is worth it. `reasons`: sentences, those that decided first.",
        project=_TEXT, host=_TEXT, verdict={"enum": ["keep", "widen", "drop", "not_enough_known"]},
        reasons=listed(_TEXT),
    ),
    "AdoptionCurve": _of(
        "Versions of one app and platform, oldest first. `uses`: what the shares are of, on `day`.",
        app=_TEXT, platform=_TEXT, source={"enum": ["imported", "connections", "reports"]}, uses=_COUNT, day=_DAY,
        fitted_days=_COUNT, versions=listed(_of("One version.", version=_TEXT, share=_TEXT,
                                                after_a_week=_OPTIONAL_TEXT)),
    ),
    "AdoptionRow": {
        "type": "object",
        "required": ["day", "app", "platform", "version", "uses"],
        "properties": {
            "day": _DAY, "app": {"type": "string", "maxLength": 64}, "platform": {"type": "string", "maxLength": 64},
            "version": {"type": "string", "maxLength": 64},
            "uses": {"type": "number", "minimum": 0, "maximum": 10**12},
        },
        "additionalProperties": False,
    },
    "Alert": _of("One thing wrong with one host, open until it is resolved.", **_ALERT),
    "AlertWithTimeline": _of("An alert, and what came of it.", **_ALERT, timeline=_of(
        "`ordered`: what people did that the watcher has not taken in yet.",
        deliveries=listed(_of(
            "What one channel was told, or is owed.", channel=_TEXT, event={"enum": [*AlertEvent]},
            state={"enum": ["waiting", "sent", "given_up", "superseded", "joined"]}, created_at=_TIME,
            due_at=_TIME, tries=_COUNT, last_error=_OPTIONAL_TEXT, ended_at=_OPTIONAL_TIME)),
        notes=listed(_of("What somebody did or said.", at=_TIME, who=_TEXT, note=_TEXT)),
        ordered=listed(_of("One order.", what={"enum": [*What]}, who=_TEXT, at=_TIME, until=_OPTIONAL_TIME)),
    )),
    "Silence": _of("Nobody hears of what matches; it is looked at as before. Of a place (`project`, `host`, `kind`;"
                   " null: any), of a `signature`, of a `network`, or of an `alert`. `ended_at`: before its time.",
                   **_SILENCE),
    "SilenceWithAlerts": _of("`alerts`: those that fire, and were changed by it.", **_SILENCE,
                             alerts=listed(_TEXT)),
    # As lenient as reports are: what is not needed for counting never refuses a window.
    "Window": {
        "type": "object",
        "description": "Connections to one host over a stretch of time. Known by its id, else by all it says.",
        "required": ["host", "successes"],
        "properties": {
            "id": {"description": "Text: an id, within the project."},
            "host": {"type": "string", "minLength": 1},
            "window_start": {"description": "RFC 3339, or Unix time."},
            "window_end": {"description": "RFC 3339, or Unix time."},
            "successes": {"description": "0 to 10^12."},
            "pin_failures": {"description": "0 to 10^12."},
            "app": {"description": "Text."},
            "app_version": {"description": "Text."},
            "platform": {"description": "Text, such as `IOS`."},
            "install_id": {"description": "Text."},
        },
    },
    "Answer": {
        "type": "object",
        "description": "What became of each item; at most 20 notes.",
        "required": ["accepted", "duplicates", "ignored", "rejected", "shed", "spooled", "notes"],
        "properties": {
            **dict.fromkeys(
                ("accepted", "duplicates", "ignored", "rejected", "shed", "spooled"), _COUNT
            ),
            "notes": listed(
                _of("Why one was not accepted.", index=_COUNT, result=_TEXT, reason=_TEXT)
            ),
        },
    },
}  # fmt: skip
