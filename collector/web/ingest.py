"""The public listener: reports in, an answer after they are durable, and nothing else."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from aiohttp import HttpVersion11, web
from msgspec.structs import replace

from collector.errors import Reason, ReportError
from collector.intake.keyring import Key, Keyring
from collector.intake.limits import Limits as RateLimits
from collector.intake.limits import source_of
from collector.intake.prepare import Sender
from collector.intake.taking import ACCEPTED, Taking, Verdict
from collector.metrics import UNKNOWN, Metrics
from collector.model import Dialect, Violation
from collector.reports.body import LIMITS, Item, Limits, read_body
from collector.reports.fields import Hints
from collector.settings import Network
from collector.store.connect import STORE_DOWN
from collector.web import answers
from collector.web.answers import Answer
from collector.web.bodies import Pace, read
from collector.web.budget import OverloadedError
from collector.web.door import Door
from collector.web.refusal import OVERLOADED
from collector.web.source import OneAddress, address_of
from collector.web.verdicts import refused, summed

log = structlog.get_logger()

_AGENT = 512  # characters of a User-Agent
_WORST_KEY = 64
_ONE_ACCEPTED = answers.result(summed([ACCEPTED]))
_UNREAD = (Reason.TOO_SLOW, Reason.TOO_LARGE, Reason.UNKNOWN_KEY, Reason.OVER_LIMIT)
# What a browser itself sends; anything else with its marks was sent by a page that somebody visited.
_OF_BROWSERS = frozenset(
    {Dialect.NEL, Dialect.REPORTING, Dialect.HPKP, Dialect.EXPECT_CT, Dialect.EXPECT_STAPLE}
)


@dataclass(slots=True)
class Ingest:
    """Everything a report needs on its way in."""

    keyring: Keyring
    taking: Taking
    metrics: Metrics
    clock: Callable[[], datetime]
    rates: RateLimits
    door: Door
    proxies: tuple[Network, ...] = ()
    limits: Limits = LIMITS
    pace: Pace = field(default_factory=Pace)
    one_address: OneAddress = field(default_factory=OneAddress)

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Every request of the public listener."""
        try:
            path = _path(request.raw_path)
            if path == "/r" or path.startswith("/r/"):
                # One reader for all: a window is known by its content, also at the URL for reports.
                if request.method == "POST" and path.count("/") <= 3:
                    return await self._timed(request, path)
                if request.method == "OPTIONS":
                    return Answer(204)
                return answers.problem(405, more="Allow: OPTIONS,POST\r\n")
            if path == "/healthz":
                if request.method in ("GET", "HEAD"):
                    return answers.text(200, "ok\n")
                return answers.problem(405, more="Allow: GET,HEAD\r\n")
            return answers.problem(404)
        except Exception:
            log.exception("request.crashed")
            return answers.problem(500, closes=True)

    async def _timed(self, request: web.BaseRequest, path: str) -> Answer:
        if not self.door.begins():
            return OVERLOADED
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._post(request, path)
        except OverloadedError:
            self.door.count("overloaded")
            return OVERLOADED
        finally:
            self.door.ends(request)
            self.metrics.ingest.observe(loop.time() - began)

    async def _post(self, request: web.BaseRequest, path: str) -> Answer:
        key: Key | None = None
        try:
            key = await self._key(request, path)
            address = address_of(request, self.proxies)
            source = None if key.trusted else source_of(address)
            loop = asyncio.get_running_loop()
            if source is not None and self.rates.is_flood(source, loop.time()):
                raise ReportError(Reason.OVER_LIMIT, "far more than this source may send")
            if "Expect" in request.headers and not _go_on(request):
                return answers.problem(417, closes=True)
            body = await read(request, self.limits.body_bytes, self.pace, self.door.bodies)
            received_at = self.clock()
            agent = request.headers.get("User-Agent")
            hints = Hints(received_at, agent[:_AGENT] if agent else None)
            items = read_body(body, hints, self.limits)
        except ReportError as error:
            self.metrics.receive(1)
            self.taking.not_stored(key, "rejected", UNKNOWN, error.reason)
            # A body that was not read to its end leaves nothing to read the next request from.
            return answers.refusal(error, closes=error.reason in _UNREAD)
        except STORE_DOWN:
            self.metrics.receive(1)
            self.taking.not_stored(None, "shed", UNKNOWN, Reason.NOT_DURABLE)
            return answers.not_durable()
        sender = Sender(address, hints.user_agent)
        self.one_address.saw(address, len(items))
        most = None
        if source is not None:
            now = loop.time()
            who = (key.project, key.app, key.environment, key.quota)
            most = self.rates.admit(source, len(items), len(body), now, who, key.quota)
        if _is_browser(request) and request.headers.get("Origin") not in key.origins:
            items = [_sent_by_a_browser(item) for item in items]
        verdicts = await self.taking.take(items, key, sender, received_at, most)
        return _answer(items, verdicts)

    async def _key(self, request: web.BaseRequest, path: str) -> Key:
        told = _key_text(request, path)
        if told and len(told) <= _WORST_KEY:
            found = self.keyring.known(told) or await self.keyring.find(told)
            if found is not None:
                return found
        raise ReportError(Reason.UNKNOWN_KEY, "no such ingest key")


def _is_browser(request: web.BaseRequest) -> bool:
    headers = request.headers
    return "Origin" in headers or "Sec-Fetch-Site" in headers or "Sec-Fetch-Mode" in headers


def _sent_by_a_browser(item: Item) -> Item:
    """Kept and shown, never counted: as test traffic is. A web page can make its visitors send anything."""
    if isinstance(item, Violation) and item.dialect not in _OF_BROWSERS:
        return replace(item, test=True, flags=(*item.flags, "browser_sent"))
    return item


def _answer(items: Sequence[Item], verdicts: Sequence[Verdict]) -> Answer:
    if len(verdicts) == 1 and verdicts[0] is ACCEPTED:
        return Answer(200, _ONE_ACCEPTED.body)
    told = summed(verdicts)
    refusal = refused(items, verdicts)
    if refusal is None:
        return answers.result(told)
    status, error = refusal
    return answers.refusal(error, told, status)


def _go_on(request: web.BaseRequest) -> bool:
    """Tell a client that asks first to send its body; False if it expects anything else."""
    if request.headers["Expect"].strip().lower() != "100-continue":
        return False
    if request.version == HttpVersion11 and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return True


def _path(target: str) -> str:
    """The path of a request's target, decoded."""
    if not target.startswith("/"):  # http://host/path, as to a proxy
        try:
            target = urlsplit(target).path
        except ValueError:
            return ""
    path = target.partition("?")[0].partition("#")[0]
    return unquote(path) if "%" in path else path


def _key_text(request: web.BaseRequest, path: str) -> str | None:
    """From the path, ``?key=``, a bearer token, or a Basic user name, in this order."""
    if told := path[3:].removesuffix("/connections").strip("/"):
        return told
    query = request.raw_path.partition("?")[2]
    if query and (keys := parse_qs(query[:1024]).get("key")):
        return keys[0]
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:
            return None
        return decoded.partition(":")[0]
    return None
