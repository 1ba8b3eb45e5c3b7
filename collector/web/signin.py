"""Signing in with a token, for people with a browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from aiohttp import web

from collector.web import rendering
from collector.web.access import SESSION, Access
from collector.web.guard import COOKIE, read_form

log = structlog.get_logger()
_TOKEN = 512  # characters


@dataclass(frozen=True, slots=True)
class SignIn:
    access: Access
    clock: Callable[[], datetime]

    async def show(self, request: web.Request) -> web.Response:
        return self._page(request, request.query.get("next", "/"))

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await read_form(request)
        token, following = str(form.get("token", "")), str(form.get("next", "/"))
        cookie = await self.access.sign_in(token.strip()) if len(token) <= _TOKEN else None
        if cookie is None:
            log.warning("access.sign_in_refused")
            return self._page(request, following, wrong=True)
        response = web.Response(status=303, headers={"Location": _own_path(following)})
        response.set_cookie(
            COOKIE,
            cookie,
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            samesite="Strict",
            secure=_is_https(request),
        )
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        await self.access.sign_out(request.cookies.get(COOKIE, ""))
        response = web.Response(status=303, headers={"Location": "/sign-in"})
        response.del_cookie(COOKIE)
        return response

    def _page(self, request: web.Request, following: str, *, wrong: bool = False) -> web.Response:
        return rendering.page(
            request,
            "signin.html",
            self.clock(),
            status=403 if wrong else 200,
            wrong=wrong,
            following=_own_path(following),
        )


def _own_path(text: str) -> str:
    """A path of ours, or the first page: never another site's."""
    is_ours = (
        text.startswith("/") and not text.startswith(("//", "/\\", "/sign-")) and text.isprintable()
    )
    return text if is_ours and "\\" not in text and len(text) < 500 else "/"


def _is_https(request: web.Request) -> bool:
    """Also behind a proxy; one that lies only loses its own cookie."""
    told = request.headers.get("X-Forwarded-Proto", "").partition(",")[0]
    return request.secure or told.strip().lower() == "https"
