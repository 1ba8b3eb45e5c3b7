"""A test report from the set-up page, through the same reader and intake as any other; and what arrives."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web
from msgspec.structs import replace

from collector.errors import NotFoundError, PinfallError
from collector.intake.keyring import Key
from collector.intake.prepare import Sender
from collector.model import Violation
from collector.reports.body import Item, read_body
from collector.reports.fields import Hints
from collector.reports.hosts import read_host
from collector.store import violations
from collector.web import forms, rendering
from collector.web.api import asked
from collector.web.ingest import Ingest
from collector.web.reported import MEANING
from collector.web.reported import shown as violations_told
from collector.web.setup import Setup
from collector.web.snippets import HOST
from collector.web.source import address_of
from collector.web.verdicts import refused, summed

SDK = "pinfall set-up"  # what a test report says that sent it
# A page that waits looks again so often, soon at first: whoever waits is starting an app meanwhile.
LOOKS, MINUTES = 40, 5
_SOON, _LATER = 2, 10  # seconds between looks: of the first ten, and of the rest
_SHOWN = 5
# The hash of nothing, as curl's example has it: no key has it.
_PIN = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


@dataclass(frozen=True, slots=True)
class Trying:
    setup: Setup
    ingest: Ingest

    async def send(self, request: web.Request) -> web.StreamResponse:
        """A pin failure that is marked as a test: kept and shown, never counted, and pages nobody."""
        typed = await forms.typed(request, ("key", "host"))
        now = self.ingest.clock()
        try:
            key = await self._key(typed["key"])
            host = _host(typed["host"] or HOST)
            items = read_body(_report(key, host), Hints(now), self.ingest.limits)
            marked = [_marked(item) for item in items]
            sender = Sender(address_of(request, self.ingest.proxies), None)
            verdicts = await self.ingest.taking.take(marked, key, sender, now)
            if (refusal := refused(marked, verdicts)) is not None:
                raise PinfallError(f"the report was not taken: {refusal[1].detail}")
        except PinfallError as error:
            return await self.setup.show(request, str(error))
        spooled = "&spooled=1" if summed(verdicts)["spooled"] else ""
        where = f"/setup/watch?test=1&at={quote(now.isoformat())}{spooled}"
        return web.Response(status=303, headers={"Location": where})

    async def _key(self, text: str) -> Key:
        found = await self.ingest.keyring.find(text) if 0 < len(text) <= asked.MOST else None
        if found is None:
            raise NotFoundError("there is no such key in use")
        return found

    async def watch(self, request: web.Request) -> web.Response:
        """What came in since a time: now, where none is said. Looks again by itself, without a script.

        By a header, and only on the page that says "watch" and offers to stop: nobody is surprised by it.
        """
        one = asked.one_of("1")
        known = {"at": asked.time, "look": asked.limit, "test": one, "spooled": one}
        told = asked.query(request, known)
        now = self.ingest.clock()
        since, look, test = told.get("at", now), told.get("look", 1), "test" in told
        async with self.setup.pool.acquire() as connection:
            rows = await violations.arrived(connection, since, SDK if test else None, _SHOWN)
            shown = await violations_told(connection, rows)
        more = "".join(f"&{name}=1" for name in ("test", "spooled") if name in told)
        looking = f"/setup/watch?at={quote(since.isoformat())}{more}&look="
        again = f"{looking}{look + 1}" if not rows and look < LOOKS else None
        seconds = _SOON if look <= 10 else _LATER
        page = rendering.page(
            request,
            "watch.html",
            now,
            meaning=MEANING,
            rows=shown,
            since=since,
            test=test,
            spooled="spooled" in told,
            again=again,
            enough=f"{looking}{LOOKS}",
            seconds=seconds,
            minutes=MINUTES,
        )
        if again:
            page.headers["Refresh"] = f"{seconds}; url={again}"
        return page


def _host(text: str) -> str:
    try:
        return read_host(text)[0]
    except ValueError as error:
        raise PinfallError(f"host: '{text[:80]}': {error}") from None


def _report(key: Key, host: str) -> bytes:
    """Each of another install, so that none is a repeat."""
    told = {
        "schema": "pin-report/1", "event_id": str(uuid.uuid4()), "install_id": str(uuid.uuid4()), "host": host,
        "outcome": "pin_mismatch", "enforced": False, "pins": {"kind": "spki-sha256", "expected": [_PIN]},
        "app": {"id": key.app, "version": "test"}, "sdk": {"name": SDK},
        "error": {"message": "A test report from the set-up page."},
    }  # fmt: skip
    return json.dumps(told).encode()


def _marked(item: Item) -> Item:
    if isinstance(item, Violation):
        return replace(item, test=True, flags=(*item.flags, "test_report"))
    return item
