"""The public listener: reports in, an answer after they are durable, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from aiohttp import HttpVersion11, web
from msgspec.structs import replace

from collector.errors import Reason, ReportError
from collector.intake.desk import Desk, is_one
from collector.intake.durable import Outcome
from collector.intake.keyring import Key, Keyring
from collector.intake.limits import Limits as RateLimits
from collector.intake.limits import Source, source_of
from collector.intake.prepare import Sender
from collector.intake.taking import ACCEPTED, VERDICTS, Taking, Verdict
from collector.metrics import UNKNOWN, Metrics
from collector.model import Dialect, Violation
from collector.reports.body import LIMITS, Item, Limits, read_body
from collector.reports.fields import Hints
from collector.settings import Network
from collector.store.connect import STORE_DOWN
from collector.web import answers
from collector.web.answers import Answer
from collector.web.bodies import Pace, read, read_small
from collector.web.budget import SMALL, OverloadedError
from collector.web.door import Door
from collector.web.refusal import OVERLOADED
from collector.web.source import OneAddress, address_of
from collector.web.verdicts import refused, summed

log = structlog.get_logger()

AGENT = 512  # characters of a User-Agent
_WORST_KEY = 64
_ONE_ACCEPTED = answers.result(summed([ACCEPTED])).body
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
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(self.taking, self.limits)

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Every request of the public listener."""
        try:
            target = request.raw_path
            if request.method == "POST":
                key = self.keyring.known(target[3:]) if target.startswith("/r/") else None
                if key is not None:  # the way of nearly all
                    return await self._post(request, target, key)
                path = _path(target)
                if _is_ingest(path) and path.count("/") <= 3:
                    # One reader for all: a window is known by its content, also at the URL for reports.
                    return await self._post(request, path, None)
            return _other(request.method, _path(target))
        except Exception:
            log.exception("request.crashed")
            return answers.problem(500, closes=True)

    async def _post(self, request: web.BaseRequest, path: str, key: Key | None) -> Answer:
        door = self.door
        if not door.begins():
            return OVERLOADED
        began = monotonic()
        try:
            try:
                if key is None:
                    key = await self._key(request, path)
                headers = request.headers
                address = address_of(request, self.proxies)
                source = None if key.trusted else source_of(address)
                if source is not None and self.rates.is_flood(source, began):
                    raise ReportError(Reason.OVER_LIMIT, "far more than this source may send")
                if "Expect" in headers and not _go_on(request):
                    return answers.problem(417, closes=True)
                body = read_small(request) or await read(
                    request, self.limits.body_bytes, self.pace, door.bodies
                )
                received_at = self.clock()
                agent = headers.get("User-Agent")
                sender = Sender(address, agent[:AGENT] if agent else None)
                is_page = _is_browser(headers) and headers.get("Origin") not in key.origins
                most = None
                if len(body) <= SMALL and not is_page and is_one(body):
                    most = self._admitted(source, 1, body, began, key)
                    if most:
                        self.one_address.saw(address)
                        outcomes = await self.desk.put(body, key, sender, received_at)
                        if outcomes:
                            return answer_of(outcomes[0])
                items = read_body(body, Hints(received_at, sender.user_agent), self.limits)
            except ReportError as error:
                return self._refused(error, key)
            except STORE_DOWN:
                self.metrics.receive(1)
                self.taking.not_stored(None, "shed", UNKNOWN, Reason.NOT_DURABLE)
                return answers.not_durable()
            if most is None:
                self.one_address.saw(address, len(items))
                most = self._admitted(source, len(items), body, began, key)
            if is_page:
                items = [_sent_by_a_browser(item) for item in items]
            return _answer(items, await self.taking.take(items, key, sender, received_at, most))
        except OverloadedError:
            door.count("overloaded")
            return OVERLOADED
        finally:
            if door.bodies.claims:
                door.bodies.give_back(request)
            self.ends(began)

    def ends(self, began: float) -> None:
        """A request that the door let begin has its answer."""
        self.door.ends()
        self.metrics.ingest.observe(monotonic() - began)

    async def look_again(
        self, body: bytes, key: Key, sender: Sender, received_at: datetime
    ) -> Answer:
        """A body that is one item, and was admitted, but not as simple as most."""
        try:
            items = read_body(body, Hints(received_at, sender.user_agent), self.limits)
            return _answer(items, await self.taking.take(items, key, sender, received_at, 1))
        except ReportError as error:
            return self._refused(error, key)
        except Exception:
            log.exception("request.crashed")
            return answers.problem(500, closes=True)

    def _refused(self, error: ReportError, key: Key | None) -> Answer:
        self.metrics.receive(1)
        self.taking.not_stored(key, "rejected", UNKNOWN, error.reason)
        # A body that was not read to its end leaves nothing to read the next request from.
        return answers.refusal(error, closes=error.reason in _UNREAD)

    def _admitted(
        self, source: Source | None, items: int, body: bytes, now: float, key: Key
    ) -> int:
        """How many of a body's items its sender may bring."""
        if source is None:
            return items
        who = (key.project, key.app, key.environment, key.quota)
        return self.rates.admit(source, items, len(body), now, who, key.quota)

    async def _key(self, request: web.BaseRequest, path: str) -> Key:
        told = _key_text(request, path)
        if told and len(told) <= _WORST_KEY:
            found = self.keyring.known(told) or await self.keyring.find(told)
            if found is not None:
                return found
        raise ReportError(Reason.UNKNOWN_KEY, "no such ingest key")


def accepted() -> Answer:
    return Answer(200, _ONE_ACCEPTED)


def answer_of(outcome: Outcome) -> Answer:
    """To a request of one item."""
    return accepted() if outcome is Outcome.ACCEPTED else _answer((), [VERDICTS[outcome]])


def _is_ingest(path: str) -> bool:
    return path == "/r" or path.startswith("/r/")


def _other(method: str, path: str) -> Answer:
    """What is no report."""
    if _is_ingest(path):
        if method == "OPTIONS":
            return Answer(204)
        return answers.problem(405, more="Allow: OPTIONS,POST\r\n")
    if path == "/healthz":
        if method in ("GET", "HEAD"):
            return answers.text(200, "ok\n")
        return answers.problem(405, more="Allow: GET,HEAD\r\n")
    return answers.problem(404)


def _is_browser(headers: Mapping[str, str]) -> bool:
    return "Origin" in headers or "Sec-Fetch-Site" in headers or "Sec-Fetch-Mode" in headers


def _sent_by_a_browser(item: Item) -> Item:
    """Kept and shown, never counted: as test traffic is. A web page can make its visitors send anything."""
    if isinstance(item, Violation) and item.dialect not in _OF_BROWSERS:
        return replace(item, test=True, flags=(*item.flags, "browser_sent"))
    return item


def _answer(items: Sequence[Item], verdicts: Sequence[Verdict]) -> Answer:
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
