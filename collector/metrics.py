"""Metrics: one class, an injected registry, every closed set at zero from the start.

A host is a label only once it is admitted; never a label: app version, pin, chain, install.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from collector import __version__
from collector.errors import Reason
from collector.model import PLATFORMS, Dialect, Kind, Skip

RESULTS = ("accepted", "duplicate", "ignored", "rejected", "shed")
TASKS = (
    "keys",
    "access",
    "hosts",
    "rates",
    "fold",
    "forget",
    "maintain",
    "adoption",
    "spool",
    "settle",
    "lease",
    "watch",
    "send",
    "repeat",
    "affected",
    "recollect",
    "probe",
    "expiries",
    "rotations",
    "learn",
    "pin_expiries",
    "count",
    "causes",
)
REFUSALS = ("not_http", "crowded", "overloaded", "too_slow")
CLASSES = ("self", "interception", "unknown")  # whose chain a new install was shown
SOURCES = ("trusted", "public")  # whose word a number of connections is
OTHER = "other"  # the host of what is not admitted
UNKNOWN = "unknown"  # the project of a key that is not known, the dialect of what was not read
disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asks for
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What this process committed; ``sum`` over processes and replicas is right."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        self._received = 0
        registry.register(_Received(self))
        self.reports = Counter(
            "pinfall_reports_total", "Items by what became of them, counted after the commit.",
            ["project", "dialect", "result"], registry=registry,
        )  # fmt: skip
        self.rejected = Counter(
            "pinfall_reports_rejected_total", "Items and requests turned away, by reason.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.violations = Counter(
            "pinfall_violations_total", "Violations of production that count, by what failed.",
            ["project", "host", "kind"], registry=registry,
        )  # fmt: skip
        self.pin_failures = Counter(
            "pinfall_pin_failures_total", "Violations of production of kind pin_mismatch.",
            ["project", "host", "platform", "enforced"], registry=registry,
        )  # fmt: skip
        self.new_installs = Counter(
            "pinfall_new_installs_total",
            "Installs of production newly affected by failing pins, within the caps of networks.",
            ["project", "host", "class"], registry=registry,
        )  # fmt: skip
        self.ignored = Counter(
            "pinfall_reports_ignored_total", "Items that say nothing about certificates, by what they are.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.client_connections = Counter(
            "pinfall_client_connections_total",
            "Connections that clients or gateways counted, production only. Public ones are claims.",
            ["project", "host", "source", "result"], registry=registry,
        )  # fmt: skip
        self.ratio = Gauge(
            "pinfall_rejection_ratio",
            "Share of connections that failed at the pins, of one hour. Absent without connections.",
            ["project", "host", "source"], registry=registry,
        )  # fmt: skip
        self.rotations = Gauge(
            "pinfall_rotation_timestamp_seconds",
            "When the keys of a host last changed, or were to change by a declaration whose time has come.",
            ["host", "source"], registry=registry,
        )  # fmt: skip
        self.pin_set_expiry = Gauge(
            "pinfall_pin_set_expiry_timestamp_seconds",
            "When pins of a newest release expire, the earliest. Absent where none does.",
            ["project", "host"], registry=registry,
        )  # fmt: skip
        self.ingest = Seconds(
            "pinfall_ingest_seconds", "From a request's first byte to its answer.", _SECONDS
        )
        registry.register(self.ingest)
        self.queue = Gauge(
            "pinfall_queue_reports", "Rows that wait for a flush.", registry=registry
        )
        self.refused = Counter(
            "pinfall_connections_refused_total",
            "Connections that were turned away before there was a report to count.",
            ["reason"], registry=registry,
        )  # fmt: skip
        self.spool_reports = Gauge(
            "pinfall_spool_reports", "Items on the disk that wait for Postgres.", registry=registry
        )
        self.spool_bytes = Gauge(
            "pinfall_spool_bytes", "Bytes of the spool's files.", registry=registry
        )
        self.deferred = Gauge(
            "pinfall_deferred_reports", "Items with something new, over the caps, that are parsed later.",
            registry=registry,
        )  # fmt: skip
        self.spool_lost = Counter(
            "pinfall_spool_refused_total", "Items of the spool that could not be replayed and were put aside.",
            registry=registry,
        )  # fmt: skip
        self.open_connections = Gauge(
            "pinfall_open_connections", "Connections of the public listener.", registry=registry
        )
        self.ticks = Counter(
            "pinfall_background_ticks_total", "Rounds of a background task.",
            ["task", "result"], registry=registry,
        )  # fmt: skip
        self.worker_restarts = Counter(
            "pinfall_worker_restarts_total", "Workers that died and were started again.",
            registry=registry,
        )  # fmt: skip
        self.unanswered = Counter(
            "pinfall_worker_unanswered_reports_total",
            "Items that a worker had taken in and not decided when it died: received, and no result.",
            registry=registry,
        )  # fmt: skip
        self.alert_active = Gauge(
            "pinfall_alert_active", "1 while an alert fires.",
            ["project", "host", "alert", "severity"], registry=registry,
        )  # fmt: skip
        self.affected = Gauge(
            "pinfall_affected_installs", "Distinct installs of 24 h that failed, by cause.",
            ["project", "host", "cause"], registry=registry,
        )  # fmt: skip
        self.not_judged = Gauge(
            "pinfall_hosts_not_judged", "Hosts whose last look failed; the log says why.",
            registry=registry,
        )  # fmt: skip
        self.blind = Gauge(
            "pinfall_watcher_blind", "1: the watcher cannot see its database, so no host is judged.",
            registry=registry,
        )  # fmt: skip
        self.deliveries = Counter(
            "pinfall_deliveries_total", "Messages to channels, by what became of a try.",
            ["channel", "result"], registry=registry,
        )  # fmt: skip
        self.not_after = Gauge(
            "pinfall_certificate_not_after_timestamp_seconds",
            "When the first certificate of a role ends, of what a host serves now.",
            ["host", "role"], registry=registry,
        )  # fmt: skip
        self.build = Gauge("pinfall_build_info", "1, labelled.", ["version"], registry=registry)
        self.build.labels(version=__version__).set(1)
        # received minus all results: kept as a number, so that one scrape adds up exactly.
        self._waiting = 0
        self._in_spool = 0
        registry.register(_Waiting(self))
        # A series that never fired must read 0: rate() over an absent one alerts nobody.
        for reason in Reason:
            self.rejected.labels(reason=reason)
        for refusal in REFUSALS:
            self.refused.labels(reason=refusal)
        for skip in Skip:
            self.ignored.labels(reason=skip)
        for task in TASKS:
            for result in ("ok", "error"):
                self.ticks.labels(task=task, result=result)
        self._hosts: set[tuple[str, str]] = set()
        self._projects: set[str] = set()
        # Children by what tells them apart: looking one up by its labels takes longer than counting with it.
        self._results: dict[tuple[str, str, str], Counter] = {}
        self._failures: dict[tuple[str, str, Kind, str, bool | None], list[Counter]] = {}
        self.know_project(UNKNOWN)

    @property
    def waiting(self) -> int:
        return self._waiting + self._in_spool

    def tell_spool(self, items: int, size: int) -> None:
        """items: in all of its files, whoever wrote them."""
        self._in_spool = items
        self.spool_reports.set(items)
        self.spool_bytes.set(size)

    @property
    def received(self) -> int:
        return self._received

    def receive(self, items: int) -> None:
        self._received += items
        self._waiting += items

    def leave(self, items: int) -> None:
        """They wait elsewhere from now on: in the spool."""
        self._waiting -= items

    def result(self, project: str, dialect: str, result: str, items: int = 1) -> None:
        told = (project, dialect, result)
        child = self._results.get(told)
        if child is None:
            child = self._results[told] = self.reports.labels(*told)
        child.inc(items)
        self._waiting -= items

    def violation(
        self,
        project: str,
        host: str,
        kind: Kind,
        platform: str,
        enforced: bool | None,
        items: int = 1,
    ) -> None:
        told = (project, host, kind, platform, enforced)
        children = self._failures.get(told)
        if children is None:
            children = self._failures[told] = self._counters_of(*told)
        for child in children:
            child.inc(items)

    def _counters_of(
        self, project: str, host: str, kind: Kind, platform: str, enforced: bool | None
    ) -> list[Counter]:
        self.know_host(project, host)
        found = [self.violations.labels(project, host, kind)]
        if kind is Kind.PIN_MISMATCH:
            told = UNKNOWN if enforced is None else str(enforced).lower()
            found.append(self.pin_failures.labels(project, host, platform, told))
        return found

    def connections(
        self, project: str, host: str, successes: float, pin_failures: float, *, trusted: bool
    ) -> None:
        self.know_host(project, host)
        source = SOURCES[0] if trusted else SOURCES[1]
        for result, count in (("ok", successes), ("pin_failure", pin_failures)):
            self.client_connections.labels(
                project=project, host=host, source=source, result=result
            ).inc(count)

    def rate(self, ratios: Mapping[tuple[str, str, str], float]) -> None:
        """ratios: by project, host and source; what is not among them is absent from here on."""
        self.ratio.clear()
        for (project, host, source), ratio in ratios.items():
            self.ratio.labels(project=project, host=host, source=source).set(ratio)

    def tell_alerts(self, firing: Iterable[tuple[str, str, str, str]]) -> None:
        """firing: project, host, kind and severity; what is not among them is absent from here on."""
        self.alert_active.clear()
        for project, host, kind, severity in firing:
            self.alert_active.labels(project, host, kind, severity).set(1)

    def tell_affected(self, installs: Mapping[tuple[str, str, str], int]) -> None:
        """installs: by project, host and cause."""
        self.affected.clear()
        for (project, host, cause), number in installs.items():
            self.affected.labels(project, host, cause).set(number)

    def know_channels(self, names: Collection[str]) -> None:
        for name in names:
            for result in ("sent", "retried", "given_up"):
                self.deliveries.labels(channel=name, result=result)

    def expiries(self, ends: Mapping[tuple[str, str], float]) -> None:
        """ends: by host and role; what is not among them is absent from here on."""
        self.not_after.clear()
        for (host, role), end in ends.items():
            self.not_after.labels(host=host, role=role).set(end)

    def tell_rotations(self, newest: Mapping[tuple[str, str], datetime]) -> None:
        """newest: by host and source; what is not among them is absent from here on."""
        self.rotations.clear()
        for (host, source), at in newest.items():
            self.rotations.labels(host=host, source=source).set(at.timestamp())

    def expire(self, expiries: Mapping[tuple[str, str], float]) -> None:
        """expiries: Unix time by project and host; what is not among them is absent from here on."""
        self.pin_set_expiry.clear()
        for (project, host), at in expiries.items():
            self.pin_set_expiry.labels(project=project, host=host).set(at)

    def know_project(self, name: str) -> None:
        if name in self._projects:
            return
        self._projects.add(name)
        for result in RESULTS:
            for dialect in (*Dialect, UNKNOWN):
                self.reports.labels(project=name, dialect=dialect, result=result)

    def keep_projects(self, names: Collection[str]) -> None:
        """Know these, and forget the labels of those that were deleted."""
        for name in self._projects - {*names, UNKNOWN}:
            self._projects.discard(name)
            self._results.clear()
            self.reports.remove_by_labels({"project": name})
        for name in names:
            self.know_project(name)

    def know_host(self, project: str, host: str) -> None:
        """Zeros for what rules ask of an admitted host."""
        if (project, host) in self._hosts:
            return
        self._hosts.add((project, host))
        self.violations.labels(project=project, host=host, kind=Kind.PIN_MISMATCH)
        for platform in PLATFORMS:
            for enforced in ("true", "false"):
                self.pin_failures.labels(
                    project=project, host=host, platform=platform, enforced=enforced
                )
        for class_ in CLASSES:
            self.new_installs.labels(project, host, class_)
        for source in SOURCES:
            for result in ("ok", "pin_failure"):
                self.client_connections.labels(
                    project=project, host=host, source=source, result=result
                )

    def knows(self, project: str, host: str | None = None) -> bool:
        """Whether a project, or a host of it, has labels here."""
        if host is None or host == OTHER:
            return project in self._projects
        return (project, host) in self._hosts

    def keep_hosts(self, admitted: Collection[tuple[str, str]]) -> None:
        """Forget the labels of hosts that were released."""
        for project, host in self._hosts - {*admitted}:
            if host == OTHER and project in self._projects:
                continue
            self._hosts.discard((project, host))
            self._failures.clear()
            for metric in (
                self.violations, self.pin_failures, self.client_connections, self.new_installs,
            ):  # fmt: skip
                metric.remove_by_labels({"project": project, "host": host})


class Seconds(Collector):
    """A histogram for what is observed with each request: a tenth of the library's cost. Only for one
    thread."""

    def __init__(self, name: str, words: str, bounds: Sequence[float]) -> None:
        self._name, self._words, self._bounds = name, words, tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def collect(self) -> list[HistogramMetricFamily]:
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        return [
            HistogramMetricFamily(self._name, self._words, buckets=buckets, sum_value=self._sum)
        ]


class _Received(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> list[CounterMetricFamily]:
        return [
            CounterMetricFamily(
                "pinfall_reports_received",
                "Items that came in, before anything was decided.",
                value=self._metrics.received,
            )
        ]


class _Waiting(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> list[GaugeMetricFamily]:
        return [
            GaugeMetricFamily(
                "pinfall_waiting_reports",
                "Items that came in and are not decided: received minus all results.",
                value=self._metrics.waiting,
            )
        ]
