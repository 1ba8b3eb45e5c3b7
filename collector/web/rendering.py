"""Templates to pages: everything is escaped, and what a template asks for has to be there."""

from __future__ import annotations

from datetime import UTC, datetime

import jinja2
from aiohttp import web

from collector.web.guard import WHO
from collector.web.shown import shown


def time(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "unknown"


def ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "never"
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("collector.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.filters["time"] = time
    return environment


_TEMPLATES = _environment()


def page(
    request: web.Request, template: str, now: datetime, *, status: int = 200, **facts: object
) -> web.Response:
    html = _TEMPLATES.get_template(template).render(
        now=now, who=request.get(WHO), path=request.path, ago=lambda at: ago(at, now), **facts
    )
    return web.Response(text=html, status=status, content_type="text/html")
