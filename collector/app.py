"""The composition root: the only module that wires all rooms together."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import asyncpg
import structlog
from aiohttp import web

from collector import pinfall_toml
from collector.core import Core, Round, Tick, open_core, opened_pool
from collector.intake.keyring import REFRESH
from collector.intake.maintain import Keep, fold, forget_marked, maintain, make_partitions
from collector.listeners import SHUTDOWN, bound, listen, public_tls, reserved
from collector.metrics import OTHER, UNKNOWN
from collector.model import Certificate, ProjectId
from collector.notify.blind import Blind
from collector.notify.channel import Channel
from collector.notify.chosen import ChannelConfig, Heartbeat
from collector.notify.config import configured
from collector.notify.opening import channels as open_channels
from collector.notify.opening import opened
from collector.notify.posting import Poster
from collector.notify.sender import Sender
from collector.pinfall_toml import PinfallToml
from collector.probing.expiries import expiries as certificate_expiries
from collector.probing.resolving import Resolve, system_resolver
from collector.probing.roots import public_roots as trusted_roots
from collector.probing.rounds import Prober
from collector.probing.trust import check
from collector.settings import Address, Settings
from collector.store.lease import RENEW, Lease
from collector.watch import expiries, learn
from collector.watch.adoption import Adoption
from collector.watch.count import Counting
from collector.watch.duty import Duty
from collector.watch.egress import Egress
from collector.watch.judge import Judging
from collector.watch.roots import public_roots
from collector.watch.rotations import look_for_rotations
from collector.watch.settling import Settling
from collector.watch.watcher import Watcher
from collector.web.access import Access
from collector.web.api.alerts import Alerts
from collector.web.api.causes import Causes
from collector.web.api.certs import Certs
from collector.web.api.change import Changes
from collector.web.api.imports import Imports
from collector.web.api.manage import Manage
from collector.web.api.notify import NotifyTest
from collector.web.api.people import People
from collector.web.api.pin_lint import PinLint
from collector.web.api.pins import Pins
from collector.web.api.preflight import Preflights
from collector.web.api.probes import Probes
from collector.web.api.read import Read
from collector.web.api.readiness import HostAdvice
from collector.web.api.rotations import Rotations
from collector.web.api.routes import api_routes
from collector.web.api.silences import Silences
from collector.web.health import Health
from collector.web.host import HostPage
from collector.web.incidents import Incidents
from collector.web.ingest import Ingest
from collector.web.listener import Listener
from collector.web.operator import incident_routes, operator_app, page_routes
from collector.web.pages import Pages
from collector.web.pin_sets import PinsPage
from collector.web.preflight import PreflightPage
from collector.web.rotations import RotationsPage
from collector.web.runbooks import Runbooks
from collector.web.setup import Setup
from collector.web.signature import SignaturePage
from collector.web.signin import SignIn
from collector.web.silences import SilenceForms
from collector.web.trying import Trying
from collector.workers import merge
from collector.workers.fleet import Fleet
from collector.workers.lifeline import Lifeline
from collector.workers.link import Snapshot
from collector.workers.worker import command

log = structlog.get_logger()

_HOSTS = 10.0  # seconds between looks at which hosts are admitted


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
    ticks: Mapping[str, Tick]

    async def tick(self, name: str) -> None:
        """A round of a background task, now."""
        await self.ticks[name]()

    def public_url(self) -> str:
        """As clients reach it; from this machine, where nobody said otherwise."""
        return _public_url(self.settings, self.public_port)

    def operator_url(self) -> str:
        return f"http://{_reachable(self.settings.operator_address)}:{self.operator_port}"


def _public_url(settings: Settings, port: int) -> str:
    if settings.public_url:
        return settings.public_url
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{_reachable(settings.public_address)}:{port}"


def _reachable(address: Address) -> str:
    """A host that this machine can connect to."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address.host, address.host)  # noqa: S104
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@asynccontextmanager
async def collecting(
    settings: Settings,
    clock: Callable[[], datetime] = utc_now,
    workers: int = 0,
    starter: Executor | None = None,
    channels: Sequence[ChannelConfig] | None = None,
    resolve: Resolve = system_resolver,
    *,
    by_itself: bool = True,
    own_cores: Sequence[int] = (),
) -> AsyncIterator[Collector]:
    """Run a collector for the life of the block.

    Resources open in order and close in reverse: the public listener first, which lets requests in
    flight finish; then what waits is flushed; the pool last. With workers, processes of their own
    stand where the public listener would, and this one does all the rest; ``starter`` starts them,
    each on one of ``own_cores``, if there are any.
    channels None: those of ``pinfall.toml``. by_itself False: background tasks wait for ``tick``, for one
    whose clock is put forward. Raises PinfallError where it cannot start.
    """
    config = pinfall_toml.load(settings.config)
    told_channels, heartbeat = configured(config, os.environ)
    configs = told_channels if channels is None else channels
    async with AsyncExitStack() as stack:
        core = await open_core(stack, "collector", settings, clock)
        # Pages have connections of their own: people who reload do not hold up reports.
        reading = await opened_pool(stack, settings, size=3, seconds=10)
        access = Access(core.pool, settings.operator_token, clock)
        partitions = partial(make_partitions, core.pool, clock())
        first = (core.keys, access.refresh, core.hosts, core.recollect, core.rates, partitions)
        await core.begin(stack, first)
        fleet, tls = None, None
        if workers:
            public = stack.enter_context(reserved(settings.public_address))
            address = replace(settings.public_address, port=int(public.getsockname()[1]))
            fleet = Fleet(
                workers, lambda link, n: command(link, n, address), core.metrics, starter, own_cores
            )
        prober = Prober(core.pool, clock, config.hosts, resolve)
        await stack.enter_async_context(prober.running())
        poster = await stack.enter_async_context(opened(clock))
        ways = open_channels(configs, poster)
        duty = _duty(core, configs, ways, config, poster, heartbeat, fleet)
        stack.push_async_callback(duty.close)
        rounds = (
            *_rounds(core, access, fleet, config),
            ("probe", 5.0, prober.tick),
            ("lease", RENEW.total_seconds(), duty.renew),
            ("watch", 5.0, duty.look),
            ("send", 2.0, duty.send),
            ("repeat", 60.0, duty.repeat),
            ("affected", 60.0, duty.count),
        )
        if by_itself:
            await core.go_round(stack, rounds)
        if fleet is None:
            tls = await public_tls(stack, settings)
        url: list[str] = []
        operator = _operator_app(core, reading, access, fleet, url, ways, config)
        runner = web.AppRunner(operator, access_log=None, shutdown_timeout=SHUTDOWN)
        operator_port = await listen(stack, runner, bound(settings.operator_address))
        if fleet is None:
            public = bound(settings.public_address)
            await listen(stack, _public(core, tls), public)
        else:
            await stack.enter_async_context(fleet.running())
        running_collector = Collector(
            settings,
            int(public.getsockname()[1]),
            operator_port,
            core.ingest,
            operator,
            {name: tick for name, _, tick in rounds},
        )
        url.append(running_collector.public_url())
        log.info("collector.started", public=running_collector.public_port, operator=operator_port)
        yield running_collector
        log.info("collector.stopping")


@asynccontextmanager
async def working(
    settings: Settings, number: int, lifeline: Lifeline, clock: Callable[[], datetime] = utc_now
) -> AsyncIterator[Core]:
    """Run a worker for the life of the block: the public listener, and what it needs.

    Its supervisor hears from it until all is flushed, and of the end last.
    Raises PinfallError where it cannot start.
    """
    async with AsyncExitStack() as stack:
        core = await open_core(stack, f"worker-{number}", settings, clock)

        def look(question: int) -> Snapshot:
            families = merge.of_worker(core.metrics.registry.collect())
            warning = core.warning()
            return Snapshot(question, families, warning, core.intake.is_down)

        await stack.enter_async_context(lifeline.held(look))
        await core.begin(stack, (core.keys, core.hosts, core.recollect))
        rounds: list[Round] = [("keys", REFRESH, core.keys), ("hosts", _HOSTS, core.hosts)]
        rounds.append(("recollect", 10.0, core.recollect))
        await core.go_round(stack, rounds + _spooling(core))
        tls = await public_tls(stack, settings)
        shared = bound(settings.public_address, shared=True)
        await listen(stack, _public(core, tls), shared)
        lifeline.listens.set()
        yield core
        log.info("worker.stopping")
    lifeline.tell(look(0))


def _public(core: Core, tls: ssl.SSLContext | None) -> web.ServerRunner:
    listener = Listener(core.ingest, core.ingest.door, tls, proxied=core.settings.proxy_protocol)
    return web.ServerRunner(listener, shutdown_timeout=SHUTDOWN)


def _rounds(
    core: Core, access: Access, fleet: Fleet | None, config: PinfallToml
) -> tuple[Round, ...]:
    """Of the one process that has them all."""
    pool, settings = core.pool, core.settings
    roots = public_roots()
    egress = Egress((n.cidr for n in config.networks), lambda: core.day_secrets.known)
    counting = Counting(pool, core.metrics, core.clock, _label(core), roots, egress)
    judging = Judging(pool, core.clock, roots)
    keep = Keep(settings.retention_days, settings.rollup_days, settings.audit_days)

    def upkeep() -> Awaitable[None]:
        return maintain(pool, core.clock(), keep)

    async def tell_expiries() -> None:
        core.metrics.expiries(await certificate_expiries(pool, core.clock()))

    async def rotate() -> None:
        core.metrics.tell_rotations(await look_for_rotations(pool, core.clock(), _is_trusted))

    return (
        ("keys", REFRESH, fleet.forgetting_projects(core.keys) if fleet else core.keys),
        ("access", REFRESH, access.refresh),
        ("hosts", _HOSTS, fleet.forgetting_hosts(core.hosts) if fleet else core.hosts),
        ("rates", 15.0, core.rates),
        ("fold", 10.0, lambda: fold(pool)),
        ("forget", 10.0, lambda: forget_marked(pool, 20.0)),
        ("maintain", 3600.0, upkeep),
        ("settle", 5.0, core.settle),
        ("adoption", 3600.0, Adoption(pool, core.clock).tick),
        ("recollect", 10.0, core.recollect),
        ("expiries", 30.0, tell_expiries),
        ("rotations", 60.0, rotate),
        ("learn", learn.EVERY, learn.Learner(pool, core.clock).tick),
        ("pin_expiries", expiries.EVERY, expiries.Expiries(pool, core.metrics).tick),
        ("count", 2.0, counting.tick),
        ("causes", 10.0, judging.tick),
        *_spooling(core),
    )


def _duty(
    core: Core,
    configs: Sequence[ChannelConfig],
    ways: Sequence[Channel],
    config: PinfallToml,
    poster: Poster,
    heartbeat: Heartbeat | None,
    fleet: Fleet | None,
) -> Duty:
    # A name of this start: who comes back under an old one would be taken for the one that still holds it.
    lease = Lease(core.pool, f"{socket.gethostname()}/{uuid4().hex[:12]}")
    foreign = frozenset(host.name for host in config.hosts if host.third_party)
    settling = Settling(core.pool, configs, core.settings.pages_url, config.runbooks, foreign)
    judging = Judging(core.pool, core.clock, public_roots())
    watcher = Watcher(
        core.pool, core.metrics, core.clock, settling, lambda: _one_address(core, fleet),
        judging.at_once,
    )  # fmt: skip
    sender = Sender(core.pool, ways, core.metrics, core.clock)
    blind = Blind(ways, core.clock)
    return Duty(
        core.pool, lease, watcher, sender, blind, ways, core.metrics, core.clock, poster, heartbeat
    )


def _one_address(core: Core, fleet: Fleet | None) -> str | None:
    """The listener's warning of that; of workers, where they listen."""
    told = fleet.warning() if fleet else core.ingest.one_address.warning
    return told if told and "one address" in told else None


def _is_trusted(chain: Sequence[Certificate], host: str, at: datetime) -> bool:
    return check(chain, host, at, trusted_roots()).trusted


def _label(core: Core) -> Callable[[int, str], tuple[str, str]]:
    """Project and host as metrics name them."""

    def label(project: int, host: str) -> tuple[str, str]:
        name = core.keyring.projects.get(ProjectId(project), UNKNOWN)
        is_admitted = (ProjectId(project), host) in core.intake.known.admitted
        return name, host if is_admitted else OTHER

    return label


def _spooling(core: Core) -> list[Round]:
    return [("spool", 1.0, core.respool)] if core.replay is not None else []


def _operator_app(
    core: Core,
    reading: asyncpg.Pool,
    access: Access,
    fleet: Fleet | None,
    url: Sequence[str],
    ways: Sequence[Channel],
    config: PinfallToml,
) -> web.Application:
    """url: of the public listener, once it is known."""
    warning = fleet.warning if fleet else core.warning
    changes = Changes(core.pool, core.clock)
    manage = Manage(reading, core.keyring, core.intake, changes, lambda: url[0] if url else "")
    causes, alerts = Causes(reading, changes), Alerts(reading, changes)
    silences = Silences(reading, changes, alerts)
    rotations = Rotations(reading, changes)
    pins = Pins(reading, core.keyring, core.intake, changes)
    setup = Setup(reading, manage, core.clock)
    preflights = Preflights(reading, changes, core.clock)
    pin_lint, advice = PinLint(reading, core.clock), HostAdvice(reading, core.clock)
    incidents = Incidents(reading, alerts, core.clock)
    routes = [
        *incident_routes(
            incidents,
            HostPage(reading, core.clock),
            SignaturePage(reading, causes, core.clock),
            SilenceForms(silences, incidents),
        ),
        *page_routes(
            Health(core.intake, core.metrics, warning, core.ingest.door, fleet),
            Pages(reading, core.clock, warning, lambda: url[0] if url else None),
            setup,
            SignIn(access, core.clock),
            Runbooks(core.clock),
            RotationsPage(reading, rotations, core.clock),
            PinsPage(reading, pins, pin_lint, advice, core.clock),
            PreflightPage(reading, preflights, core.clock),
            Trying(setup, core.ingest),
        ),
        *api_routes(
            Read(reading),
            manage,
            Certs(reading, core.keyring, changes),
            People(reading, access, core.keyring, changes),
            Imports(reading, core.keyring, core.taking, changes),
            NotifyTest(ways, changes),
            Probes(reading, changes, config.hosts),
            rotations,
            pins,
            pin_lint,
            preflights,
            advice,
            causes,
            alerts,
            silences,
        ),
    ]
    return operator_app(access, routes)
