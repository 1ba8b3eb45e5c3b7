"""The whole service under scenarios of `pinfall simulate`: what is counted against what happened, and when
it pages.

Raw reports of several dialects over HTTP, three clients in ten behind six carriers' NAT, go through
de-duplication, caps of networks, class and detector. The collector's clock is put forward, 20 seconds a
step. What a prober would see of the host is written down by the bench, at the time of the rotation.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import io
import ipaddress
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg

from bench.database import Postgres, postgres
from collector.app import Collector, collecting
from collector.logs import set_up_logs
from collector.model import Certificate
from collector.reports.certificates import certificate_from_der
from collector.settings import Address, Settings
from collector.simulate.bodies import Chain
from collector.simulate.fleet import Fleet, Sent, address
from collector.simulate.scenarios import BY_NAME
from collector.store import served

EXAMPLES = """examples:
  ./pinfall bench service
  ./pinfall bench service --seeds 5 --scenarios bad-rotation,spoof --out out
"""
HOST = "api.bench.example"
SCENARIOS = ("quiet", "office-proxy", "spoof", "retry-loop", "bad-rotation", "undeclared")
_SILENT = frozenset({"quiet", "office-proxy", "spoof", "retry-loop", "wave-at-rotation"})
_STEP = timedelta(seconds=20)
_AT_ONCE = 16
_WITHIN = 60.0  # seconds from the gate to the page
_GATE = 5  # installs, of which no operator network gives more than half
_CLASSES = ("self", "interception", "unknown")

# An install an hour whose own network is at fault, for 30 days: the host is no new one.
_HISTORY = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, app, app_version, platform)
SELECT p.id, $1, 'interception', sha256(convert_to('was ' || n, 'UTF8')), false,
    $2::timestamptz - n * interval '1 hour', true, sha256(convert_to('net ' || n, 'UTF8')),
    sha256(convert_to('as ' || n, 'UTF8')), '', 'com.example.wallet', '8.24.0', 'IOS'
FROM project p, generate_series(1, 720) n
"""
_PROBED = """
INSERT INTO probe_state (host, port, vantage, address, asked, state, chain, at, since)
SELECT host, port, 'here', '198.51.100.1', 'tls1.3', 'served', id, $1, $1 FROM served_chain
ORDER BY first_seen DESC LIMIT 1
"""


@dataclass(slots=True)
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(slots=True)
class Trial:
    """Installs by class: counted, of those within the caps, and what really happened. gate, paged:
    seconds from the start."""

    scenario: str
    seed: int
    counted: dict[str, int]
    within: dict[str, int]
    truth: dict[str, int]
    reports: int
    gate: float | None
    paged: float | None
    pages: int
    took: float

    @property
    def delay(self) -> float | None:
        return None if self.gate is None or self.paged is None else self.paged - self.gate

    @property
    def is_good(self) -> bool:
        if self.scenario in _SILENT:
            return self.pages == 0
        if self.scenario in ("bad-rotation", "undeclared"):
            return self.pages == 1 and self.delay is not None and self.delay <= _WITHIN
        return True


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=2, help="of each scenario (%(default)s)")
    parser.add_argument("--installs", type=int, default=300, help="size of the fleet (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=30, help="simulated, a trial (%(default)g)"
    )
    parser.add_argument(
        "--scenarios", default=",".join(SCENARIOS), help="names of them (%(default)s)"
    )


def run(told: argparse.Namespace) -> int:
    """Exit 0 if nothing pages that should not, and what should is in time."""
    set_up_logs(json=False, level="error")
    trials = []
    with postgres(told.data) as server:
        for name in told.scenarios.split(","):
            for seed in range(1, told.seeds + 1):
                trial = asyncio.run(_trial(server, name, seed, told.installs, told.minutes * 60))
                trials.append(trial)
                print(_line(trial), flush=True)
    print(_sums(trials))
    if told.out is not None:
        told.out.mkdir(parents=True, exist_ok=True)
        found = [{**dataclasses.asdict(trial), "delay": trial.delay} for trial in trials]
        (told.out / "service.json").write_text(json.dumps(found, indent=1) + "\n")
    bad = [trial for trial in trials if not trial.is_good]
    for trial in bad:
        print(f"not met: {trial.scenario}, seed {trial.seed}")
    return 1 if bad else 0


async def _trial(server: Postgres, name: str, seed: int, installs: int, seconds: float) -> Trial:
    began = time.perf_counter()
    url, key = await asyncio.to_thread(
        server.collector_database, f"{name.replace('-', '_')}_{seed}", [HOST]
    )
    clock = Clock(datetime.now(UTC).replace(second=0, microsecond=0))
    start = clock.now
    fleet = Fleet(BY_NAME[name], HOST, installs, seconds, seed, start)
    gate = paged = None
    async with _running(url, key, clock) as (collector, pool, session, to):
        await pool.execute("UPDATE host SET admitted_at = $1", start - timedelta(days=30))
        await pool.execute(_HISTORY, HOST, start)
        await _see(pool, fleet.old, start - timedelta(days=30))
        for tick in ("keys", "hosts", "lease"):
            await collector.tick(tick)
        waiting = list(fleet.reports())
        reports, is_rotated = len(waiting), False
        while clock.now < start + timedelta(seconds=seconds):
            clock.now += _STEP
            at = (clock.now - start).total_seconds()
            if not is_rotated and fleet.rotated_at is not None and at >= fleet.rotated_at:
                is_rotated = True
                await _see(pool, fleet.new, clock.now)
            elif not is_rotated:
                await _see(pool, fleet.old, clock.now)
            else:
                await _see(pool, fleet.new, clock.now)
            some = [sent for sent in waiting if sent.at < at]
            waiting = waiting[len(some) :]
            await _send(session, to, some, clock.now)
            for tick in ("rotations", "lease", "count", "causes", "watch"):
                await collector.tick(tick)
            if gate is None and is_rotated and await _gate(pool, start):
                gate = at
            if paged is None and await _pages(pool):
                paged = at
        rows = await pool.fetch(
            "SELECT class, count(*)::int AS n, count(*) FILTER (WHERE within_cap)::int AS within"
            " FROM counted_install WHERE at >= $1 GROUP BY 1",
            start,
        )
        pages = await _pages(pool)
    counted = {row["class"]: row["n"] for row in rows}
    within = {row["class"]: row["within"] for row in rows}
    return Trial(
        name, seed,
        {name: counted.get(name, 0) for name in _CLASSES},
        {name: within.get(name, 0) for name in _CLASSES},
        {name: len(fleet.truth.installs[name]) for name in _CLASSES},
        reports, gate, paged, pages, time.perf_counter() - began,
    )  # fmt: skip


@asynccontextmanager
async def _running(
    url: str, key: str, clock: Clock
) -> AsyncIterator[tuple[Collector, asyncpg.Pool, aiohttp.ClientSession, str]]:
    local = Address("127.0.0.1", 0)
    settings = Settings(
        database_url=url, public_address=local, operator_address=local,
        trusted_proxies=(ipaddress.ip_network("127.0.0.0/8"),),
    )  # fmt: skip
    async with (
        collecting(settings, clock, resolve=_nowhere) as collector,
        asyncpg.create_pool(url, min_size=0, max_size=2) as pool,
        aiohttp.ClientSession() as session,
    ):
        yield collector, pool, session, f"{collector.public_url()}/r/{key}"


async def _nowhere(_name: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    return []


async def _see(pool: asyncpg.Pool, chain: Chain, at: datetime) -> None:
    """As a probe writes it down."""
    told: list[Certificate] = [certificate_from_der(der) for der in chain[:2]]
    async with pool.acquire() as connection, connection.transaction():
        await served.keep(connection, HOST, 443, told, problem=None, at=at)
        await connection.execute("DELETE FROM probe_state")
        await connection.execute(_PROBED, at)


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
    rows = await pool.fetch(
        "SELECT count(*)::int AS n FROM counted_install WHERE within_cap AND class = 'self' AND at >= $1"
        " GROUP BY operator_network",
        since,
    )
    every = [row["n"] for row in rows]
    rest = sum(every) - max(every, default=0)
    enough: bool = min(sum(every), 2 * rest, int(rest / 0.75)) >= _GATE
    return enough


async def _pages(pool: asyncpg.Pool) -> int:
    found: int = await pool.fetchval("SELECT count(*) FROM alert WHERE severity = 'page'")
    return found


def _line(trial: Trial) -> str:
    parts = [
        f"{name} {trial.counted[name]} ({trial.within[name]} within caps) of {trial.truth[name]}"
        for name in _CLASSES
        if trial.counted[name] or trial.truth[name]
    ]
    page = "no page" if trial.paged is None else f"{trial.pages} page at {trial.paged:.0f} s"
    delay = "" if trial.delay is None else f", {trial.delay:.0f} s after its gate"
    return (
        f"{trial.scenario:16} seed {trial.seed}  {trial.reports:5} reports  {page}{delay};"
        f" installs: {', '.join(parts) or 'none'}  [{trial.took:.0f} s]"
    )


def _sums(trials: list[Trial]) -> str:
    lines = [
        "",
        f"{'scenario':16} {'trials':>6} {'pages':>5} {'worst delay':>11}  counted / real, self",
    ]
    for name in dict.fromkeys(trial.scenario for trial in trials):
        some = [trial for trial in trials if trial.scenario == name]
        delays = [trial.delay for trial in some if trial.delay is not None]
        real = sum(trial.truth["self"] for trial in some)
        share = f"{sum(t.counted['self'] for t in some) / real:.3f}" if real else "-"
        worst = f"{max(delays):.0f} s" if delays else "-"
        lines.append(
            f"{name:16} {len(some):>6} {sum(t.pages for t in some):>5} {worst:>11}  {share}"
        )
    return "\n".join(lines)
