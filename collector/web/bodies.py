"""A request's body within limits of size and time. Never asks for a Content-Length."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from collector.errors import Reason, ReportError
from collector.web.budget import SMALL, Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How slow a sender may be."""

    seconds: float = 10.0  # for the whole body
    grace: float = 5.0  # before the rate counts
    bytes_a_second: int = 1000


async def read(request: web.BaseRequest, most: int, pace: Pace, budget: Budget) -> bytes:
    """The body as sent, at most ``most`` bytes; what a large one claims of the budget is given back by
    the caller. Raises ReportError: too_large, too_slow, or not_json where it broke off; OverloadedError
    where there is no memory for it."""
    content = request.content
    if content.is_eof():
        whole = _within(content.read_nowait(-1), most)
        if len(whole) > SMALL:
            budget.claim(request, len(whole))
        return whole
    if request.content_length is not None and request.content_length > most:
        raise _too_large(most)
    loop = asyncio.get_running_loop()
    began = loop.time()
    body = bytearray()
    while True:
        elapsed = loop.time() - began
        if elapsed >= pace.grace:
            if elapsed >= pace.seconds or len(body) < pace.bytes_a_second * elapsed:
                raise ReportError(Reason.TOO_SLOW, "the body came too slowly")
            wait = min(1.0, pace.seconds - elapsed)
        else:
            wait = pace.grace - elapsed
        try:
            async with asyncio.timeout(wait):
                chunk = await content.readany()
        except TimeoutError:
            continue
        except (web.RequestPayloadError, OSError) as error:
            raise ReportError(Reason.NOT_JSON, "the body broke off") from error
        if content.exception() is not None:
            raise ReportError(Reason.NOT_JSON, "the body broke off")
        if not chunk and content.at_eof():
            return bytes(body)
        body += chunk
        if len(body) > most:
            raise _too_large(most)
        if len(body) > SMALL:
            budget.claim(request, len(body))


def _within(body: bytes, most: int) -> bytes:
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> ReportError:
    return ReportError(Reason.TOO_LARGE, f"body of more than {most // 1024} KiB")
