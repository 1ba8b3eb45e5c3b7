"""The public listener: reports in, an answer after they are durable, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import structlog
from aiohttp import web

from collector.background import within
from collector.errors import Reason, ReportError
from collector.intake.durable import Outcome
from collector.intake.keyring import Key, Keyring
from collector.intake.prepare import Sender, prepare_all
from collector.intake.queue import Intake
from collector.metrics import UNKNOWN, Metrics
from collector.model import Dialect, Kind, Skip, Violation, Window
from collector.reports.body import LIMITS, Item, Limits, read_body
from collector.reports.fields import Hints
from collector.settings import Network
from collector.store import secrets
from collector.store.connect import STORE_DOWN
from collector.store.ledger import Account
from collector.web.bodies import Pace, read
from collector.web.problems import problems, refusal, store_is_down
from collector.web.source import OneAddress, address_of

log = structlog.get_logger()

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "content-type",
    "Access-Control-Max-Age": "86400",
}
_NOTES = 20
_AGENT = 512  # characters of a User-Agent


@dataclass(slots=True)
class Ingest:
    """Everything a report needs on its way in."""

    keyring: Keyring
    intake: Intake
    metrics: Metrics
    clock: Callable[[], datetime]
    proxies: tuple[Network, ...] = ()
    limits: Limits = LIMITS
    pace: Pace = field(default_factory=Pace)
    one_address: OneAddress = field(default_factory=OneAddress)
    _day_secrets: dict[date, bytes] = field(default_factory=dict)

    async def post(self, request: web.Request) -> web.Response:
        """POST /r/{key}: one report in any dialect, an array, or NDJSON."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._post(request)
        finally:
            self.metrics.ingest.observe(loop.time() - began)

    async def _post(self, request: web.Request) -> web.Response:
        key: Key | None = None
        try:
            key = await self._key(request)
            body = await read(request, self.limits.body_bytes, self.pace)
            received_at = self.clock()
            agent = request.headers.get("User-Agent")
            hints = Hints(received_at, agent[:_AGENT] if agent else None)
            items = read_body(body, hints, self.limits)
        except ReportError as error:
            self.metrics.receive(1)
            self._not_stored(key, "rejected", UNKNOWN, error.reason)
            return self._close(refusal(error), error)
        except STORE_DOWN:
            self.metrics.receive(1)
            self._not_stored(None, "shed", UNKNOWN, Reason.NOT_DURABLE)
            return store_is_down()
        sender = Sender(address_of(request, self.proxies), hints.user_agent)
        self.one_address.saw(sender.address, len(items))
        return await self.take(items, key, sender, received_at)

    async def take(
        self, items: Sequence[Item], key: Key, sender: Sender, received_at: datetime
    ) -> web.Response:
        """Make items durable, count each, and say what became of them."""
        self.metrics.receive(len(items))
        verdicts: list[tuple[str, Reason | str]] = [("accepted", "")] * len(items)
        storable: list[tuple[int, Violation | Window]] = []
        for index, item in enumerate(items):
            if isinstance(item, Violation) and _is_bare_success(item):
                verdicts[index] = ("ignored", Skip.SUCCESS)
                self._not_stored(key, "ignored", item.dialect, Skip.SUCCESS)
            elif isinstance(item, Violation | Window):
                storable.append((index, item))
            elif isinstance(item, ReportError):
                verdicts[index] = ("rejected", item.reason)
                self._not_stored(key, "rejected", UNKNOWN, item.reason)
            else:
                verdicts[index] = ("ignored", item.why)
                self._not_stored(key, "ignored", item.dialect, item.why)
        if storable:
            try:
                secret = await self._day_secret(received_at)
            except STORE_DOWN:
                for index, item in storable:
                    verdicts[index] = ("shed", Reason.NOT_DURABLE)
                    self._not_stored(key, "shed", _dialect(item), Reason.NOT_DURABLE)
            else:
                entries = prepare_all(
                    [item for _, item in storable], key, sender, received_at, secret
                )
                outcomes = await self.intake.submit(entries)
                for (index, _), outcome in zip(storable, outcomes, strict=True):
                    verdicts[index] = _VERDICTS[outcome]
        return self._answer(items, verdicts)

    def _answer(
        self, items: Sequence[Item], verdicts: Sequence[tuple[str, Reason | str]]
    ) -> web.Response:
        counts = Counter(result for result, _ in verdicts)
        notes = [
            {"index": index, "result": result, "reason": str(reason)}
            for index, (result, reason) in enumerate(verdicts)
            if reason
        ]
        told: dict[str, object] = {
            "accepted": counts["accepted"],
            "duplicates": counts["duplicate"],
            "ignored": counts["ignored"],
            "rejected": counts["rejected"],
            "shed": counts["shed"],
            "spooled": 0,
            "notes": notes[:_NOTES],
        }
        taken = counts["accepted"] + counts["duplicate"] + counts["ignored"]
        if taken:
            return web.json_response(told, dumps=_compact)
        if counts["shed"]:
            detail = "Nothing could be made durable now."
            return refusal(ReportError(Reason.NOT_DURABLE, detail), told)
        reason = Reason(verdicts[0][1])
        first = items[0]
        detail = first.detail if isinstance(first, ReportError) else _REFUSED[reason]
        response = refusal(ReportError(reason, detail), told)
        if len(items) > 1:
            response.set_status(422)
        return response

    async def _key(self, request: web.Request) -> Key:
        told = _key_text(request)
        found = await self.keyring.find(told) if told and len(told) <= 64 else None
        if found is None:
            raise ReportError(Reason.UNKNOWN_KEY, "no such ingest key")
        return found

    async def _day_secret(self, at: datetime) -> bytes:
        day = at.date()
        found = self._day_secrets.get(day)
        if found is None:
            found = await within(self.intake.patience, self._read_day_secret(day))
            self._day_secrets.clear()
            self._day_secrets[day] = found
        return found

    async def _read_day_secret(self, day: date) -> bytes:
        async with self.intake.pool.acquire() as connection:
            return await secrets.of_the_day(connection, day)

    def _not_stored(self, key: Key | None, result: str, dialect: str, reason: Reason | str) -> None:
        self.metrics.result(key.project_name if key else UNKNOWN, dialect, result)
        if isinstance(reason, Reason):
            self.metrics.rejected.labels(reason=reason).inc()
        else:
            self.metrics.ignored.labels(reason=reason).inc()
        told = "" if dialect == UNKNOWN else dialect
        project = key.project if key else None
        self.intake.count(Account(project, told, result, reason))
        self.intake.count(Account(project, "", "received"))

    def _close(self, response: web.Response, error: ReportError) -> web.Response:
        """A body that was not read to its end leaves nothing to read the next request from."""
        if error.reason in (Reason.TOO_SLOW, Reason.TOO_LARGE, Reason.UNKNOWN_KEY):
            response.force_close()
        return response


_REFUSED = {
    Reason.UNSTORABLE: "Postgres refused this report.",
    Reason.UNKNOWN_KEY: "The project of this key was deleted.",
}
_VERDICTS: dict[Outcome, tuple[str, Reason | str]] = {
    Outcome.ACCEPTED: ("accepted", ""),
    Outcome.DUPLICATE: ("duplicate", ""),
    Outcome.UNSTORABLE: ("rejected", Reason.UNSTORABLE),
    Outcome.UNKNOWN_KEY: ("rejected", Reason.UNKNOWN_KEY),
    Outcome.NOT_DURABLE: ("shed", Reason.NOT_DURABLE),
}


def _is_bare_success(item: Violation) -> bool:
    """A success outside NEL: its sender's failures are no connections, so neither is this."""
    return item.kind is Kind.OK and item.dialect is not Dialect.NEL


def _dialect(item: Violation | Window) -> Dialect:
    return Dialect.CONNECTIONS if isinstance(item, Window) else item.dialect


def _compact(told: object) -> str:
    return json.dumps(told, separators=(",", ":")) + "\n"  # for whoever reads it in a terminal


def _key_text(request: web.Request) -> str | None:
    """From the path, ``?key=``, a bearer token, or a Basic user name, in this order."""
    if told := request.match_info.get("key"):
        return told
    if told := request.query.get("key"):
        return told
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


async def _preflight(_request: web.Request) -> web.Response:
    return web.Response(status=204)


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _cors(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_CORS)
    del response.headers["Server"]


def public_app(ingest: Ingest) -> web.Application:
    """The application of the public listener. There is nothing else on it."""
    app = web.Application(middlewares=[problems])
    app.on_response_prepare.append(_cors)
    # One reader for all: a window is known by its content, also at the URL for reports.
    for path in ("/r", "/r/", "/r/{key}", "/r/{key}/", "/r/{key}/connections"):
        app.router.add_post(path, ingest.post)
        app.router.add_options(path, _preflight)
    app.router.add_get("/healthz", _healthz)
    return app
