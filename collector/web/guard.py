"""The operator listener's door: who asks, from where, and whether their role is enough."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from collector.errors import PinfallError
from collector.web.access import Access, Role, Who
from collector.web.problems import Handler, problem

log = structlog.get_logger()

WHO = web.RequestKey("who", Who)
COOKIE = "pinfall_session"
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_FORM = "application/x-www-form-urlencoded"
_UPLOAD = "multipart/form-data"
_UPLOADS = frozenset({"/pins"})  # where a form may have a file
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": with it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

# (method, pattern of the route) to the role it needs; None: everybody. What is not in it needs an
# operator.
Roles = Mapping[tuple[str, str], Role | None]


def given_token(request: web.Request) -> str | None:
    """The token of an Authorization header; None where there is no such header."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":  # any name, the token as the password
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


def _from_here(request: web.Request) -> bool:
    """Whether a browser says that our own page sent this; one that says nothing is not believed."""
    return "Origin" in request.headers or request.headers.get("Sec-Fetch-Site") == "same-origin"


def _is_form(request: web.Request) -> bool:
    uploads = request.content_type == _UPLOAD and request.path in _UPLOADS
    return uploads or request.content_type == _FORM


async def read_form(request: web.Request) -> Mapping[str, object]:
    """A plain form's fields. Raises PinfallError for anything else: parsers of forms are many."""
    if _is_form(request):
        try:
            return await request.post()
        except (ValueError, LookupError):  # bytes, or a charset, that are none
            pass
        except (AssertionError, RuntimeError, HttpProcessingError):  # parts that are none
            pass
    raise PinfallError("not a form")


async def secure(_request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer of the operator listener."""
    response.headers.update(_HEADERS)


def guard(access: Access, roles: Roles) -> Middleware:
    """Sets ``request[WHO]``. Without a token in the settings, requests that name this machine are
    its operator's (the Host header stands against DNS rebinding)."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if access.is_open and not _LOCAL.fullmatch(request.headers.get("Host", "")):
            return problem(421, detail="Without PINFALL_OPERATOR_TOKEN only localhost is answered.")
        resource = request.match_info.route.resource
        place = (
            "GET" if request.method == "HEAD" else request.method,
            resource.canonical if resource else "",
        )
        needed = roles.get(place, Role.OPERATOR)
        if request.method in _CHANGES and _cross_site(request):
            return problem(403, detail="Another site's page may not change anything here.")
        if needed is None:
            return await handler(request)
        who = await _who(request, access)
        if who is None:
            return _refuse(request)
        if resource is None:
            return await handler(request)  # no such place, or no such method there
        if not who.role.may(needed):
            log.warning("access.refused", who=who.name, role=who.role, route=place[1])
            return problem(
                403, detail=f"This needs the role '{needed}'; '{who.name}' is '{who.role}'."
            )
        if request.method in _CHANGES:
            refused = await _change(request, who)
            if refused is not None:
                return refused
        request[WHO] = who
        return await handler(request)

    return guarded


async def _who(request: web.Request, access: Access) -> Who | None:
    token = given_token(request)
    if token is not None:  # a wrong token is wrong, also where none is needed
        return await access.by_token(token) if token else None
    cookie = request.cookies.get(COOKIE)
    found = await access.by_cookie(cookie) if cookie else None
    return found or (access.local if access.is_open else None)


def _refuse(request: web.Request) -> web.StreamResponse:
    wants_page = "text/html" in request.headers.get("Accept", "")
    if wants_page and request.method == "GET" and "Authorization" not in request.headers:
        return web.Response(
            status=303, headers={"Location": f"/sign-in?next={quote(request.path_qs, safe='/')}"}
        )
    headers = {"WWW-Authenticate": 'Bearer realm="pinfall"'}
    return problem(
        401, detail="A token is needed: it is missing, wrong or expired.", headers=headers
    )


async def _change(request: web.Request, who: Who) -> web.Response | None:
    """What a change has to bring, or why it is refused."""
    if _is_form(request) and not request.path.startswith("/api/"):
        form = await read_form(request)
        told = str(form.get("form_token", ""))
        if not _from_here(request) or not hmac.compare_digest(
            told.encode("utf-8", "replace"), who.form_token.encode()
        ):
            return problem(403, detail="The form is too old, or not ours: load the page again.")
        return None
    bare = request.method == "DELETE" and not request.body_exists
    if request.content_type != "application/json" and not bare:
        return problem(415, detail="Changes are sent as application/json.")
    if who.by_cookie and not _from_here(request):
        return problem(403, detail="A browser's change has to say where it comes from.")
    return None
