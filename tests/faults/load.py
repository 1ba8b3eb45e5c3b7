"""Clients that post once each and never again, and remember what they were told.

Each item carries a marker that the database keeps: as the app's version, or, where a dialect has no
room for one (the bare text of OkHttp), as the first label of the host.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.make import chain, neutral, okhttp_text, trustkit_ios, window

ACKNOWLEDGED = frozenset({"kept"})  # accepted, duplicate or spooled: a 200 answer tells no more
_PATIENCE = 60.0  # seconds; the product answers after 10 at the latest


@dataclass(slots=True)
class Item:
    """told: what was said of it, by each sending: kept, shed, rejected, ignored, or nothing."""

    marker: str
    is_kept: bool = True  # by its nature: a success is ignored, nonsense is rejected
    is_weak: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def is_acknowledged(self) -> bool:
        return bool(ACKNOWLEDGED & set(self.told))


@dataclass(frozen=True, slots=True)
class Body:
    project: str
    path: str  # behind the key
    data: bytes
    items: list[Item]


class Load:
    """``prefix``: of the markers. padding: characters of text in each report."""

    def __init__(
        self,
        url: str,
        keys: Mapping[str, str],
        prefix: str,
        rng: random.Random,
        *,
        clients: int = 8,
        padding: int = 0,
    ) -> None:
        self.items: dict[str, Item] = {}
        self.statuses: Counter[str] = Counter()
        self.answers = 0
        self.mistakes: list[str] = []
        self.slowest = 0.0
        self._url, self._keys, self._prefix, self._rng = url, keys, prefix, rng
        self._clients, self._padding = clients, padding
        self._bodies: list[Body] = []
        self._stop = asyncio.Event()
        self._answered = asyncio.Condition()
        chain()  # made once, before the clock runs

    async def run(self) -> None:
        """Until ``stop``."""
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(self._client(session) for _ in range(self._clients)))

    def stop(self) -> None:
        self._stop.set()

    def told_elsewhere(self) -> str:
        """The marker of an item that is as good as acknowledged, and not posted here."""
        item = self._item()
        item.told.append("kept")
        return item.marker

    async def after(self, answers: int) -> None:
        """Return once so many more were heard, or failed."""
        until = self.answers + answers
        async with self._answered:
            await self._answered.wait_for(lambda: self.answers >= until)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._stop.is_set():
            body = self._next()
            status = await self._post(session, body)
            self.statuses[status] += 1
            self.answers += 1
            async with self._answered:
                self._answered.notify_all()
            refused = status.startswith("no answer")
            await asyncio.sleep(
                self._rng.uniform(0.05, 0.2) if refused else self._rng.uniform(0, 0.02)
            )

    def _next(self) -> Body:
        if self._bodies and self._rng.random() < 0.15:
            return self._rng.choice(self._bodies[-60:])  # as it was sent before: a duplicate
        body = self._made()
        self._bodies.append(body)
        return body

    def _made(self) -> Body:
        project = self._rng.choice(sorted(self._keys))
        kind = self._rng.random()
        path, reports, items = "", [], []
        if kind < 0.1:
            item = self._item(weak=True)
            text = okhttp_text(f"{item.marker}.weak.example")
            return Body(project, "", text.encode(), [item])
        if kind < 0.2:
            item = self._item()
            path, reports, items = (
                "/connections",
                [window(id=str(uuid.uuid4()), app_version=item.marker)],
                [item],
            )
        else:
            for _ in range(1 if kind < 0.7 else self._rng.randint(2, 9)):
                report, item = self._report()
                reports.append(report)
                items.append(item)
        told = reports[0] if len(reports) == 1 else reports
        return Body(project, path, json.dumps(told).encode(), items)

    def _report(self) -> tuple[dict[str, Any], Item]:
        kind = self._rng.random()
        if kind < 0.05:
            item = self._item(kept=False)
            return neutral(outcome="ok", app={"version": item.marker}), item
        if kind < 0.1:
            item = self._item(kept=False)
            return {"nonsense": item.marker}, item
        item = self._item()
        # A signature has a budget of rows: none comes near it.
        host = f"h{len(self.items) // 500}.{self._prefix}.example.com"
        if kind < 0.4:
            install = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
            told = trustkit_ios(app_version=item.marker, app_vendor_id=install, hostname=host)
            return told, item
        event = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        more = {"error": {"message": "x y " * (self._padding // 4)}} if self._padding else {}
        app = {"id": "com.example.wallet", "version": item.marker}
        return neutral(host=host, event_id=event, app=app, **more), item

    def _item(self, *, kept: bool = True, weak: bool = False) -> Item:
        item = Item(f"{self._prefix}-{len(self.items)}", kept, weak)
        self.items[item.marker] = item
        return item

    async def _post(self, session: aiohttp.ClientSession, body: Body) -> str:
        url = f"{self._url}/r/{self._keys[body.project]}{body.path}"
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with session.post(url, data=body.data) as answer:
                told = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            self._tell(body, ["nothing"] * len(body.items))
            return f"no answer: {type(error).__name__}"
        finally:
            self.slowest = max(self.slowest, loop.time() - began)
        self._tell(body, self._verdicts(body, status, told))
        return str(status)

    def _tell(self, body: Body, verdicts: list[str]) -> None:
        for item, verdict in zip(body.items, verdicts, strict=True):
            item.told.append(verdict)

    def _verdicts(self, body: Body, status: int, told: dict[str, Any]) -> list[str]:
        """What an answer says of each item; an answer that contradicts itself is a mistake."""
        size = len(body.items)
        if status != 200:
            if status == 503:
                return ["shed"] * size
            if status == 422 and not any(item.is_kept for item in body.items):
                return ["rejected"] * size
            self.mistakes.append(f"answer {status} {json.dumps(told)[:200]}")
            return ["nothing"] * size
        verdicts = ["kept"] * size
        for note in told["notes"]:
            verdicts[note["index"]] = note["result"]
        counts = Counter(verdicts)
        kept = told["accepted"] + told["duplicates"] + told["spooled"]
        if (kept, told["shed"]) != (counts["kept"], counts["shed"]):
            self.mistakes.append(f"an answer that contradicts itself: {json.dumps(told)[:200]}")
        for item, verdict in zip(body.items, verdicts, strict=True):
            if verdict == "kept" and not item.is_kept:
                self.mistakes.append("an item was kept that is none")
            if verdict in ("rejected", "ignored") and item.is_kept:
                self.mistakes.append(f"a good item was {verdict}: {json.dumps(told)[:200]}")
        return verdicts
