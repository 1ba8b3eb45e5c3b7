"""A real Prometheus that scrapes a collector, and what dashboards ask of it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from dashboards.source.__main__ import BOARDS, PLACE
from tests.tools import needs

RULES = PLACE.parent / "prometheus"
_READY = 30.0  # seconds


@dataclass(frozen=True)
class Query:
    """labels: those that the legend, or the columns of the table, speak of."""

    where: str
    expr: str
    instant: bool
    labels: frozenset[str]


def queries(chosen: Mapping[str, str]) -> Iterator[Query]:
    """Of all panels and annotations, with what a person chose in place of variables."""
    for board in BOARDS:
        made: dict[str, Any] = board.json()
        for panel in made["panels"]:
            columns = [name for step in panel.get("transformations", ())
                       for name in step["options"].get("include", {}).get("names", ())]  # fmt: skip
            of_table = {name for name in columns if not name.startswith("Value")}
            for target in panel.get("targets", ()):
                labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"])) | of_table
                where = f"{board.uid}: {panel['title']} {target['refId']}"
                expr = _filled(target["expr"], chosen)
                yield Query(where, expr, target["instant"], frozenset(labels))
        for one in made["annotations"]["list"]:
            told = one["titleFormat"] + one["textFormat"] + "{{" + one["tagKeys"] + "}}"
            labels = set(re.findall(r"{{(\w+)}}", told))
            expr = _filled(one["expr"], chosen)
            yield Query(f"{board.uid}: {one['name']}", expr, True, frozenset(labels))


def _filled(expr: str, chosen: Mapping[str, str]) -> str:
    for name, value in chosen.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, expr
    return expr


@dataclass(frozen=True)
class Series:
    labels: dict[str, str]
    values: tuple[float, ...]


@dataclass
class Prometheus:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **asked: Any) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=asked) as answer:
            told = await answer.json()
            assert told["status"] == "success", (asked, told)
            return told["data"]

    async def ask(self, query: Query) -> list[Series]:
        """As Grafana asks: a panel of 5 minutes, or of now."""
        if query.instant:
            return await self.now(query.expr)
        now = float((await self.get("query", query="time()"))["result"][1])
        asked = {"query": query.expr, "start": now - 300, "end": now, "step": 1}
        told = (await self.get("query_range", **asked))["result"]
        return [Series(one["metric"], tuple(float(v) for _, v in one["values"])) for one in told]

    async def now(self, expr: str) -> list[Series]:
        data = await self.get("query", query=expr)
        if data["resultType"] == "scalar":
            return [Series({}, (float(data["result"][1]),))]
        return [Series(one["metric"], (float(one["value"][1]),)) for one in data["result"]]

    async def label_values(self, selector: str, label: str) -> list[str]:
        told: list[str] = await self.get(f"label/{label}/values", **{"match[]": selector})
        return told


def _free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])


@contextlib.asynccontextmanager
async def scraping(directory: Path, operator: str, token: str) -> AsyncIterator[Prometheus]:
    """The project's own rules, each second, over what a collector exports to a viewer."""
    program = needs("prometheus")
    (directory / "token").write_text(token)
    example = (RULES / "prometheus.yml").read_text()
    config = directory / "prometheus.yml"
    config.write_text(
        re.sub(r"alerting:\n(?: .*\n)+", "", example)
        .replace("scrape_interval: 15s", "scrape_interval: 1s")
        .replace("evaluation_interval: 1m", "evaluation_interval: 1s")
        .replace("- recording.yml", f"- {RULES / 'recording.yml'}")
        .replace("- alerts.yml", f"- {RULES / 'alerts.yml'}")
        .replace("/run/secrets/pinfall_token", str(directory / "token"))
        .replace("pinfall:8081", operator.removeprefix("http://"))
    )
    port, log = _free_port(), directory / "prometheus.log"
    command = [
        program, f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        async with aiohttp.ClientSession() as session:
            found = Prometheus(f"http://127.0.0.1:{port}", session)
            await _ready(found, process, log)
            yield found
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _ready(found: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(_READY):
        while True:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with found.session.get(f"{found.url}/-/ready") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
