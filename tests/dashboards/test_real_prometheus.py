"""Every query of every panel, annotation, variable and rule, asked of a real Prometheus that scrapes a real
collector in the middle of an incident."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.incident import HOST, PROJECT, QUIET, TOML, Incident
from collector.app import Collector
from dashboards.source.__main__ import BOARDS
from tests.conftest import Clock
from tests.dashboards.asking import RULES, Prometheus, Query, Series, queries, scraping
from tests.make import nel
from tests.notify.receiver import Receiver, receiving
from tests.web.conftest import Site, site

__all__ = ["site"]
WALL = 40.0  # seconds that a slow machine gets for each wait; all of it takes about 15
#: Where nothing is wrong with this collector, so they read 0. All others have something to tell.
STILL = {
    "pinfall-overview: Watcher A",
    "pinfall-collector: Reports lost, 5 min A",
    "pinfall-collector: In the spool A",
    "pinfall-collector: Background rounds that failed, 15 min A",
    "pinfall-collector: Waiting C",  # deferred
    "pinfall-collector: Spool on the disk A",
    "pinfall-collector: Connections and workers A",  # put aside
    "pinfall-collector: Connections and workers C",  # restarts
    "pinfall-collector: Connections and workers D",  # unanswered
    "pinfall-rotation: New installs refused, 1 h before and after A",
    "pinfall-rotation: New installs refused, 24 h before and after A",
    "pinfall-rotation: Pin failures, 24 h before and after A",
}
#: Of an instant: 0 or not, as it happens.
EITHER = {
    "pinfall-collector: Waiting A",
    "pinfall-collector: Waiting B",
    "pinfall-collector: Connections and workers B",
}
#: What rules that alert say of this incident. Those that wait for an hour are pending.
STATES = {"PinfallPinFailureSpike": "firing", "PinfallPinSetExpiring": "pending"}


class Now(Clock):
    """Prometheus has the machine's clock, and so has this collector."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
def clock() -> Clock:
    return Now()


@pytest.fixture
def by_itself() -> bool:
    return True


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def chosen(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("HOOK", receiver.url)
    config = tmp_path / "pinfall.toml"
    config.write_text(TOML + '[[channel]]\nname = "hook"\ntype = "webhook"\nurl = "env:HOOK"\n')
    return {"config": config}


async def until(what: str, holds: Callable[[], Awaitable[object]]) -> None:
    """Wait until nothing is left of what it returns."""
    left: object = None
    try:
        async with asyncio.timeout(WALL):
            while left := await holds():
                await asyncio.sleep(0.3)
    except TimeoutError:
        pytest.fail(f"{what}: after {WALL:.0f} s still {left}")


async def refused(collector: Collector) -> None:
    """A connection that speaks no HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", collector.public_port)
    writer.write(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n")
    await reader.read()
    writer.close()


async def scraped(prometheus: Prometheus, metric: str, times: int) -> None:
    async def fewer() -> bool:
        told = await prometheus.now(f'count_over_time({metric}{{host="{HOST}"}}[1h])')
        return not told or min(one.values[0] for one in told) < times

    await until(f"scrapes of {metric}", fewer)


async def happen(incident: Incident, site: Site, prometheus: Prometheus) -> None:
    """An incident, once Prometheus has seen how it was before."""
    await scraped(prometheus, "pinfall_new_installs_total", 4)
    await incident.intercept(3)
    await incident.rotate()
    # increase() counts from the first scrape on: what came before it would be lost to "after".
    await scraped(prometheus, "pinfall_rotation_timestamp_seconds", 2)
    await incident.fail(20)
    await incident.connect(900, 100)
    assert (await site.post("no report", address="198.51.100.3")).status == 400
    assert (await site.post(nel("tcp.refused"), address="198.51.100.3")).json["ignored"] == 1
    await refused(site.collector)
    await incident.look()


@pytest.fixture
async def seen(site: Site, clock: Clock, tmp_path: Path) -> AsyncIterator[Prometheus]:
    incident = Incident(site.collector, site.pool, site.session, clock, site.key)
    await incident.begin()
    token = await site.token("prometheus", "viewer")
    async with scraping(tmp_path, site.collector.operator_url(), token) as prometheus:
        await happen(incident, site, prometheus)
        yield prometheus


async def test_every_query_tells_what_happened(seen: Prometheus, site: Site) -> None:
    rotation = await variables(seen, site)
    instance = site.collector.operator_url().removeprefix("http://")
    chosen = {
        "$project": PROJECT, "$host": HOST, "$instance": instance, "$rotation": rotation,
        "$__rate_interval": "5m",
    }  # fmt: skip
    every = list(queries(chosen))
    assert len(every) > 50
    wheres = {query.where for query in every}
    assert wheres >= STILL | EITHER
    await until("dashboards", lambda: _wrong(seen, every))
    for query in every:
        for series in await seen.ask(query):
            missing = query.labels - series.labels.keys()
            assert not missing, (query.where, series.labels)
    await marks(seen, every)
    await rules(seen)


async def _wrong(prometheus: Prometheus, every: list[Query]) -> list[str]:
    """Queries that do not tell what the tables above say."""
    answers = await asyncio.gather(*(prometheus.ask(query) for query in every))
    return [
        f"{query.where}: {query.expr} is {_told(series)}"
        for query, series in zip(every, answers, strict=True)
        if not _is_right(query.where, series)
    ]


def _is_right(where: str, series: list[Series]) -> bool:
    if not series or where in EITHER:
        return bool(series)
    tells = any(value > 0 for one in series for value in one.values)
    return tells != (where in STILL)


def _told(series: list[Series]) -> list[float]:
    return [one.values[-1] for one in series][:5]


async def variables(prometheus: Prometheus, site: Site) -> str:
    """What each variable offers is what there is. Returns the newest rotation, as Grafana takes it out."""
    offered: dict[str, set[str]] = {}
    newest = ""
    for board in BOARDS:
        for variable in board.variables:
            query = variable.query.replace("$project", PROJECT).replace("$host", HOST)
            values = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
            if values:
                told = await prometheus.label_values(values[1], values[2])
                offered.setdefault(variable.name, set()).update(told)
                continue
            result = re.fullmatch(r"query_result\((.*)\)", query)
            assert result, query
            newest = max(await _chosen_by(prometheus, result[1], variable.regex), key=float)
    assert offered["host"] == {HOST, *QUIET}
    assert offered["project"] == {PROJECT}
    assert offered["instance"] == {site.collector.operator_url().removeprefix("http://")}
    return newest


async def _chosen_by(prometheus: Prometheus, expr: str, regex: str) -> list[str]:
    """Grafana writes a result as ``name{labels} value milliseconds`` and takes what the regex finds."""
    found: list[str] = []

    async def none() -> bool:
        found.clear()
        data = await prometheus.get("query", query=expr)
        for one in data["result"]:
            labels = ",".join(f'{k}="{v}"' for k, v in one["metric"].items() if k != "__name__")
            at, value = one["value"]
            line = f"{one['metric']['__name__']}{{{labels}}} {value} {int(at * 1000)}"
            match = re.search(regex.strip("/"), line)
            assert match, line
            found.append(match[1])
        return not found

    await until(expr, none)
    return found


async def marks(prometheus: Prometheus, every: list[Query]) -> None:
    """Annotations are instants in milliseconds: of this hour, not of 1970 or of the year 60000."""
    marked = [query for query in every if query.where.endswith(": Rotations")]
    assert len(marked) == sum(1 for board in BOARDS if board.rotations)
    now = datetime.now(UTC).timestamp() * 1000
    for query in marked:
        told = await prometheus.ask(query)
        assert {one.labels["source"] for one in told} == {"declared", "probed"}
        assert all(now - 3_600_000 < one.values[0] <= now for one in told), query.where


async def rules(prometheus: Prometheus) -> None:
    """Each rule is evaluated without an error, and says what it should of this incident."""
    written = [
        rule
        for name in ("recording.yml", "alerts.yml")
        for group in yaml.safe_load((RULES / name).read_text())["groups"]
        for rule in group["rules"]
    ]

    async def wrong() -> list[str]:
        groups = (await prometheus.get("rules"))["groups"]
        told = [rule for group in groups for rule in group["rules"]]
        assert len(told) == len(written)
        found = [f"{rule['name']}: {rule['lastError']}" for rule in told if rule["health"] != "ok"]
        for rule in told:
            if rule["type"] == "alerting" and rule["state"] != STATES.get(rule["name"], "inactive"):
                found.append(f"{rule['name']} is {rule['state']}")
        return found

    await until("rules", wrong)
    for rule in written:
        told = await prometheus.now(rule.get("record", rule["expr"]))
        fires = rule.get("alert") in STATES
        assert bool(told) == (fires or "record" in rule), rule
        if "record" in rule or fires:
            mine = [one for one in told if one.labels.get("host") == HOST]
            assert mine, rule
            assert all(one.labels["project"] == PROJECT for one in mine), rule
