"""What the public listener answers: a few bytes, most of them the same ones each time.

aiohttp's own Response is made of headers that are put together anew for each answer: a quarter of what a
request costs. These are written as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.helpers import rfc822_formatted_time

from collector.errors import Reason, ReportError
from collector.web.problems import RETRY_AFTER, STATUS, problem_text

_CORS = (
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n"
    "Access-Control-Allow-Headers: content-type\r\nAccess-Control-Max-Age: 86400\r\n"
)
_CLOSE = b"Connection: close\r\n\r\n"
_JSON, _PROBLEM, _TEXT = (
    "application/json; charset=utf-8",
    "application/problem+json; charset=utf-8",
    "text/plain; charset=utf-8",
)


class Answer:
    """As much of an aiohttp response as its server asks for.

    ``closes``: what is left of the request is not read, so nothing can follow it.
    """

    __slots__ = ("_body", "_head", "closes", "keep_alive", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        kind: str = _JSON,
        more: str = "",
        *,
        closes: bool = False,
    ) -> None:
        self.status = status
        self.closes = closes
        self.keep_alive = False
        self._head = _head(status, kind, more)
        self._body = body

    @property
    def body(self) -> bytes:
        return self._body

    def raw(self) -> bytes:
        """All of it, for where there is no request to speak of: without a date, and closing."""
        return b"%sContent-Length: %d\r\n%s%s" % (self._head, len(self._body), _CLOSE, self._body)

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write all of it. Raises ConnectionError where nobody is there any more."""
        self.keep_alive = (
            request.keep_alive and not self.closes and request.version == HttpVersion11
        )
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(self.written(rfc822_formatted_time(), has_body=request.method != "HEAD"))

    def written(self, date: str, *, has_body: bool = True) -> bytes:
        """All of it, with ``keep_alive`` as it is."""
        body = self._body if has_body else b""
        length = b"" if self.status == 204 else b"Content-Length: %d\r\n" % len(self._body)
        end = b"\r\n" if self.keep_alive else _CLOSE
        return b"".join((self._head, b"Date: %s\r\n" % date.encode(), length, end, body))

    async def write_eof(self) -> None:
        """All is written."""


@lru_cache(maxsize=256)
def _head(status: int, kind: str, more: str) -> bytes:
    phrase = HTTPStatus(status).phrase
    content = "" if status == 204 else f"Content-Type: {kind}\r\n"
    return f"HTTP/1.1 {status} {phrase}\r\n{content}{_CORS}{more}".encode("ascii")


def text(status: int, words: str, more: str = "") -> Answer:
    return Answer(status, words.encode(), _TEXT, more)


def result(told: Mapping[str, object]) -> Answer:
    """200: what became of each item."""
    return Answer(200, json.dumps(told, separators=(",", ":")).encode() + b"\n")


def problem(
    status: int,
    reason: str | None = None,
    detail: str | None = None,
    *,
    more: str = "",
    members: Mapping[str, object] | None = None,
    closes: bool = False,
) -> Answer:
    """An RFC 9457 problem; see ``problems.problem``."""
    body = problem_text(status, reason, detail, members).encode()
    return Answer(status, body, _PROBLEM, more, closes=closes)


def refusal(
    error: ReportError,
    members: Mapping[str, object] | None = None,
    status: int | None = None,
    *,
    closes: bool = False,
) -> Answer:
    code = STATUS[error.reason] if status is None else status
    more = f"Retry-After: {RETRY_AFTER}\r\n" if code in (429, 503) else ""
    return problem(code, error.reason, error.detail, more=more, members=members, closes=closes)


def not_durable(detail: str = "Postgres does not answer.") -> Answer:
    return refusal(ReportError(Reason.NOT_DURABLE, detail))
