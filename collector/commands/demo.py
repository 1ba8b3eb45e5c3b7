"""A rotation that goes wrong, from the break to the page and to its end, on this machine alone.

Everything is real and temporary: an embedded PostgreSQL, the collector, a TLS server on 127.0.0.1 that the
prober asks, and a fleet of clients that reports over HTTP. Two things are not: the 30 days before are
written into the counts, for a host that nobody knows pages later; and after the rollback the collector's
clock is put forward, for a page that was rolled back ends after more than a day. Ctrl-C stops all of it;
nothing is left.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import ipaddress
import json
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from collector.app import Collector, collecting
from collector.commands.dumps import make_database
from collector.commands.up import APP
from collector.embedded.directory import opened
from collector.embedded.server import Server
from collector.errors import PinfallError
from collector.logs import set_up_logs
from collector.probing.addresses import IPAddress
from collector.reports.hosts import read_host
from collector.settings import Address, Settings
from collector.simulate import chains
from collector.simulate.fleet import Fleet
from collector.simulate.play import Told, play
from collector.simulate.scenarios import Scenario
from collector.store import hosts as host_table
from collector.store import projects
from collector.store.migrate import migrate

EXAMPLES = """examples:
  pinfall demo
  pinfall demo --installs 1000 --stay     leave it running, to look at the pages
  pinfall demo --until page               end once the page is there
"""
PROJECT = "demo"
_QUIET = 62  # seconds before the break: a host that was just asked is asked again after a minute
_LENGTH = 240.0  # seconds that the fleet plays
_PATIENCE = 120  # seconds from the break to the page
_STEP = timedelta(hours=1)  # that the clock is put forward by, after the rollback
_STEPS = 40
_DAYS = 30

# Two installs an hour whose own network is at fault, as a host of this size has. Ids of their own, so
# that nobody takes them for clients of the play.
_HISTORY = """
INSERT INTO counted_install (project, host, class, install, estimated, at, within_cap, network,
    operator_network, signature, app, app_version, platform)
SELECT p.id, $1, 'interception', sha256(convert_to('demo ' || n, 'UTF8')), false,
    $2::timestamptz - n * interval '30 minutes', true, sha256(convert_to('net ' || n, 'UTF8')),
    sha256(convert_to('as ' || n, 'UTF8')), '', 'com.example.wallet', '8.24.0', 'IOS'
FROM project p, generate_series(1, $3::int) n WHERE p.name = $4
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="api.example.com", help="the pinned host (%(default)s)")
    parser.add_argument("--installs", type=int, default=400, help="size of the fleet (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the fleet (%(default)s)")
    parser.add_argument(
        "--until", choices=("page", "end"), default="end", help="when to stop (%(default)s)"
    )
    parser.add_argument("--stay", action="store_true", help="then leave it running until Ctrl-C")


@dataclass
class Clock:
    """The collector's: this machine's, put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Teller:
    """Lines with the seconds since the start, and what the collector's clock says once it is ahead."""

    clock: Clock
    began: float = field(default_factory=time.monotonic)

    def __call__(self, words: str) -> None:
        ahead = self.clock.ahead
        more = f" +{int(ahead.total_seconds() // 60)} min" if ahead else ""
        print(f"{time.monotonic() - self.began:6.1f} s{more}  {words}", flush=True)

    def more(self, words: str) -> None:
        print(f"          {words}", flush=True)


@dataclass
class Edge:
    """A TLS server that shows one chain, until it is given another."""

    context: ssl.SSLContext
    directory: Path
    port: int = 0

    def serve(self, chain: tuple[bytes, ...], key: ec.EllipticCurvePrivateKey) -> None:
        """The leaf with its intermediate, to every handshake from now on."""
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file = self.directory / "edge.pem"
        file.touch(mode=0o600)
        file.write_text(secret + "".join(chains.pem(der, 64, "\n", "\n") for der in chain[:2]))
        self.context.load_cert_chain(file)


@asynccontextmanager
async def edge(directory: Path) -> AsyncIterator[Edge]:
    made = Edge(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), directory)

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0, ssl=made.context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def _here(_name: str) -> list[IPAddress]:
    """Instead of DNS: the host of the play is this machine."""
    return [ipaddress.ip_address("127.0.0.1")]


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def run(told: argparse.Namespace) -> int:
    if not 50 <= told.installs <= 20_000:
        raise PinfallError("--installs: from 50 to 20000")
    try:
        host, _ = read_host(told.host)
    except ValueError:
        raise PinfallError(f"--host: {told.host!r} is no host name") from None
    if sys.platform != "linux":
        raise PinfallError("the clients need an address each, as only Linux gives them: 127.x.y.z")
    set_up_logs(json=False, level="error")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    clock = Clock()
    tell = Teller(clock)
    with tempfile.TemporaryDirectory(prefix="pinfall-demo-") as place:
        tell("starting PostgreSQL and the collector; nothing of it is left afterwards")
        with opened(Path(place) / "data", None) as directory:
            server = Server(directory)
            try:
                server.start()
                asyncio.run(make_database(server.url("postgres")))
                migrate(server.url())
                return asyncio.run(_story(told, host, server.url(), Path(place), clock, tell))
            finally:
                server.stop()


async def _story(
    told: argparse.Namespace, host: str, url: str, place: Path, clock: Clock, tell: Teller
) -> int:
    scenario = Scenario(
        name="demo", says="", leads="", rotates=_QUIET / _LENGTH, safe=0.1, behind=0.0
    )
    fleet = Fleet(scenario, host, told.installs, _LENGTH, told.seed, clock())
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(edge(place))
        server.serve(fleet.old, fleet.old_key)
        settings = _settings(url, host, place, server, fleet)
        key = await _prepared(url, host, clock())
        collector = await stack.enter_async_context(collecting(settings, clock, resolve=_here))
        pool = await stack.enter_async_context(asyncpg.create_pool(url, min_size=0, max_size=2))
        tell(f"pages on {collector.operator_url()}/, reports to {collector.public_url()}/r/…")
        tell(f"{_DAYS} days of usual failures are written into the counts of {host}")
        for name in ("hosts", "lease", "probe"):
            await collector.tick(name)
        await _until(pool, "SELECT count(*) > 0 FROM served_chain", 20, "a probe of the TLS server")
        tell(f"the prober saw what 127.0.0.1:{server.port} serves as {host}")
        tell(f"{told.installs} installs begin to connect; in {_QUIET} s the host rotates")
        answered = Told()
        playing = asyncio.create_task(_play(fleet, f"{collector.public_url()}/r/{key}", answered))
        stack.callback(playing.cancel)
        alert = await _to_the_page(pool, fleet, server, collector, tell)
        if alert is None:
            tell("no page came: this is a mistake of Pinfall, please report it")
            return 1
        if told.until == "end":
            playing.cancel()
            await _to_the_end(pool, fleet, server, collector, clock, tell)
        if told.stay:
            tell(f"left running: {collector.operator_url()}/, Ctrl-C ends it")
            await asyncio.Event().wait()
    return 0


def _settings(url: str, host: str, place: Path, server: Edge, fleet: Fleet) -> Settings:
    root = place / "root.pem"
    root.write_text(chains.pem(fleet.ours.root.public_bytes(Encoding.DER), 64, "\n", "\n"))
    config = place / "pinfall.toml"
    config.write_text(
        f'[[host]]\nname = "{host}"\nport = {server.port}\naddresses = ["127.0.0.1"]\n'
        'roots = "file:root.pem"\n'
    )
    pages = Address("127.0.0.1", _free_port())
    return dataclasses.replace(
        Settings(),
        database_url=url, public_address=Address("127.0.0.1", 0), operator_address=pages,
        pages_url=f"http://{pages.host}:{pages.port}", config=config,
    )  # fmt: skip


async def _prepared(url: str, host: str, now: datetime) -> str:
    """A project with its host and key, and its past."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            project = await projects.add(connection, PROJECT, [host], now)
            await host_table.register(connection, project, [host], now)
            key: str = await projects.add_key(
                connection, PROJECT, app=APP, environment="production", trusted=False, now=now
            )
        await connection.execute(_HISTORY, host, now, _DAYS * 48, PROJECT)
        return key
    finally:
        await connection.close()


async def _play(fleet: Fleet, url: str, answered: Told) -> None:
    told = await play(fleet, url, 1.0)
    answered.answers += told.answers


async def _until(pool: asyncpg.Pool, question: str, seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not await pool.fetchval(question):
        if time.monotonic() > until:
            raise PinfallError(f"{what} did not happen within {seconds:.0f} s")
        await asyncio.sleep(0.2)


async def _to_the_page(
    pool: asyncpg.Pool, fleet: Fleet, server: Edge, collector: Collector, tell: Teller
) -> dict[str, Any] | None:
    await asyncio.sleep(_QUIET)
    server.serve(fleet.new, fleet.new_key)
    broke = time.monotonic()
    tell(f"ROTATED: {fleet.host} serves a new key, which nine clients in ten do not pin")
    tell.more("nobody declared it: the prober has to find out")
    seen, shown = False, 0
    while time.monotonic() - broke < _PATIENCE:
        await asyncio.sleep(1)
        affected = len(fleet.truth.installs["self"])
        if affected and time.monotonic() - broke > 5 * (shown + 1):
            shown += 1
            tell(f"{affected} installs failed")
        if not seen:
            seen = bool(await pool.fetchval("SELECT count(*) > 1 FROM served_chain"))
            if seen:
                tell("the prober, asked by reports of a key nobody knew, sees it too: it is ours")
                await collector.tick("rotations")
        body = await pool.fetchval("SELECT body FROM alert WHERE severity = 'page' LIMIT 1")
        if body is not None:
            alert: dict[str, Any] = json.loads(body)
            _tell_page(alert, time.monotonic() - broke, tell)
            return alert
    return None


def _tell_page(alert: dict[str, Any], seconds: float, tell: Teller) -> None:
    tell(f"PAGE, {seconds:.0f} s after the break: {alert['summary']}")
    cause = alert["cause"]
    tell.more(f"cause       {cause['label']} (confidence {cause['confidence']:.1f})")
    for number, step in enumerate(alert["next_steps"], 1):
        tell.more(f"next step {number} {step}")
    tell.more(f"its page    {alert['links']['page']}")


async def _to_the_end(
    pool: asyncpg.Pool, fleet: Fleet, server: Edge, collector: Collector, clock: Clock,
    tell: Teller,
) -> None:  # fmt: skip
    server.serve(fleet.old, fleet.old_key)
    tell("ROLLED BACK: the old key is served again, and no client fails any more")
    tell.more(
        "silence proves nothing at once, for clients tell of a failure once a day: an alert ends"
    )
    tell.more(
        "half an hour after a rotation to other keys that a probe saw, and after 26 quiet hours"
    )
    tell.more("silence, once the last six hours are quiet, where the way led back to the old one.")
    tell.more("From here the collector's clock is put forward, an hour a step.")
    for _ in range(_STEPS):
        clock.ahead += _STEP
        for name in ("probe", "rotations", "count", "watch", "send"):
            await collector.tick(name)
            if name == "probe":
                await asyncio.sleep(0.5)  # the answer of the TLS server
        state = await pool.fetchval("SELECT state FROM alert WHERE severity = 'page' LIMIT 1")
        if state == "resolved":
            tell("RESOLVED: the alert has ended")
            return
    tell("the alert is still open, which it should not be")
