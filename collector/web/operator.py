"""The operator listener: metrics, health, the API, the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from collector.web.access import Access, Role
from collector.web.api.routes import Route
from collector.web.guard import guard, secure
from collector.web.health import Health
from collector.web.host import HostPage
from collector.web.incidents import Incidents
from collector.web.pages import Pages
from collector.web.pin_sets import PinsPage
from collector.web.preflight import PreflightPage
from collector.web.problems import problems
from collector.web.rotations import RotationsPage
from collector.web.runbooks import Runbooks
from collector.web.setup import Setup
from collector.web.signature import SignaturePage
from collector.web.signin import SignIn
from collector.web.silences import SilenceForms
from collector.web.trying import Trying

_STATIC = Path(__file__).parent / "static"


def page_routes(
    health: Health,
    pages: Pages,
    setup: Setup,
    sign_in: SignIn,
    runbooks: Runbooks,
    rotations: RotationsPage,
    pins: PinsPage,
    preflight: PreflightPage,
    trying: Trying,
) -> list[Route]:
    return [
        Route("GET", "/", pages.overview, Role.VIEWER),
        Route("GET", "/setup", setup.show, Role.VIEWER),
        Route("POST", "/setup/hosts", setup.register, Role.OPERATOR),
        Route("POST", "/setup/test", trying.send, Role.OPERATOR),
        Route("GET", "/setup/watch", trying.watch, Role.VIEWER),
        Route("GET", "/rotations", rotations.show, Role.VIEWER),
        Route("POST", "/rotations", rotations.declare, Role.PIPELINE),
        Route("POST", "/rotations/{id:[^/]+}/end", rotations.end, Role.PIPELINE),
        Route("GET", "/pins", pins.show, Role.VIEWER),
        Route("POST", "/pins", pins.take, Role.PIPELINE),
        Route("GET", "/preflight", preflight.show, Role.VIEWER),
        Route("POST", "/preflight", preflight.ask, Role.PIPELINE),
        Route("GET", "/runbooks", runbooks.show, Role.VIEWER),
        Route("GET", "/runbooks/{kind}", runbooks.show, Role.VIEWER),
        Route("GET", "/sign-in", sign_in.show, None),
        Route("POST", "/sign-in", sign_in.sign_in, None),
        Route("POST", "/sign-out", sign_in.sign_out, Role.VIEWER),
        Route("GET", "/metrics", health.scrape, Role.VIEWER),
        Route("GET", "/healthz", health.alive, None),
        # Asked by load balancers, which have no token; it names no project and no host.
        Route("GET", "/readyz", health.ready, None),
    ]


def incident_routes(
    incidents: Incidents, host: HostPage, signature: SignaturePage, silences: SilenceForms
) -> list[Route]:
    one = "/alerts/{id:[^/]+}"
    return [
        Route("GET", "/alerts", incidents.list_all, Role.VIEWER),
        Route("GET", one, incidents.show, Role.VIEWER),
        Route("POST", f"{one}/acknowledge", incidents.acknowledge, Role.OPERATOR),
        Route("POST", f"{one}/silence", incidents.silence, Role.OPERATOR),
        Route("POST", f"{one}/resolve", incidents.resolve, Role.OPERATOR),
        Route("POST", f"{one}/note", incidents.note, Role.OPERATOR),
        Route("POST", "/silences", silences.add, Role.OPERATOR),
        Route("POST", "/silences/{id:[^/]+}/end", silences.end, Role.OPERATOR),
        Route("GET", "/hosts/{project:[^/]+}/{host:[^/]+}", host.show, Role.VIEWER),
        Route("GET", "/signatures/{id:[^/]+}", signature.show, Role.VIEWER),
        Route("POST", "/signatures/{id:[^/]+}/relabel", signature.relabel, Role.OPERATOR),
    ]


def operator_app(access: Access, routes: Sequence[Route]) -> web.Application:
    roles: dict[tuple[str, str], Role | None] = {("GET", "/static"): None}
    app = web.Application(middlewares=[problems, guard(access, roles)], client_max_size=1024 * 1024)
    app.on_response_prepare.append(secure)
    for route in routes:
        added = app.router.add_route(route.method, route.path, route.handler)
        assert added.resource is not None
        roles[route.method, added.resource.canonical] = route.role
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.handler)
    app.router.add_static("/static/", _STATIC)
    return app
