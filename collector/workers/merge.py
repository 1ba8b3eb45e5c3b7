"""One exposition out of many registries. Dry: samples in, samples out.

What adds up: counters, all of a histogram, and gauges (a queue here and a queue there). What one
process says for all, the others leave out of their snapshots.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Labels = tuple[tuple[str, str], ...]  # in the order of their metric, the same in every process
Owner = tuple[str, str | None]  # a project, and the host where a sample is a host's
# Said once for all processes, by the one that is asked.
_ONE_SAYS = frozenset(
    {
        "pinfall_build_info",
        "pinfall_rejection_ratio",
        "pinfall_pin_set_expiry_timestamp_seconds",
        "pinfall_certificate_not_after_timestamp_seconds",
        "pinfall_rotation_timestamp_seconds",
        "pinfall_affected_installs",
        "pinfall_alert_active",
        "pinfall_watcher_blind",
        "pinfall_hosts_not_judged",
        "pinfall_spool_reports",
        "pinfall_spool_bytes",
        "pinfall_deferred_reports",
    }
)
_GAUGES = frozenset({"gauge", "unknown"})


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric with its samples: (name, labels, value)."""

    name: str
    help: str
    type: str
    samples: list[tuple[str, Labels, float]]


def families(metrics: Iterable[Metric]) -> list[Family]:
    """A snapshot."""
    return [
        Family(
            metric.name,
            metric.documentation,
            metric.type,
            [(s.name, tuple(s.labels.items()), s.value) for s in metric.samples],
        )
        for metric in metrics
    ]


def of_worker(metrics: Iterable[Metric]) -> list[Family]:
    """A snapshot without what another process says for all."""
    return [family for family in families(metrics) if family.name not in _ONE_SAYS]


def value(snapshot: Sequence[Family], name: str) -> float:
    """The sum of all samples of that name; 0.0 without any."""
    return sum((s[2] for family in snapshot for s in family.samples if s[0] == name), 0.0)


class Sums:
    """Snapshots added up, sample by sample. Order is that of the first that came with each."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str]] = {}  # name to help and type
        self._samples: dict[str, dict[tuple[str, Labels], float]] = {}

    def add(self, snapshot: Iterable[Family], *, gauges: bool = True) -> None:
        for family in snapshot:
            if not gauges and family.type in _GAUGES:
                continue
            self._families.setdefault(family.name, (family.help, family.type))
            sums = self._samples.setdefault(family.name, {})
            for name, labels, told in family.samples:
                place = name, labels
                sums[place] = sums.get(place, 0.0) + told

    def families(self) -> list[Family]:
        return [
            Family(name, *self._families[name], [(*place, told) for place, told in sums.items()])
            for name, sums in self._samples.items()
        ]

    def owners(self) -> set[Owner]:
        """Projects and hosts that have samples here."""
        found = set()
        for sums in self._samples.values():
            for _, labels in sums:
                told = dict(labels)
                if "project" in told:
                    found.add((told["project"], told.get("host")))
        return found

    def forget(self, is_gone: Callable[[Owner], bool]) -> None:
        """Drop the samples of owners that are gone."""
        gone = {owner for owner in self.owners() if is_gone(owner)}
        if not gone:
            return
        for sums in self._samples.values():
            for place in list(sums):
                told = dict(place[1])
                if "project" in told and (told["project"], told.get("host")) in gone:
                    del sums[place]


def exposition(snapshots: Iterable[Iterable[Family]]) -> bytes:
    """The text of their sums, with HELP and TYPE of the first that has a metric."""
    sums = Sums()
    for snapshot in snapshots:
        sums.add(snapshot)
    return generate_latest(_Merged(sums.families()))


class _Merged(Collector):
    def __init__(self, told: Sequence[Family]) -> None:
        self._told = told

    def collect(self) -> Iterator[Metric]:
        for family in self._told:
            metric = Metric(family.name, family.help, family.type)
            for name, labels, told in family.samples:
                metric.add_sample(name, dict(labels), told)
            yield metric
