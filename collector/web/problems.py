"""Errors as RFC 9457 problems; the one place that turns what handlers raise into responses."""

from __future__ import annotations

import errno
import json
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import web

from collector.errors import ConflictError, NotFoundError, PinfallError, Reason, ReportError
from collector.store.connect import STORE_DOWN, refuses_the_row

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS = {
    Reason.NOT_JSON: 400,
    Reason.TOO_DEEP: 400,
    Reason.UNKNOWN_KEY: 403,
    Reason.TOO_SLOW: 408,
    Reason.TOO_LARGE: 413,
    Reason.UNRECOGNISED: 422,
    Reason.NO_HOST: 422,
    Reason.UNSTORABLE: 422,
    Reason.OVER_LIMIT: 429,
    Reason.NOT_DURABLE: 503,
}
RETRY_AFTER = "5"  # seconds


def problem(
    status: int,
    reason: str | None = None,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    """reason: ends the problem's type; None for one that HTTP itself explains."""
    return web.Response(
        status=status,
        text=problem_text(status, reason, detail, members),
        content_type="application/problem+json",
        headers=headers,
    )


def problem_text(
    status: int,
    reason: str | None,
    detail: str | None,
    members: Mapping[str, object] | None = None,
) -> str:
    told: dict[str, object] = {
        "type": f"/problems/{reason}" if reason else "about:blank",
        "title": reason.replace("_", " ") if reason else HTTPStatus(status).phrase,
        "status": status,
    }
    if detail:
        told["detail"] = detail
    return json.dumps({**told, **(members or {})}) + "\n"


def refusal(error: ReportError, members: Mapping[str, object] | None = None) -> web.Response:
    status = STATUS[error.reason]
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else None
    return problem(status, error.reason, error.detail, headers=headers, members=members)


def store_is_down() -> web.Response:
    headers = {"Retry-After": RETRY_AFTER}
    return problem(503, Reason.NOT_DURABLE, "Postgres does not answer.", headers=headers)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ReportError as error:
        return refusal(error)
    except PinfallError as error:
        kinds = ((NotFoundError, 404), (ConflictError, 409))
        status = next((code for kind, code in kinds if isinstance(error, kind)), 400)
        return problem(status, detail=str(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        keep = {k: v for k, v in error.headers.items() if k in ("Allow", "Retry-After")}
        return problem(error.status, headers=keep)
    except STORE_DOWN as error:
        if refuses_the_row(error):
            return problem(400, detail="A value that cannot be stored or looked up.")
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return problem(404)
        return store_is_down()
    except Exception:
        log.exception("request.crashed", route=_route(request))
        return problem(500)


def _route(request: web.Request) -> str:
    """The pattern, not the path: a path holds a key."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"
