"""An incident in a running collector, as its clients, its prober and its operators make one: for pictures,
and for tests of dashboards. All goes over HTTP, but what a probe saw: that is written as the prober does.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import cycle
from typing import Any

import aiohttp
import asyncpg

from collector.app import Collector
from collector.detect.probed import HERE, Answer, Asked, ProbeState
from collector.errors import PinfallError
from collector.reports.certificates import certificate_from_der
from collector.simulate import bodies, chains
from collector.simulate.bodies import Chain, Client
from collector.simulate.chains import Authority
from collector.simulate.fleet import VERSIONS
from collector.store import served

HOST = "api.example.com"
#: Beside it: hosts where nothing happens.
QUIET = ("login.example.com", "pay.example.com")
PROJECT = "default"
TOML = "".join(f'[[host]]\nname = "{host}"\nprobe = false\n' for host in (HOST, *QUIET))
_PORT = 443
_MAKERS = (
    bodies.trustkit_ios,
    bodies.trustkit_android,
    bodies.trustkit_ios,
    bodies.okhttp_reporter,
)
_TRUSTED = {"app": "gateway", "environment": "production", "trusted": True}


@dataclass(slots=True)
class Incident:
    """``clock``: the collector's. ``key``: of ``project``. Senders are told apart by X-Forwarded-For, so
    the collector has to trust this machine."""

    collector: Collector
    pool: asyncpg.Pool
    session: aiohttp.ClientSession
    clock: Callable[[], datetime]
    key: str
    project: str = PROJECT
    ours: Authority = field(default_factory=lambda: Authority.make("Example"))
    proxy: Authority = field(default_factory=lambda: Authority.make("Office Inspection"))
    old: dict[str, Chain] = field(default_factory=dict)
    new: Chain = ()
    _sent: int = 0
    _drawn: random.Random = field(default_factory=lambda: random.Random(7))
    _makers: Any = field(default_factory=lambda: cycle(_MAKERS))
    _gateway: str = ""
    _backup: str = "sha256/" + base64.b64encode(sha256(b"backup").digest()).decode()

    async def begin(self, *, expires: timedelta = timedelta(days=20)) -> None:
        """Hosts that are registered and probed, pin sets that expire, a key of a gateway."""
        for host in (HOST, *QUIET):
            await self._call("/api/v1/hosts", {"project": self.project, "host": host})
            self.old[host] = self.ours.chain(host)
            await self._serve(host, self.old[host])
        await self.pool.execute("UPDATE host SET admitted_at = admitted_at - interval '30 days'")
        self.new = self.ours.chain(HOST)
        at = (self.clock() + expires).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        sets = [{"host": HOST, "pins": list(self.pins), "expires": at}]
        told = {"project": self.project, "sets": sets, "app": bodies.APP, "platform": "IOS"}
        await self._call("/api/v1/pin-sets", told)
        made = await self._call("/api/v1/keys", {"project": self.project, **_TRUSTED})
        self._gateway = made["key"]
        await self.tick("hosts", "keys", "lease", "expiries", "pin_expiries")

    @property
    def pins(self) -> tuple[str, ...]:
        """Of the key before the rotation, and of a backup that no server has."""
        return bodies.pin(self.old[HOST][0]), self._backup

    async def tick(self, *names: str) -> None:
        for name in names:
            await self.collector.tick(name)

    async def look(self) -> None:
        """All that happens in the background between reports and an alert."""
        await self.tick("count", "causes", "watch", "send", "affected", "fold")

    async def rotate(self, note: str = "change 4711") -> None:
        """A pipeline declares it, servers change, the next probe sees it."""
        declared = {"host": HOST, "at": _utc(self.clock()), "note": note}
        pem = "".join(chains.pem(der, 64, "\n", "\n") + "\n" for der in self.new)
        await self._call("/api/v1/rotations", {"project": self.project, "chain": pem, **declared})
        await self._serve(HOST, self.new)
        await self.tick("rotations", "expiries")

    async def probe(self) -> None:
        """What is served is served still."""
        for host, chain in self.old.items():
            rotated = host == HOST and await self._is_rotated()
            await self._serve(host, self.new if rotated else chain)

    async def fail(self, installs: int) -> None:
        """So many new installs that do not pin the new chain, each on a network of its own."""
        for _ in range(installs):
            await self._report(next(self._makers), self.new, self._network())

    async def intercept(self, installs: int) -> None:
        """Installs of one office, behind a proxy that shows each host a chain of its own."""
        chain = self.proxy.chain(HOST)
        for place in range(installs):
            await self._report(bodies.trustkit_ios, chain, f"192.0.2.{10 + place % 200}")

    async def connect(self, successes: int, failures: int, minutes: int = 5) -> None:
        """A gateway's and a client's count of connections, of the minutes that are just over."""
        now = self.clock()
        window = {
            "host": HOST, "app": bodies.APP, "app_version": VERSIONS[0][0], "platform": "IOS",
            "window_start": _utc(now - timedelta(minutes=minutes)), "window_end": _utc(now),
            "successes": successes, "pin_failures": failures,
        }  # fmt: skip
        for key in (self._gateway, self.key):
            self._sent += 1
            await self._post(f"/r/{key}/connections", json.dumps({"id": f"w{self._sent}", **window}),
                             "application/json", "gateway/1", "198.51.100.9")  # fmt: skip
        await self.tick("rates")

    async def alerts(self) -> list[asyncpg.Record]:
        """Id, kind and body of all, the oldest first."""
        return await self.pool.fetch(
            "SELECT id, body ->> 'kind' AS kind, body::text AS body FROM alert"
            " ORDER BY started_at, body ->> 'kind'"
        )

    async def _serve(self, host: str, ders: Chain) -> None:
        """As a probe writes down what it saw."""
        chain = [certificate_from_der(der) for der in ders[:2]]
        answer = Answer("198.51.100.1", Asked.TLS13, ProbeState.SERVED, chain=tuple(chain))
        now = self.clock()
        async with self.pool.acquire() as connection, connection.transaction():
            id_ = await served.keep(connection, host, _PORT, chain, problem=None, at=now)
            await served.keep_states(
                connection, host, _PORT, HERE, [(answer, id_)], now, resolved=True
            )

    async def _is_rotated(self) -> bool:
        leaf = certificate_from_der(self.new[0]).spki_sha256
        found = await self.pool.fetchval("SELECT 1 FROM served_chain WHERE leaf = $1", leaf)
        return found is not None

    def _network(self) -> str:
        self._sent += 1
        return f"{11 + self._sent % 180}.{self._sent % 250}.{self._sent // 250}.9"

    async def _report(self, make: Any, chain: Chain, address: str) -> None:
        self._sent += 1
        now = self.clock().astimezone(UTC) - timedelta(seconds=1)
        (version,) = self._drawn.choices([v for v, _ in VERSIONS], [w for _, w in VERSIONS])
        client = Client(
            HOST, version, self.pins, now.strftime("%Y-%m-%d"), now.strftime("%H:%M:%S"),
            f"{self._sent:012d}", f"{self._sent:08x}",
        )  # fmt: skip
        told = make(client, chain)
        await self._post(f"/r/{self.key}", told.body, told.content_type, told.agent, address)

    async def _post(self, path: str, body: str, type_: str, agent: str, address: str) -> None:
        headers = {"Content-Type": type_, "User-Agent": agent, "X-Forwarded-For": address}
        url = self.collector.public_url() + path
        async with self.session.post(url, data=body.encode(), headers=headers) as answer:
            told = await answer.json(content_type=None)
            if answer.status != 200 or told["accepted"] != 1:
                raise PinfallError(f"a report was not taken: {told}")

    async def _call(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self.session.post(self.collector.operator_url() + path, json=body) as answer:
            told: dict[str, Any] = await answer.json(content_type=None)
            if answer.status not in (200, 201):
                raise PinfallError(f"{path}: {told}")
            return told


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
