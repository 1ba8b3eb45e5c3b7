"""Snapshots add up, and sums never go down over any number of deaths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from collector.metrics import Metrics
from collector.workers import merge
from collector.workers.merge import Family, Labels, Sums

Series = tuple[str, Labels]

_HOSTS = ("api.example.com", 'a"\\\n', "ü")
_WORTH = st.integers(0, 2**40).map(float)


def _families(told: dict[str, list[float]]) -> list[Family]:
    """A counter, a gauge and a histogram; only some of the counter's hosts."""
    counts: list[tuple[str, Labels, float]] = [
        ("t_total", (("project", "p"), ("host", host)), value)
        for host, value in zip(_HOSTS, told["counter"], strict=False)
    ]
    buckets: list[tuple[str, Labels, float]] = [
        ("s_bucket", (("le", le),), value)
        for le, value in zip(("0.1", "1.0", "+Inf"), told["histogram"], strict=False)
    ]
    total = sum(told["histogram"])
    return [
        Family("t", "Some help.", "counter", counts),
        Family("g", "More\nhelp.", "gauge", [("g", (), told["gauge"][0])]),
        Family("s", "Seconds.", "histogram", [*buckets, ("s_count", (), total)]),
    ]


snapshots = st.fixed_dictionaries(
    {
        "counter": st.lists(_WORTH, max_size=3),
        "gauge": st.lists(_WORTH, min_size=1, max_size=1),
        "histogram": st.lists(_WORTH, min_size=3, max_size=3),
    }
).map(_families)


def _summed(told: Iterable[Iterable[Family]]) -> dict[Series, float]:
    sums: Counter[Series] = Counter()
    for snapshot in told:
        for family in snapshot:
            for name, labels, value in family.samples:
                sums[name, tuple(sorted(labels))] += value  # type: ignore[assignment]
    return {series: float(value) for series, value in sums.items()}


def _read(text: bytes) -> dict[Series, float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(text.decode())
        for s in family.samples
    }


@given(st.lists(snapshots, min_size=1, max_size=6))
def test_the_exposition_is_the_sum(told: list[list[Family]]) -> None:
    assert _read(merge.exposition(told)) == _summed(told)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(("count", "look", "die"))), max_size=60)
)
def test_counters_never_go_down_over_any_deaths(steps: list[tuple[int, str]]) -> None:
    """Three workers count, are looked at and die; what was seen once stays seen."""
    lives = [Metrics() for _ in range(3)]
    newest: dict[int, list[Family]] = {}
    past = Sums()
    seen: dict[Series, float] = {}
    for number, (worker, step) in enumerate(steps):
        if step == "count":
            lives[worker].receive(number)
            lives[worker].ingest.observe(number / 10)
            lives[worker].result("p", "generic", "accepted", number)
        elif step == "look":
            newest[worker] = merge.of_worker(lives[worker].registry.collect())
        else:
            past.add(newest.pop(worker, []), gauges=False)
            lives[worker] = Metrics()
        now = _read(merge.exposition([*newest.values(), past.families()]))
        gauges = {"pinfall_queue_reports", "pinfall_waiting_reports", "pinfall_open_connections"}
        for series, value in seen.items():
            if series[0] not in gauges:
                assert now[series] >= value - 1e-9, series  # sums in another order
        seen = now
    assert merge.value(past.families(), "pinfall_queue_reports") == 0


def test_one_process_reads_as_it_would_alone() -> None:
    metrics = Metrics()
    metrics.know_project("default")
    metrics.know_host("default", 'odd"\\\nname')
    metrics.receive(3)
    metrics.ingest.observe(0.3)
    metrics.rate({("default", "a", "trusted"): 0.5})
    alone = generate_latest(metrics.registry)
    assert merge.exposition([merge.families(metrics.registry.collect())]) == alone
    # A worker beside it adds nothing that one process says for all.
    worker = merge.of_worker(Metrics().registry.collect())
    text = merge.exposition([merge.families(metrics.registry.collect()), worker])
    assert _read(text) == _read(alone)


def test_what_is_gone_leaves_no_sample() -> None:
    sums = Sums()
    for _ in range(2):
        metrics = Metrics()
        for host in ("stays", "goes"):
            metrics.know_project("p")
            metrics.know_host("p", host)
        sums.add(merge.families(metrics.registry.collect()), gauges=False)
    assert sums.owners() >= {("p", None), ("p", "stays"), ("p", "goes")}
    sums.forget(lambda owner: owner == ("p", "goes"))
    text = merge.exposition([sums.families()])
    assert b'host="stays"' in text
    assert b"goes" not in text
    assert b'pinfall_reports_total{dialect="generic",project="p"' in text
