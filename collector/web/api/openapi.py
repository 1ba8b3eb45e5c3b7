"""The OpenAPI 3.1 document of /api/v1, by hand: what a route takes and answers is read here, and the
tests hold the routes to it."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from aiohttp import web

from collector import __version__
from collector.alert import State
from collector.detect.judgement import Cause
from collector.detect.kinds import AlertKind
from collector.detect.probed import DETAIL, Asked, ProbeState
from collector.model import ENVIRONMENTS, PLATFORMS, WORST_CHAIN, Dialect, Kind
from collector.pins.readers import MOST as PIN_SETS
from collector.web.access import Role
from collector.web.api.alerts import NOTE as ALERT_NOTE
from collector.web.api.asked import MOST, USUAL
from collector.web.api.certs import MOST as CERTS
from collector.web.api.certs import NOTE
from collector.web.api.limits import ORIGINS, QUOTA
from collector.web.api.preflight import ROWS, SETS
from collector.web.api.probes import ANSWERS
from collector.web.api.rotations import PEM
from collector.web.api.schemas import PIN_SET, SCHEMAS, listed, nullable, ref

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_FILTER: Schema = {"type": "string", "maxLength": 300}


def _parameter(name: str, schema: Schema, told: str, *, place: str = "query") -> Schema:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": schema,
        "description": told,
    }


def _path(name: str, told: str, schema: Schema | None = None) -> Schema:
    return _parameter(name, schema or {"type": "string", "minLength": 1}, told, place="path")


def _hex(size: int) -> Schema:
    return {"type": "string", "pattern": f"^[0-9a-fA-F]{{{2 * size}}}$"}


_LIMIT = _parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
    "Rows of a page; of NDJSON and CSV, rows in all (default: all).",
)
_AFTER = _parameter("after", TEXT, "The `next` of an earlier page.")
_PROJECT = _parameter("project", _FILTER, "Of this project.")
_HOST = _parameter("host", _FILTER, "Of this very host.")
_KIND = _parameter("kind", {"enum": [*Kind]}, "Of this kind.")
_SINCE = _parameter("since", _TIME, "Not before this time.")
_UNTIL = _parameter("until", _TIME, "Before this time.")
_EXPORT = _parameter(
    "format",
    {"enum": ["json", "ndjson", "csv"], "default": "json"},
    "json: a page. ndjson, csv: everything that fits, as a download.",
)


def _operation(
    name: str,
    told: str,
    role: Role,
    answers: Schema,
    *,
    parameters: list[Schema] | None = None,
    takes: Schema | None = None,
    status: int = 200,
) -> Schema:
    """answers: what stands under ``content``, or a schema of JSON."""
    content = (
        answers if "application/json" in answers else {"application/json": {"schema": answers}}
    )
    operation: Schema = {
        "operationId": name,
        "summary": told,
        "description": f"Needs the role `{role}`.",
        "parameters": parameters or [],
        "responses": {
            str(status): {"description": "As asked.", "content": content},
            "default": {"$ref": "#/components/responses/problem"},
        },
    }
    if takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": takes}},
        }
    return operation


def _object(needed: dict[str, Schema], **optional: Schema) -> Schema:
    return {
        "type": "object",
        "required": list(needed),
        "properties": {**needed, **optional},
        "additionalProperties": False,
    }


def _pages(rows: str, schema: Schema) -> Schema:
    """A page of JSON, or a download."""
    page = _object({rows: listed(schema), "next": nullable(TEXT)})
    return {
        "application/json": {"schema": page},
        "application/x-ndjson": {"schema": TEXT},
        "text/csv": {"schema": TEXT},
    }


# What names a person chooses: printable, and not only blanks.
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 64}
_PATTERN: Schema = {
    "type": "string",
    "minLength": 1,
    "examples": ["api.example.com", "*.example.com"],
}
_PATTERNS: Schema = {"type": "array", "items": _PATTERN, "maxItems": MOST}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_LIMITS: dict[str, Schema] = {
    "quota": nullable({"type": "number", "exclusiveMinimum": 0, "maximum": QUOTA}),
    "origins": nullable(
        {
            "type": "array",
            "items": {"type": "string", "examples": ["https://app.example.com"]},
            "maxItems": ORIGINS,
        }
    ),
}
_CERTS: dict[str, Schema] = {
    "certificates": nullable({"type": "array", "items": TEXT, "maxItems": CERTS}),
    "pins": nullable({"type": "array", "items": TEXT, "maxItems": CERTS}),
    "project": nullable(_NAME),
    "note": nullable({"type": "string", "maxLength": NOTE}),
}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PROBING: dict[str, Schema] = {"port": _PORT, "third_party": {"type": "boolean"}}
_ROTATION: dict[str, Schema] = {
    "project": nullable(_NAME),
    "at": nullable({**_TIME, "description": "With its zone; now, where it is not said."}),
    "chain": nullable({"type": "string", "maxLength": PEM, "description": "PEM, leaf first."}),
    "note": nullable({"type": "string", "maxLength": NOTE}),
}
_RELEASE: dict[str, Schema] = {
    **dict.fromkeys(
        ("app", "version_from", "version_to"),
        nullable({"type": "string", "minLength": 1, "maxLength": 100}),
    ),
    "platform": nullable({"enum": [name.lower() for name in PLATFORMS]}),
    "starts": nullable(_TIME),
}
_ALERT = [_path("id", "As the list shows it.")]
_LENGTH: Schema = nullable({"type": "string", "pattern": r"^[0-9]{1,5}[mhd]$"})
_SIGNATURE_ID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"}
_ALERT_NOTE: Schema = nullable({"type": "string", "maxLength": ALERT_NOTE})
V, P, O = Role.VIEWER, Role.PIPELINE, Role.OPERATOR  # noqa: E741


def _paths() -> Schema:
    project = _path("name", "The project's name.")
    key = _path("key", "The whole key.")
    violations = [
        _PROJECT,
        _HOST,
        _KIND,
        _parameter("app", _FILTER, "The app that the ingest key names."),
        _parameter("environment", {"enum": [*ENVIRONMENTS]}, "Of this environment."),
        _parameter("dialect", {"enum": [*Dialect]}, "In this format."),
        _parameter("app_id", _FILTER, "The app that the report names."),
        _parameter("app_version", _FILTER, "Of this version."),
        _parameter("platform", _FILTER, "Of this platform, such as `IOS`."),
        _parameter("signature", _hex(16), "Of this signature."),
        _SINCE,
        _UNTIL,
        _LIMIT,
        _AFTER,
        _EXPORT,
    ]
    return {
        "/openapi.json": {
            "get": _operation("openapi", "This document.", V, {"type": "object"}),
        },
        "/projects": {
            "get": _operation("listProjects", "Projects by name.", V,
                              _object({"projects": listed(ref("Project"))})),
            "post": _operation("addProject", "Make a project.", O, ref("ProjectHosts"), status=201,
                               takes=_object({"name": _NAME}, hosts=_PATTERNS)),
        },
        "/projects/{name}": {
            "patch": _operation("setProject", "Give a project other host patterns.", O,
                                ref("ProjectHosts"), parameters=[project],
                                takes=_object({"hosts": _PATTERNS})),
            "delete": _operation("forgetProject", "Delete a project and all that is stored of it.", O,
                                 _object({"forgotten": TEXT}), parameters=[project]),
        },
        "/keys": {
            "get": _operation("listKeys", "Ingest keys; a trusted one whole only to operators.", V,
                              _object({"keys": listed(ref("Key"))})),
            "post": _operation("addKey", "Make an ingest key.", O, ref("NewKey"), status=201, takes=_object(
                {"project": _NAME, "app": _NAME},
                environment={"enum": [*ENVIRONMENTS], "default": ENVIRONMENTS[0]},
                trusted={"type": "boolean", "default": False}, **_LIMITS)),
        },
        "/keys/{key}": {
            "patch": _operation("setKey", "Limit what comes with a key; what is not named stays.", O,
                                ref("KeyLimits"), parameters=[key],
                                takes={**_object({}, **_LIMITS), "minProperties": 1}),
        },
        "/keys/{key}/disable": {
            "post": _operation("disableKey", "Turn away what comes with a key.", O,
                               _object({"disabled": {"type": "boolean"}}), parameters=[key], takes=_object({})),
        },
        "/keys/{key}/enable": {
            "post": _operation("enableKey", "Take what comes with a key again.", O,
                               _object({"disabled": {"type": "boolean"}}), parameters=[key], takes=_object({})),
        },
        "/hosts": {
            "get": _operation("listHosts", "Registered and admitted hosts, and proposals.", V, _object(
                {"hosts": listed(ref("Host")), "proposed": listed(ref("Proposal"))}),
                parameters=[_PROJECT, _parameter("limit", _LIMIT["schema"], "Of each list.")]),
            "post": _operation("addHost", "Register a host or a pattern.", O,
                               _object({"project": TEXT, "host": TEXT, **_PROBING}), status=201,
                               takes=_object({"project": _NAME, "host": _PATTERN}, port=nullable(_PORT),
                                             third_party=nullable({"type": "boolean"}))),
        },
        "/hosts/{project}/{host}/served": {
            "get": _operation("served", "What a registered host serves: chains over time, and how its probes"
                              " went.", V, _object({"project": TEXT, "host": TEXT, "third_party":
                                                    {"type": "boolean"}, "chains": listed(ref("ServedChain")),
                                                    "states": listed(ref("ProbeState"))}),
                              parameters=[_path("project", "The project's name."), _path("host", "The host."),
                                          _parameter("since", _TIME, "Chains seen at some time after it."),
                                          _parameter("limit", _LIMIT["schema"], "Chains, newest first.")]),
        },
        "/probes": {
            "post": _operation("submitProbe", "What another vantage saw of a registered host. A chain is kept only"
                               " where this collector's roots trust it for the host.", P, ref("Submitted"),
                               status=201, takes=_object(
                {"host": {"type": "string", "minLength": 1}, "vantage": _NAME, "answers": {
                    "type": "array", "minItems": 1, "maxItems": ANSWERS, "items": _object(
                        {"address": TEXT, "asked": {"enum": [*Asked]}, "state": {"enum": [*ProbeState]}},
                        detail={"type": "string", "maxLength": DETAIL}, chain={
                            "type": "array", "items": TEXT, "maxItems": WORST_CHAIN})}}, port=nullable(_PORT))),
        },
        "/hosts/{project}/{host}": {
            "delete": _operation("removeHost", "Register a host no longer.", O,
                                 _object({"project": TEXT, "removed": TEXT}),
                                 parameters=[_path("project", "The project's name."),
                                             _path("host", "The host or pattern.")]),
        },
        "/certs": {
            "get": _operation("listCerts", "Public keys that we had certified.", V,
                              _object({"certs": listed(ref("Cert"))}), parameters=[
                                  _parameter("project", _FILTER, "Those that count in this project.")]),
            "post": _operation("addCerts", "Register keys, by certificates or pins: reports of chains with such a"
                               " leaf are never held back by caps on new things.", P, ref("NewCerts"),
                               status=201, takes={**_object({}, **_CERTS), "minProperties": 1}),
        },
        "/certs/{pin}": {
            "delete": _operation("removeCert", "Register a key no longer.", O,
                                 _object({"removed": TEXT, "registrations": _COUNT}), parameters=[
                                     _path("pin", "`sha256/…`, or its hash in base64 or hex."),
                                     _parameter("project", _FILTER, "In this project only.")]),
        },
        "/notify-test": {
            "post": _operation("testChannels", "Send a test alert to a channel, or to all.", O, _object(
                {"results": listed(_object({"channel": TEXT, "type": TEXT, "error": nullable(TEXT)}))}),
                takes=_object({}, channel=nullable(_NAME))),
        },
        "/rotations": {
            "get": _operation("listRotations", "Rotations, the newest first; of a host also its renewals.", V, _object(
                {"rotations": listed(ref("Rotation")), "renewals": listed(ref("Renewal"))}), parameters=[
                    _parameter("project", _FILTER, "Those that count in this project."), _HOST, _SINCE,
                    _parameter("limit", _LIMIT["schema"], "Rotations in all.")]),
            "post": _operation("declareRotation", "Declare when a host's keys change, and the coming chain: its leaf"
                               " counts as ours from now on.", P, ref("Rotation"), status=201,
                               takes=_object({"host": {"type": "string", "minLength": 1}}, **_ROTATION)),
        },
        "/rotations/{id}/end": {
            "post": _operation("endRotation", "One that is over, or that is not to happen.", P, ref("Rotation"),
                               parameters=[_path("id", "As the list shows it.")], takes=_object({})),
        },
        "/pin-sets": {
            "get": _operation("listPinSets", "What releases pin; and what reports agree on, of one project.", V,
                              _object({"pin_sets": listed(ref("PinSet")), "learned": listed(ref("LearnedPinSet"))}),
                              parameters=[_PROJECT, _parameter("app", _FILTER, "Of this app."),
                                          _parameter("host", _FILTER, "For this host: also of domains above it."),
                                          _parameter("limit", _LIMIT["schema"], "Of each list.")]),
            "post": _operation("importPinSets", "Register what releases pin: `sets` as docs/pins.md describes them, or"
                               " a `file` in base64. Its hosts become the project's own.", P, ref("ImportedPinSets"),
                               status=201, takes=_object(
                                   {"project": _NAME}, **_RELEASE, name=nullable(TEXT), file=nullable(TEXT),
                                   sets=nullable({"type": "array", "items": {"type": "object"}, "minItems": 1,
                                                  "maxItems": PIN_SETS}))),
        },
        "/pin-sets/{id}": {
            "delete": _operation("removePinSet", "Register a pin set no longer; its host stays.", O,
                                 _object({"removed": _COUNT, "project": TEXT, **PIN_SET}),
                                 parameters=[_path("id", "As the list shows it.")]),
        },
        "/pins/lint": {
            "get": _operation("lintPins", "What is wrong with registered pin sets, the worst first.", V,
                              _object({"findings": listed(ref("Finding")), "pin_sets": _COUNT}), parameters=[
                                  _PROJECT, _parameter("host", _FILTER, "What counts for this host.")]),
        },
        "/pins/proofs": {
            "post": _operation("provePins", "Show that the keys of pins are there, by certificates or requests (CSR)"
                               " for them in PEM.", P, _object({"project": TEXT, "proven": listed(_object(
                                   {"pin": TEXT, "how": {"enum": ["certificate", "csr"]}, "subject": nullable(TEXT),
                                    "is_new": {"type": "boolean"}}))}), status=201,
                               takes=_object({"project": _NAME, "pem": {"type": "string", "minLength": 1}})),
        },
        "/tokens": {
            "get": _operation("listTokens", "Tokens, without their secrets.", O,
                              _object({"tokens": listed(ref("Token"))})),
            "post": _operation("addToken", "Make a token; it is told once.", O, ref("NewToken"), status=201,
                               takes=_object({"name": _NAME, "role": {"enum": [*Role]}}, days=nullable(
                                   {"type": "integer", "minimum": 1, "maximum": 3650}))),
        },
        "/tokens/{name}": {
            "delete": _operation("revokeToken", "Close a token's doors.", O, _object({"revoked": TEXT}),
                                 parameters=[_path("name", "The token's name.")]),
        },
        "/audit": {
            "get": _operation("listAudit", "Who changed what, the newest first.", O,
                              _object({"audit": listed(ref("Change")), "next": nullable(TEXT)}),
                              parameters=[_LIMIT, _AFTER]),
        },
        "/forget": {
            "post": _operation("forgetInstall", "Delete what is stored of an install id.", O,
                               _object({"violations": _COUNT, "windows": _COUNT}),
                               takes=_object({"install": {"type": "string", "minLength": 1, "maxLength": 100_000}},
                                             project=nullable(_NAME))),
        },
        "/violations": {
            "get": _operation("listViolations", "Violations, the newest first.", V,
                              _pages("violations", ref("Violation")), parameters=violations),
        },
        "/signatures": {
            "get": _operation("listSignatures", "What groups violations of one fault, last seen first.", V,
                              _pages("signatures", ref("Signature")),
                              parameters=[_PROJECT, _HOST, _KIND, _LIMIT, _AFTER, _EXPORT]),
        },
        "/signatures/{id}": {
            "get": _operation("getSignature", "One signature, with its cause and what operators said of it.", V,
                              ref("SignatureWithCause"),
                              parameters=[_path("id", "As a violation names it.", _hex(16))]),
        },
        "/signatures/{id}/relabel": {
            "post": _operation("relabelSignature", "Say what its cause is; null: what the rules say.", O,
                               ref("SignatureWithCause"),
                               parameters=[_path("id", "As a violation names it.", _hex(16))],
                               takes=_object({}, label=nullable({"enum": [*Cause]}),
                                             note=nullable({"type": "string", "maxLength": NOTE}))),
        },
        "/certificates": {
            "get": _operation("listCertificates", "Reported certificates, the newest first.", V,
                              _pages("certificates", ref("Certificate")),
                              parameters=[_parameter("spki", _hex(32), "SHA-256 of its SPKI."),
                                          _LIMIT, _AFTER, _EXPORT]),
        },
        "/certificates/{sha256}": {
            "get": _operation("getCertificate", "One certificate.", V, {
                "application/json": {"schema": ref("CertificateWithPem")},
                "application/x-pem-file": {"schema": TEXT}},
                parameters=[_path("sha256", "SHA-256 of its DER.", _hex(32)),
                            _parameter("format", {"enum": ["json", "pem"], "default": "json"}, "As what.")]),
        },
        "/chains/{id}": {
            "get": _operation("getChain", "One chain, leaf first.", V, ref("Chain"),
                              parameters=[_path("id", "As a violation names it.", _hex(16))]),
        },
        "/connections": {
            "get": _operation("listConnections", "Connections by hour; public and trusted apart.", V,
                              _pages("connections", ref("Connections")),
                              parameters=[_PROJECT, _HOST, _SINCE, _UNTIL, _LIMIT, _AFTER, _EXPORT]),
            "post": _operation("importConnections", "Bring in windows as trusted; each counts once by its id.",
                               P, ref("Answer"), takes=_object({"project": _NAME, "windows": {
                                   "type": "array", "items": ref("Window"), "minItems": 1, "maxItems": MOST}})),
        },
        "/preflight": {
            "post": _operation("preflight", "Who breaks if this chain is served; `exit` is the command's code.", P,
                               ref("Preflight"), takes=_object(
                {"host": _PATTERN, "chain": {"type": "string", "description": "PEM: a chain, or a request (CSR)."}},
                project=nullable(_NAME), app=nullable(_NAME), at=nullable(_TIME),
                issuer=nullable({"type": "string", "description": "PEM: the issuer of a request, a private root."}),
                pin_sets=nullable({"type": "array", "items": {"type": "object"}, "maxItems": SETS}),
                allow_unknown={"type": "boolean", "default": False},
                max_share=nullable({"type": "string", "examples": ["0.1%"]}))),
        },
        "/hosts/{project}/{host}/readiness": {
            "get": _operation("getReadiness", "What enforcing would have blocked, and who was never heard.", V,
                              ref("Readiness"), parameters=[_path("project", "The project's name."),
                                                            _path("host", "The host.")]),
        },
        "/hosts/{project}/{host}/verdict": {
            "get": _operation("getVerdict", "Keep, widen or drop pinning.", V, ref("Verdict"),
                              parameters=[_path("project", "The project's name."), _path("host", "The host.")]),
        },
        "/adoption": {
            "get": _operation("getAdoption", "Shares of versions, by app and platform.", V,
                              _object({"project": TEXT, "curves": listed(ref("AdoptionCurve"))}),
                              parameters=[_parameter("project", _FILTER, "Of this project (default: default).")]),
            "post": _operation("importAdoption", "Bring in how many used which version, by day.", P,
                               _object({"project": TEXT, "imported": _COUNT}), takes=_object(
                {"project": _NAME, "rows": {"type": "array", "minItems": 1, "maxItems": ROWS,
                                            "items": ref("AdoptionRow")}})),
        },
        "/alerts": {
            "get": _operation("listAlerts", "What is wrong with hosts: what fires first, then what was resolved.", V,
                              _object({"alerts": listed(ref("Alert"))}), parameters=[
                                  _parameter("state", {"enum": [*State]}, "In this state."), _PROJECT, _HOST,
                                  _parameter("limit", _LIMIT["schema"], "Alerts in all.")]),
        },
        "/alerts/{id}": {
            "get": _operation("getAlert", "One alert, with what channels were told of it and what people did.", V,
                              ref("AlertWithTimeline"), parameters=_ALERT),
        },
        "/alerts/{id}/acknowledge": {
            "post": _operation("acknowledgeAlert", "Somebody is on it. Whoever was first has it.", O,
                               ref("AlertWithTimeline"), parameters=_ALERT, takes=_object({})),
        },
        "/alerts/{id}/silence": {
            "post": _operation("silenceAlert", "Tell nobody of it until then; null ends that.", O,
                               ref("AlertWithTimeline"), parameters=_ALERT,
                               takes=_object({}, until=nullable(_TIME), **{"for": _LENGTH},
                                             note=_ALERT_NOTE)),
        },
        "/alerts/{id}/resolve": {
            "post": _operation("resolveAlert", "Close it by hand; the watcher does so with its next look. It stays"
                               " closed while the same is found. `forged`: its reports were made up.", O,
                               ref("AlertWithTimeline"), parameters=_ALERT,
                               takes=_object({}, forged={"type": "boolean", "default": False}, note=_ALERT_NOTE)),
        },
        "/alerts/{id}/note": {
            "post": _operation("noteAlert", "What others should know of it.", O, ref("AlertWithTimeline"),
                               parameters=_ALERT, takes=_object(
                                   {"note": {"type": "string", "minLength": 1, "maxLength": ALERT_NOTE}})),
        },
        "/silences": {
            "get": _operation("listSilences", "Silences that last, the one that ends first before the others; with"
                              " `state` all, then those of the last 30 days that are over.", V,
                              _object({"silences": listed(ref("Silence"))}), parameters=[
                                  _parameter("state", {"enum": ["active", "all"]}, "(default: active)")]),
            "post": _operation("addSilence", "Tell nobody until then, and look as before. Of alerts that match all of"
                               " `project`, `host` (a pattern) and `kind` that is said; or of what a `signature` shows,"
                               " unless other signatures show a break as well; or of what comes from a `network`"
                               " (CIDR, also with `project` and `host`): it is counted and shown, and never an alert;"
                               " or of one `alert`. `wide`: a network wider than a /8, or an IPv6 /16.", O,
                               ref("SilenceWithAlerts"), status=201, takes=_object(
                                   {}, project=nullable(_NAME), host=nullable(_PATTERN),
                                   kind=nullable({"enum": [*AlertKind]}), signature=nullable(_SIGNATURE_ID),
                                   network=nullable({"type": "string", "minLength": 3, "maxLength": 49}),
                                   alert=nullable({"type": "string"}),
                                   wide={"type": "boolean", "default": False}, until=nullable(_TIME),
                                   **{"for": _LENGTH}, note=_ALERT_NOTE)),
        },
        "/silences/{id}": {
            "delete": _operation("removeSilence", "End a silence: what it alone silenced is heard of again.", O,
                                 ref("SilenceWithAlerts"), parameters=_ALERT),
        },
        "/totals": {
            "get": _operation("totals", "Items by project and result: received is the sum of the others.", V,
                              _object({"projects": {"type": "object", "additionalProperties": {
                                  "type": "object", "additionalProperties": _COUNT}}})),
        },
    }  # fmt: skip


@cache
def openapi() -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pinfall",
            "version": __version__,
            "summary": "Certificate-pin failures, as clients reported them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "problem": {
                    "description": "What is wrong, in one line (RFC 9457).",
                    "content": {"application/problem+json": {"schema": ref("Problem")}},
                }
            },
            "schemas": SCHEMAS,
        },
    }


@cache
def _body() -> bytes:
    return json.dumps(openapi()).encode()


async def document(_request: web.Request) -> web.Response:
    return web.Response(body=_body(), content_type="application/json")
