"""The composition root: the only module that wires all rooms together."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from aiohttp import web

from collector.background import every, running
from collector.errors import PinfallError, StoreError
from collector.intake.day_secrets import DaySecrets
from collector.intake.keyring import REFRESH, Keyring
from collector.intake.maintain import fold, forget_marked, maintain, make_partitions, rates
from collector.intake.queue import Intake
from collector.intake.taking import Taking
from collector.metrics import SOURCES, Metrics
from collector.settings import Address, Settings
from collector.store.connect import STORE_DOWN, no_password, open_pool
from collector.web.access import Access
from collector.web.api.change import Changes
from collector.web.api.imports import Imports
from collector.web.api.manage import Manage
from collector.web.api.people import People
from collector.web.api.read import Read
from collector.web.api.routes import api_routes
from collector.web.descriptors import room
from collector.web.door import Door
from collector.web.health import Health
from collector.web.ingest import Ingest
from collector.web.listener import Listener
from collector.web.operator import operator_app, page_routes
from collector.web.pages import Pages
from collector.web.setup import Setup
from collector.web.signin import SignIn

log = structlog.get_logger()

FLUSHERS = 2
_SHUTDOWN = 15.0  # seconds that requests in flight get to finish


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Collector:
    """A running collector. Ports are the real ones, also where 0 was asked for."""

    settings: Settings
    public_port: int
    operator_port: int
    ingest: Ingest
    operator: web.Application
    ticks: Mapping[str, Callable[[], Awaitable[None]]]

    async def tick(self, name: str) -> None:
        """A round of a background task, now."""
        await self.ticks[name]()

    def public_url(self) -> str:
        """As clients reach it; from this machine, where nobody said otherwise."""
        if self.settings.public_url:
            return self.settings.public_url
        scheme = "https" if self.settings.tls_cert else "http"
        return f"{scheme}://{_reachable(self.settings.public_address)}:{self.public_port}"

    def operator_url(self) -> str:
        return f"http://{_reachable(self.settings.operator_address)}:{self.operator_port}"


def _reachable(address: Address) -> str:
    """A host that this machine can connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.host, address.host)  # noqa: S104
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@asynccontextmanager
async def collecting(
    settings: Settings, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Collector]:
    """Run a collector for the life of the block.

    Resources open in order and close in reverse: the public listener first, which lets requests in
    flight finish; then what waits is flushed; the pool last.
    Raises PinfallError where it cannot start.
    """
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        pool = await open_pool(settings.database_url)
        stack.push_async_callback(_close, pool)
        metrics = Metrics()
        intake = Intake(pool, metrics, clock)
        keyring = Keyring(pool, settings.hash_key)
        day_secrets = DaySecrets(pool)
        taking = Taking(intake, metrics, day_secrets)
        door = Door(
            metrics,
            room(settings.max_connections),
            lambda: intake._queued / intake.most,  # noqa: SLF001 (a gauge of it is for the queue to offer)
            settings.trusted_proxies,
        )
        await stack.enter_async_context(running("door", door.run()))
        ingest = Ingest(keyring, taking, metrics, clock, door, settings.trusted_proxies)

        async def keys() -> None:
            await keyring.refresh()
            await day_secrets.refresh(clock())
            metrics.keep_projects(keyring.projects.values())

        # Pages have connections of their own: people who reload do not hold up reports.
        reading = await open_pool(settings.database_url, size=3, seconds=10)
        stack.push_async_callback(_close, reading)
        access = Access(pool, settings.operator_token, clock)

        async def learn() -> None:
            await intake.learn_hosts()
            metrics.keep_hosts(labels := _labels(intake, keyring))
            for project, host in labels:
                metrics.know_host(project, host)

        async def rate() -> None:
            labels = _labels(intake, keyring)
            told = {}
            for found in await rates(pool, clock()):
                place = keyring.projects.get(found.project, ""), found.host
                if found.ratio is not None and place in labels:
                    told[*place, SOURCES[0 if found.trusted else 1]] = found.ratio
            metrics.rate(told)

        try:
            await keys()
            await access.refresh()
            await learn()
            await rate()
            await make_partitions(pool, clock())
        except STORE_DOWN as error:
            words = no_password(error, settings.database_url)
            raise StoreError(f"Postgres does not answer: {words}") from None

        stack.push_async_callback(intake.drain)
        for number in range(FLUSHERS):
            await stack.enter_async_context(running(f"flush-{number}", intake.run()))
        await stack.enter_async_context(running("hurry", intake.hurry()))
        rounds: tuple[tuple[str, float, Callable[[], Awaitable[None]]], ...] = (
            ("keys", REFRESH, keys),
            ("access", REFRESH, access.refresh),
            ("hosts", 10.0, learn),
            ("rates", 15.0, rate),
            ("fold", 10.0, lambda: fold(pool)),
            ("forget", 10.0, lambda: forget_marked(pool, 20.0)),
            (
                "maintain",
                3600.0,
                lambda: maintain(pool, clock(), settings.retention_days, settings.audit_days),
            ),
        )
        for name, seconds, tick in rounds:
            first = timedelta(seconds=min(seconds, 30.0))
            task = every(timedelta(seconds=seconds), name, tick, metrics, first)
            await stack.enter_async_context(running(name, task))

        tls = _tls(settings)
        if tls is not None and settings.tls_cert and settings.tls_key:
            reload = _reload_tls(tls, settings.tls_cert, settings.tls_key)
            await stack.enter_async_context(running("tls", reload))
        url: list[str] = []
        changes = Changes(pool, clock)
        manage = Manage(reading, keyring, intake, changes, lambda: url[0] if url else "")
        routes = [
            *page_routes(
                Health(intake, metrics, ingest.one_address, door),
                Pages(reading, clock, ingest.one_address, lambda: url[0] if url else None),
                Setup(reading, manage, clock),
                SignIn(access, clock),
            ),
            *api_routes(
                Read(reading),
                manage,
                People(reading, access, keyring, changes),
                Imports(reading, keyring, taking, changes),
            ),
        ]
        operator = operator_app(access, routes)
        runner = web.AppRunner(operator, access_log=None, shutdown_timeout=_SHUTDOWN)
        operator_port = await _listen(stack, runner, settings.operator_address)
        listener = Listener(ingest, door, tls, proxied=settings.proxy_protocol)
        public = web.ServerRunner(listener, shutdown_timeout=_SHUTDOWN)
        public_port = await _listen(stack, public, settings.public_address)
        running_collector = Collector(
            settings,
            public_port,
            operator_port,
            ingest,
            operator,
            {name: tick for name, _, tick in rounds},
        )
        url.append(running_collector.public_url())
        log.info("collector.started", public=public_port, operator=operator_port)
        yield running_collector
        log.info("collector.stopping")


def _labels(intake: Intake, keyring: Keyring) -> set[tuple[str, str]]:
    """Admitted hosts with the names of their projects."""
    names = keyring.projects
    return {(names[p], host) for p, host in intake.known.admitted if p in names}


async def _close(pool: object) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()  # type: ignore[attr-defined]
    except (TimeoutError, OSError):
        pool.terminate()  # type: ignore[attr-defined]


async def _listen(stack: AsyncExitStack, runner: web.BaseRunner, address: Address) -> int:
    """Serve; returns the port."""
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        listener = _socket(address)
    except OSError as error:
        hint = "; is something else running there?" if error.errno == errno.EADDRINUSE else ""
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PinfallError(f"cannot listen on {address}: {reason}{hint}") from None
    await web.SockSite(runner, listener, backlog=1024).start()
    return int(listener.getsockname()[1])


def _socket(address: Address) -> socket.socket:
    """``::`` takes IPv4 too."""
    if address.host == "::":
        return socket.create_server(
            (address.host, address.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
        )
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server((address.host, address.port), family=family, backlog=1024)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        words = (
            error.strerror
            if not isinstance(error, ssl.SSLError)
            else "not a PEM certificate and the key that fits it"
        )
        raise PinfallError(f"PINFALL_TLS_CERT, PINFALL_TLS_KEY: {words}") from None
    return context


async def _reload_tls(context: ssl.SSLContext, cert: Path, key: Path, seconds: float = 5.0) -> None:
    """New handshakes get the new certificate; one that cannot be read leaves the old in use."""

    def stamps() -> tuple[int, int]:
        return cert.stat().st_mtime_ns, key.stat().st_mtime_ns

    seen = stamps()
    while True:
        await asyncio.sleep(seconds)
        try:
            now = stamps()
            if now == seen:
                continue
            # A throw-away context first: a pair that does not fit must not half replace the old.
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(cert, key)
            context.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as error:
            log.error("tls.reload_failed", error=type(error).__name__)
            continue
        seen = now
        log.info("tls.reloaded")
