"""Who may use the operator listener: a token, or this machine alone."""

from __future__ import annotations

import base64
import hmac
import re
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from collector.web.problems import Handler, problem

_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_OPEN = frozenset({"/healthz"})
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def _token(request: web.Request) -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # a browser asks for it: any name, the token as the password
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def _cross_site(request: web.Request) -> bool:
    """Whether another site's page made a browser send this."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return True
    origin = request.headers.get("Origin")
    try:
        return origin is not None and urlsplit(origin).netloc.lower() != request.host.lower()
    except ValueError:
        return True


async def secure(_request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer of the operator listener."""
    response.headers.update(_HEADERS)


def guard(token: str | None) -> Middleware:
    """A middleware. token None: only requests that name this machine (against DNS rebinding)."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is None and not _LOCAL.fullmatch(request.headers.get("Host", "")):
            return problem(421, detail="Without PINFALL_OPERATOR_TOKEN only localhost is answered.")
        if token is not None and request.path not in _OPEN:
            given = _token(request).encode("utf-8", "replace")
            if not hmac.compare_digest(given, token.encode()):
                headers = {"WWW-Authenticate": 'Basic realm="pinfall", charset="UTF-8"'}
                return problem(401, detail="An operator token is needed.", headers=headers)
        if request.method in _CHANGES:
            if _cross_site(request):
                return problem(403, detail="Another site's page may not change anything here.")
            if request.content_type != "application/json":
                return problem(415, detail="Changes are sent as application/json.")
        return await handler(request)

    return guarded
