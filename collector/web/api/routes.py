"""The one table of the operator listener: each route, what it does, and the role it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from collector.web.access import Role
from collector.web.api.alerts import Alerts
from collector.web.api.causes import Causes
from collector.web.api.certs import Certs
from collector.web.api.imports import Imports
from collector.web.api.manage import Manage
from collector.web.api.notify import NotifyTest
from collector.web.api.openapi import document
from collector.web.api.people import People
from collector.web.api.pin_lint import PinLint
from collector.web.api.pins import Pins
from collector.web.api.preflight import Preflights
from collector.web.api.probes import Probes
from collector.web.api.read import Read
from collector.web.api.readiness import HostAdvice
from collector.web.api.rotations import Rotations
from collector.web.api.silences import Silences

V, P, O = Role.VIEWER, Role.PIPELINE, Role.OPERATOR  # noqa: E741 (a table reads best in columns)
_ANY = "[^/]+"  # names may hold braces, which aiohttp leaves out
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Route(NamedTuple):
    """role None: for everybody."""

    method: str
    path: str
    handler: Handler
    role: Role | None


def api_routes(
    read: Read,
    manage: Manage,
    certs: Certs,
    people: People,
    imports: Imports,
    notify: NotifyTest,
    probes: Probes,
    rotations: Rotations,
    pins: Pins,
    pin_lint: PinLint,
    preflights: Preflights,
    advice: HostAdvice,
    causes: Causes,
    alerts: Alerts,
    silences: Silences,
) -> list[Route]:
    v1 = "/api/v1"
    return [
        Route("GET", f"{v1}/openapi.json", document, V),
        Route("GET", f"{v1}/projects", manage.list_projects, V),
        Route("POST", f"{v1}/projects", manage.add_project, O),
        Route("PATCH", f"{v1}/projects/{{name:{_ANY}}}", manage.set_project, O),
        Route("DELETE", f"{v1}/projects/{{name:{_ANY}}}", manage.forget_project, O),
        Route("GET", f"{v1}/keys", manage.list_keys, V),
        Route("POST", f"{v1}/keys", manage.add_key, O),
        Route("PATCH", f"{v1}/keys/{{key:{_ANY}}}", manage.set_key, O),
        Route("POST", f"{v1}/keys/{{key:{_ANY}}}/disable", manage.disable_key, O),
        Route("POST", f"{v1}/keys/{{key:{_ANY}}}/enable", manage.enable_key, O),
        Route("GET", f"{v1}/hosts", manage.list_hosts, V),
        Route("POST", f"{v1}/hosts", manage.add_host, O),
        Route("DELETE", f"{v1}/hosts/{{project:{_ANY}}}/{{host:{_ANY}}}", manage.remove_host, O),
        Route("GET", f"{v1}/hosts/{{project:{_ANY}}}/{{host:{_ANY}}}/served", probes.served, V),
        Route("POST", f"{v1}/probes", probes.submit, P),
        Route("GET", f"{v1}/certs", certs.list_certs, V),
        Route("POST", f"{v1}/certs", certs.add_certs, P),
        Route("DELETE", f"{v1}/certs/{{pin:{_ANY}}}", certs.remove_cert, O),
        Route("POST", f"{v1}/notify-test", notify.send, O),
        Route("GET", f"{v1}/rotations", rotations.list_rotations, V),
        Route("POST", f"{v1}/rotations", rotations.declare, P),
        Route("POST", f"{v1}/rotations/{{id:{_ANY}}}/end", rotations.end, P),
        Route("GET", f"{v1}/pin-sets", pins.list_pin_sets, V),
        Route("POST", f"{v1}/pin-sets", pins.import_pin_sets, P),
        Route("DELETE", f"{v1}/pin-sets/{{id:{_ANY}}}", pins.remove_pin_set, O),
        Route("GET", f"{v1}/pins/lint", pin_lint.lint, V),
        Route("POST", f"{v1}/pins/proofs", pins.prove, P),
        Route("GET", f"{v1}/tokens", people.list_tokens, O),
        Route("POST", f"{v1}/tokens", people.add_token, O),
        Route("DELETE", f"{v1}/tokens/{{name:{_ANY}}}", people.revoke_token, O),
        Route("GET", f"{v1}/audit", people.audit, O),
        Route("POST", f"{v1}/forget", people.forget_install, O),
        Route("GET", f"{v1}/violations", read.violations, V),
        Route("GET", f"{v1}/signatures", read.signatures, V),
        Route("GET", f"{v1}/signatures/{{id:{_ANY}}}", causes.signature, V),
        Route("POST", f"{v1}/signatures/{{id:{_ANY}}}/relabel", causes.relabel, O),
        Route("GET", f"{v1}/certificates", read.certificates, V),
        Route("GET", f"{v1}/certificates/{{sha256:{_ANY}}}", read.certificate, V),
        Route("GET", f"{v1}/chains/{{id:{_ANY}}}", read.chain, V),
        Route("GET", f"{v1}/connections", read.connections, V),
        Route("POST", f"{v1}/connections", imports.connections, P),
        Route("POST", f"{v1}/preflight", preflights.preflight, P),
        Route(
            "GET", f"{v1}/hosts/{{project:{_ANY}}}/{{host:{_ANY}}}/readiness", advice.readiness, V
        ),
        Route("GET", f"{v1}/hosts/{{project:{_ANY}}}/{{host:{_ANY}}}/verdict", advice.verdict, V),
        Route("GET", f"{v1}/adoption", preflights.adoption, V),
        Route("POST", f"{v1}/adoption", preflights.import_adoption, P),
        Route("GET", f"{v1}/alerts", alerts.list_alerts, V),
        Route("GET", f"{v1}/alerts/{{id:{_ANY}}}", alerts.alert, V),
        Route("POST", f"{v1}/alerts/{{id:{_ANY}}}/acknowledge", alerts.acknowledge, O),
        Route("POST", f"{v1}/alerts/{{id:{_ANY}}}/silence", alerts.silence, O),
        Route("POST", f"{v1}/alerts/{{id:{_ANY}}}/resolve", alerts.resolve, O),
        Route("POST", f"{v1}/alerts/{{id:{_ANY}}}/note", alerts.note, O),
        Route("GET", f"{v1}/silences", silences.list_silences, V),
        Route("POST", f"{v1}/silences", silences.add_silence, O),
        Route("DELETE", f"{v1}/silences/{{id:{_ANY}}}", silences.remove_silence, O),
        Route("GET", f"{v1}/totals", read.totals, V),
    ]
