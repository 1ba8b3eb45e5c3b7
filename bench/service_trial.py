"""One trial of `bench service`: a fleet's reports over HTTP into a collector whose clock is put forward.

20 seconds a step while the scenario plays; after that from one late report of iOS to the next, for a week.
Background tasks run when the trial says so, and at no other time: so what is found is the same on a slow
machine as on a fast one.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg

from collector.app import Collector, collecting
from collector.detect.probed import Answer, Asked, ProbeState
from collector.logs import set_up_logs
from collector.reports.certificates import certificate_from_der
from collector.settings import Address, Settings
from collector.simulate import chains
from collector.simulate.bodies import Chain
from collector.simulate.fleet import Fleet, Sent, address
from collector.simulate.scenarios import BY_NAME
from collector.simulate.truth import affected
from collector.store import served

HOST = "api.bench.example"
LATE = timedelta(days=7)  # that an iOS report may be
_STEP = 20.0  # seconds
_PROBED = 60.0  # seconds after a declared rotation, at which a probe sees it; else at once
_AT_ONCE = 16
_GATE = 5
_HOUR = (
    10  # UTC at which a trial begins: at midnight hashes of networks change, and caps begin anew
)
_TICKS = ("lease", "count", "fold", "causes", "watch")
_MINUTE = ("hosts", "settle", "rotations")  # once a minute, before the others

# An install an hour whose own network is at fault, for 30 days: the host is no new one.
_HISTORY = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, app, app_version, platform)
SELECT p.id, $1, 'interception', sha256(convert_to('was ' || n, 'UTF8')), false,
    $2::timestamptz - n * interval '1 hour', true, sha256(convert_to('net ' || n, 'UTF8')),
    sha256(convert_to('as ' || n, 'UTF8')), '', 'com.example.wallet', '8.24.0', 'IOS'
FROM project p, generate_series(1, 720) n
"""
_COUNTED = """
SELECT class, count(*)::int AS installs, count(*) FILTER (WHERE within_cap)::int AS within
FROM counted_install WHERE at >= $1 GROUP BY 1
"""
_SELF = """
SELECT count(*)::int AS installs FROM counted_install
WHERE within_cap AND class = 'self' AND at >= $1 GROUP BY operator_network
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Newly affected installs by class: counted and true, of both those within the caps, and those that
    somebody made up. gate, paged: seconds from the start. alerts: "kind severity", in order."""

    scenario: str
    seed: int
    counted: dict[str, int]
    counted_within: dict[str, int]
    true: dict[str, int]
    true_within: dict[str, int]
    forged: dict[str, int]
    reports: int
    late: int
    gate: float | None
    paged: float | None
    pages: int
    alerts: tuple[str, ...]
    took: float

    @property
    def delay(self) -> float | None:
        """Seconds from the gate to the page."""
        return None if self.gate is None or self.paged is None else self.paged - self.gate


@dataclass(slots=True)
class _Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


def trial(url: str, key: str, name: str, seed: int, installs: int, minutes: float) -> Trial:
    """url: of a database with a project that has HOST and this ingest key, and nothing else."""
    set_up_logs(json=False, level="error")
    return asyncio.run(_trial(url, key, name, seed, installs, 60 * minutes))


async def _trial(url: str, key: str, name: str, seed: int, installs: int, seconds: float) -> Trial:
    began = time.perf_counter()
    start = datetime.now(UTC).replace(hour=_HOUR, minute=0, second=0, microsecond=0)
    clock = _Clock(start)
    fleet = Fleet(BY_NAME[name], HOST, installs, seconds, seed, start, late=LATE.total_seconds())
    waiting = list(fleet.reports())
    reports, late = len(waiting), sum(1 for sent in waiting if sent.at >= seconds)
    arrived, gate, paged = [], None, None
    # Ids of alerts that paged: one that opens again in silence may be a ticket.
    paging: set[str] = set()
    async with _running(url, key, clock) as (collector, pool, session, to):
        await pool.execute("UPDATE host SET admitted_at = $1", start - timedelta(days=30))
        await pool.execute(_HISTORY, HOST, start)
        await _see(pool, [fleet.old], start - timedelta(days=30))
        for tick in ("keys", "hosts", "lease"):
            await collector.tick(tick)
        declared = not fleet.scenario.declared
        at = 0.0
        while at < seconds or waiting:
            at = at + _STEP if at < seconds else max(at + _STEP, waiting[0].at + 1)
            clock.now = start + timedelta(seconds=at)
            if not declared and fleet.rotated_at is not None and at >= fleet.rotated_at:
                declared = True
                await _declare(session, collector, fleet.new)
            await _see(
                pool, fleet.shown(at - (_PROBED if fleet.scenario.declared else 0)), clock.now
            )
            some = [sent for sent in waiting if sent.at < at]
            waiting = waiting[len(some) :]
            await _send(session, to, some, clock.now)
            arrived += [(at, sent) for sent in some]
            each_minute = _MINUTE if at % 60 < _STEP or at >= seconds else ()
            for tick in (*each_minute, *_TICKS):
                await collector.tick(tick)
            if gate is None and fleet.rotated_at is not None and at >= fleet.rotated_at:
                since = start + timedelta(seconds=fleet.rotated_at // 60 * 60)
                gate = at if await _gate(pool, since) else None
            paging |= await _paging(pool)
            if paged is None and paging:
                paged = at
        rows = await pool.fetch(_COUNTED, start)
        alerts = await pool.fetch("SELECT id, kind, severity FROM alert ORDER BY started_at, kind")
    truth = affected(sent.arrived(start.timestamp() + at) for at, sent in arrived)
    return Trial(
        scenario=name, seed=seed,
        counted={row["class"]: row["installs"] for row in rows},
        counted_within={row["class"]: row["within"] for row in rows},
        true=dict(truth.all), true_within=dict(truth.within), forged=dict(+truth.forged),
        reports=reports, late=late, gate=gate, paged=paged,
        pages=len(paging),
        alerts=tuple(
            f"{row['kind']} {'page' if row['id'] in paging else row['severity']}" for row in alerts
        ),
        took=time.perf_counter() - began,
    )  # fmt: skip


@asynccontextmanager
async def _running(
    url: str, key: str, clock: _Clock
) -> AsyncIterator[tuple[Collector, asyncpg.Pool, aiohttp.ClientSession, str]]:
    local = Address("127.0.0.1", 0)
    settings = Settings(
        database_url=url, public_address=local, operator_address=local,
        trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),),
    )  # fmt: skip
    async with (
        collecting(settings, clock, resolve=_nowhere, by_itself=False) as collector,
        asyncpg.create_pool(url, min_size=0, max_size=2) as pool,
        aiohttp.ClientSession() as session,
    ):
        yield collector, pool, session, f"{collector.public_url()}/r/{key}"


async def _nowhere(_name: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return []


async def _see(pool: asyncpg.Pool, shown: Sequence[Chain], at: datetime) -> None:
    """As a probe writes it down, of one address for each chain."""
    told = []
    async with pool.acquire() as connection, connection.transaction():
        for number, chain in enumerate(shown, 1):
            certificates = tuple(certificate_from_der(der) for der in chain[:2])
            id_ = await served.keep(connection, HOST, 443, certificates, problem=None, at=at)
            where = f"198.51.100.{number}"
            told.append((Answer(where, Asked.TLS13, ProbeState.SERVED, chain=certificates), id_))
        await served.keep_states(connection, HOST, 443, "here", told, at, resolved=True)


async def _declare(session: aiohttp.ClientSession, collector: Collector, chain: Chain) -> None:
    pem = "".join(chains.pem(der, 64, "\n", "\n") for der in chain[:2])
    url = f"{collector.operator_url()}/api/v1/rotations"
    async with session.post(url, json={"host": HOST, "chain": pem}) as answer:
        answer.raise_for_status()


async def _send(session: aiohttp.ClientSession, url: str, some: list[Sent], now: datetime) -> None:
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(sent: Sent) -> None:
        message = sent.make(now)
        headers = {
            "User-Agent": message.agent, "Content-Type": message.content_type,
            "X-Forwarded-For": address(sent.network, sent.host, loopback=False),
        }  # fmt: skip
        body = io.BytesIO(message.body.encode())
        async with places, session.post(url, data=body, headers=headers) as answer:
            await answer.read()
            answer.raise_for_status()

    await asyncio.gather(*(one(sent) for sent in some))


async def _gate(pool: asyncpg.Pool, since: datetime) -> bool:
    """Five installs since the change, of which no operator network gives more than half, nor more than
    leaves three quarters of five outside it."""
    every = [row["installs"] for row in await pool.fetch(_SELF, since)]
    rest = sum(every) - max(every, default=0)
    enough: bool = min(sum(every), 2 * rest, int(rest / 0.75)) >= _GATE
    return enough


async def _paging(pool: asyncpg.Pool) -> set[str]:
    return {row["id"] for row in await pool.fetch("SELECT id FROM alert WHERE severity = 'page'")}
