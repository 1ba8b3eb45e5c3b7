"""How many series a scrape of a collector with 50 hosts has: 5,000 at most."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import prometheus_client

from collector.detect.causes import Cause
from collector.detect.classes import Class
from collector.detect.kinds import AlertKind
from collector.detect.served import RotationSource
from collector.metrics import CLASSES, SOURCES, Metrics
from collector.model import PLATFORMS, Kind
from tests.make import NOON
from tests.web.conftest import Site, chosen, site

__all__ = ["chosen", "site"]
HOSTS = [f"h{n}.example.com" for n in range(50)]
BUDGET = 5000


def series(text: str) -> Counter[str]:
    """How many, by name."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return Counter(line.partition("{")[0].partition(" ")[0] for line in lines)


async def test_fifty_hosts_are_within_the_budget(site: Site) -> None:
    for host in HOSTS:
        told = {"project": "default", "host": host}
        assert (await site.call("POST", "/api/v1/hosts", told)).status == 201
    await site.collector.tick("hosts")
    found = series((await site.get("/metrics"))[1])
    assert found["pinfall_new_installs_total"] == len(HOSTS) * len(CLASSES)
    assert found.total() <= BUDGET, found.most_common(5)


def test_they_are_within_it_on_the_worst_day() -> None:
    """All that can happen to a host happens to each: every kind, platform, cause, alert and source."""
    metrics = Metrics()
    metrics.know_project("wallet")
    for host in HOSTS:
        for kind in Kind:
            metrics.violation("wallet", host, kind, PLATFORMS[0], enforced=True)
        for platform in PLATFORMS:
            for enforced in (True, False, None):
                metrics.violation("wallet", host, Kind.PIN_MISMATCH, platform, enforced)
        for class_ in Class:
            metrics.new_installs.labels("wallet", host, class_).inc()
        metrics.connections("wallet", host, 1, 1, trusted=True)
    metrics.rate({("wallet", host, source): 0.5 for host in HOSTS for source in SOURCES})
    metrics.tell_affected({("wallet", host, cause): 1 for host in HOSTS for cause in Cause})
    metrics.tell_alerts(("wallet", host, kind, "page") for host in HOSTS for kind in AlertKind)
    metrics.tell_rotations({(h, s): NOON + timedelta(1) for h in HOSTS for s in RotationSource})
    metrics.expiries({(h, r): 1.0 for h in HOSTS for r in ("leaf", "intermediate", "root")})
    metrics.expire({("wallet", host): 1.0 for host in HOSTS})
    metrics.know_channels([f"channel-{n}" for n in range(10)])
    found = series(prometheus_client.generate_latest(metrics.registry).decode())
    for metric in vars(metrics).values():
        if "host" in getattr(metric, "_labelnames", ()):
            name = next(iter(metric.collect())).samples[0].name
            assert found[name] >= len(HOSTS), f"{name}: nothing happened in this test"
    assert found.total() <= BUDGET, found.most_common(5)
