"""The operator listener: metrics, health, the API, the page."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from collector.web.api import Api
from collector.web.guard import guard, secure
from collector.web.health import Health
from collector.web.pages import Pages
from collector.web.problems import problems

_STATIC = Path(__file__).parent / "static"


def operator_app(health: Health, api: Api, pages: Pages, token: str | None) -> web.Application:
    app = web.Application(middlewares=[problems, guard(token)], client_max_size=1024 * 1024)
    app.on_response_prepare.append(secure)
    app.router.add_get("/", pages.overview)
    app.router.add_get("/metrics", health.scrape)
    app.router.add_get("/healthz", health.alive)
    app.router.add_get("/readyz", health.ready)
    app.router.add_get("/api/v1/projects", api.list_projects)
    app.router.add_post("/api/v1/projects", api.add_project)
    app.router.add_get("/api/v1/keys", api.list_keys)
    app.router.add_post("/api/v1/keys", api.add_key)
    app.router.add_post("/api/v1/keys/{key}/disable", api.disable_key)
    app.router.add_get("/api/v1/totals", api.totals)
    app.router.add_static("/static/", _STATIC)
    return app
